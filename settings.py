"""Every app setting, typed. No other module of the product reads the environment."""

import json
import os
import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, NamedTuple, Self, cast

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    HttpUrl,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from contract.fields import ServiceName
from contract.fiscal_code import FISCAL_CODE_PATTERN
from contract.reminders import ReminderPolicy
from ncrontab import NcrontabError, Schedule
from storage import address
from storage.address import Service
from storage.periods import DEFAULT, Periods

# The account and key that Azurite and Microsoft's documentation publish for local development.
DEVELOPMENT_STORAGE = (
    "DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;"
    "AccountKey=Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==;"
    "BlobEndpoint=http://127.0.0.1:10000/devstoreaccount1;"
    "QueueEndpoint=http://127.0.0.1:10001/devstoreaccount1;"
    "TableEndpoint=http://127.0.0.1:10002/devstoreaccount1;"
)
_KEY = re.compile(r"[A-Za-z0-9_+/-]{43}=")
NEW_KEY = (
    "make one with: python -c 'from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())'"
)


# App Service passes this in place of a secret that it could not read (Learn, "Key Vault references").
UNRESOLVED = "@microsoft.keyvault("
LOOPBACK = {"localhost", "127.0.0.1", "[::1]"}
GUID = r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
# The maximum for each of Azure Monitor's samplers: spans a second, or a share of all spans.
SAMPLER_MAXIMUM = {"microsoft.rate_limited": 10_000.0, "microsoft.fixed_percentage": 1.0}
STORAGE_FORMS = (
    "set a connection string, or AzureWebJobsStorage__accountName, or "
    "AzureWebJobsStorage__queueServiceUri and AzureWebJobsStorage__tableServiceUri"
)
STORAGE_RULES = {
    "storage_account_name": (
        r"[a-z0-9]{3,24}",
        "the account's name alone, 3 to 24 lower-case letters and digits",
    ),
    "storage_credential": (r"(?i:managedidentity)", "managedidentity, or not set"),
    "storage_client_id": (GUID, "a GUID"),
    "storage_identity_resource": (
        r"(?i:/subscriptions/.+/userAssignedIdentities/)[^/]+",
        "/subscriptions/.../userAssignedIdentities/NAME",
    ),
    "storage_tenant": (r"[A-Za-z0-9.-]+", "a GUID or a domain"),
}
"""The format of these settings. Learn, "Storage account overview" has the rule for the account's name."""
PLAINER_MESSAGES = {
    "missing": "missing",
    "extra_forbidden": "is not known here",
    "too_short": "is empty",
    "url_parsing": "is no URL",
    "none_required": (
        "is not taken; use a managed identity, or AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET"
    ),
}
KEPT_FOR_LESS = {
    "ledger_retention_days": ("content_retention_days", "document_retention_days", "parked_retention_days"),
    "tombstone_retention_days": ("ledger_retention_days",),
}
"""A row outlives its content, its documents and its parked copy, and the tombstone the row."""
# The keys by which IO calls the institution are the institution's own.
SHORTEST_OWN_KEY = 32
NEW_API_KEY = "make one with: python -c 'import secrets; print(secrets.token_urlsafe(32))'"


class SettingsError(Exception):
    """The settings are wrong: each line names one setting and the correction, never a value."""


class Thresholds(BaseModel):
    """The limits above which `postino doctor` reports something as too many, too old or too late."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    in_doubt: int = Field(default=0, ge=0)
    accepted_hours: float = Field(default=24, gt=0)
    behind_hours: float = Field(default=24, gt=0)
    waiting_minutes: float = Field(default=60, gt=0)
    timer_minutes: float = Field(default=60, gt=0)


class RateLimit(NamedTuple):
    """A limit of `calls` calls in any period of `seconds` seconds."""

    calls: int
    seconds: float

    @property
    def rate(self) -> float:
        """Return the calls per second."""
        return self.calls / self.seconds

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read "calls/seconds", such as "150/5". Raises ValueError for any other text."""
        calls, _, seconds = text.partition("/")
        try:
            limit = cls(int(calls), float(seconds))
        except ValueError:
            limit = cls(0, 0)
        if limit.calls < 1 or not 1 <= limit.seconds <= 3600:
            raise ValueError("must be calls/seconds, such as 150/5")
        return limit


def _usable_key(key: SecretStr | None) -> SecretStr | None:
    text = key.get_secret_value() if key else ""
    if text.lower().startswith(UNRESOLVED):
        raise ValueError("is an unresolved Key Vault reference: put the secret, refresh the references")
    if text.strip() != text:
        raise ValueError("has white space at its beginning or end")
    if not re.fullmatch(r"[!-~]*", text):
        raise ValueError("has characters that no HTTP header carries")
    return key


IoKey = Annotated[SecretStr, AfterValidator(_usable_key)]


def _ulid(text: str | None) -> str | None:
    if text is not None and not re.fullmatch(r"[0-9A-HJKMNP-TV-Za-hjkmnp-tv-z]{26}", text):
        raise ValueError("must be the configuration_id of a remote content at IO: 26 letters and digits")
    return text


ConfigurationId = Annotated[str | None, AfterValidator(_ulid)]


class IoService(BaseModel):
    """One IO service: its API keys ("use" keys, one pair a service: IO guide, Authorizations), its
    configuration of remote contents at IO, and its reminders for requests that name none."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    key: IoKey = Field(min_length=1)
    secondary_key: IoKey | None = None
    configuration_id: ConfigurationId = None
    reminders: ReminderPolicy = ReminderPolicy()


class Settings(BaseSettings):
    """The app settings, as the platform passes them in the environment."""

    model_config = SettingsConfigDict(
        case_sensitive=True, frozen=True, hide_input_in_errors=True, env_ignore_empty=True
    )

    storage_account_name: str | None = Field(None, validation_alias="AzureWebJobsStorage__accountName")
    storage_queue_uri: HttpUrl | None = Field(None, validation_alias="AzureWebJobsStorage__queueServiceUri")
    storage_table_uri: HttpUrl | None = Field(None, validation_alias="AzureWebJobsStorage__tableServiceUri")
    storage_blob_uri: HttpUrl | None = Field(None, validation_alias="AzureWebJobsStorage__blobServiceUri")
    storage_credential: str | None = Field(None, validation_alias="AzureWebJobsStorage__credential")
    storage_client_id: str | None = Field(None, validation_alias="AzureWebJobsStorage__clientId")
    storage_identity_resource: str | None = Field(
        None, validation_alias="AzureWebJobsStorage__managedIdentityResourceId"
    )
    storage_tenant: str | None = Field(None, validation_alias="AzureWebJobsStorage__tenantId")
    storage_client_secret: None = Field(None, validation_alias="AzureWebJobsStorage__clientSecret")
    storage_connection: SecretStr | None = Field(
        None, validation_alias="AzureWebJobsStorage", validate_default=True
    )
    io_api_base_url: HttpUrl = Field(
        HttpUrl("https://api.io.pagopa.it/api/v1"), validation_alias="IO_API_BASE_URL"
    )
    io_services: Annotated[dict[ServiceName, IoService], NoDecode] = Field({}, validation_alias="IO_SERVICES")
    io_api_secondary_key: IoKey | None = Field(None, validation_alias="IO_API_SECONDARY_KEY")
    io_api_key: IoKey | None = Field(None, validation_alias="IO_API_KEY", validate_default=True)
    io_manage_api_key: IoKey | None = Field(None, validation_alias="IO_MANAGE_API_KEY")
    remote_content_api_secondary_key: IoKey | None = Field(
        None, validation_alias="REMOTE_CONTENT_API_SECONDARY_KEY"
    )
    remote_content_api_key: IoKey | None = Field(
        None, validation_alias="REMOTE_CONTENT_API_KEY", validate_default=True
    )
    remote_content_api_key_header: str = Field("X-Api-Key", validation_alias="REMOTE_CONTENT_API_KEY_HEADER")
    remote_content_configuration_id: ConfigurationId = Field(
        None, validation_alias="REMOTE_CONTENT_CONFIGURATION_ID"
    )
    content_retention_days: int = Field(
        DEFAULT.contents, ge=90, le=3650, validation_alias="CONTENT_RETENTION_DAYS"
    )
    document_retention_days: int | None = Field(
        None, ge=30, le=3650, validation_alias="DOCUMENT_RETENTION_DAYS"
    )
    status_page_role: str | None = Field(None, validation_alias="STATUS_PAGE_ROLE")
    sign_in: str | None = Field(None, validation_alias="WEBSITE_AUTH_ENABLED")
    parked_retention_days: int = Field(
        DEFAULT.parked, ge=7, le=3650, validation_alias="PARKED_RETENTION_DAYS"
    )
    ledger_retention_days: int = Field(
        DEFAULT.ledger, ge=90, le=3650, validation_alias="LEDGER_RETENTION_DAYS", validate_default=True
    )
    tombstone_retention_days: int = Field(
        DEFAULT.tombstones, ge=90, le=36500, validation_alias="TOMBSTONE_RETENTION_DAYS"
    )
    audit_retention_days: int = Field(DEFAULT.audit, ge=180, le=3650, validation_alias="AUDIT_RETENTION_DAYS")
    io_rate_limit: Annotated[RateLimit, NoDecode] = Field(RateLimit(150, 5), validation_alias="IO_RATE_LIMIT")
    reminders: Annotated[ReminderPolicy, NoDecode] = Field(ReminderPolicy(), validation_alias="REMINDERS")
    reminders_schedule: str = Field("0 */15 * * * *", validation_alias="REMINDERS_SCHEDULE")
    reminders_per_citizen_per_day: int = Field(
        2, ge=1, le=10, validation_alias="REMINDERS_PER_CITIZEN_PER_DAY"
    )
    subscriptions_feed: Annotated[tuple[str, ...], NoDecode] = Field(
        (), validation_alias="SUBSCRIPTIONS_FEED"
    )
    subscriptions_feed_schedule: str = Field(
        "0 20,50 * * * *", validation_alias="SUBSCRIPTIONS_FEED_SCHEDULE"
    )
    encryption_keys: Annotated[tuple[SecretStr, ...], NoDecode] = Field(validation_alias="ENCRYPTION_KEYS")
    test_recipients: Annotated[tuple[SecretStr, ...], NoDecode] = Field(
        (), validation_alias="TEST_RECIPIENTS"
    )
    check_status_schedule: str = Field("0 */5 * * * *", validation_alias="CHECK_STATUS_SCHEDULE")
    doctor_thresholds: Annotated[Thresholds, NoDecode] = Field(
        Thresholds(), validation_alias="DOCTOR_THRESHOLDS"
    )
    applicationinsights: SecretStr | None = Field(
        None, validation_alias="APPLICATIONINSIGHTS_CONNECTION_STRING"
    )
    otlp: HttpUrl | None = Field(None, validation_alias="OTEL_EXPORTER_OTLP_ENDPOINT")
    otlp_traces: HttpUrl | None = Field(None, validation_alias="OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
    otlp_metrics: HttpUrl | None = Field(None, validation_alias="OTEL_EXPORTER_OTLP_METRICS_ENDPOINT")
    otlp_logs: HttpUrl | None = Field(None, validation_alias="OTEL_EXPORTER_OTLP_LOGS_ENDPOINT")
    otlp_protocol: str = Field("http/json", validation_alias="OTEL_EXPORTER_OTLP_PROTOCOL")
    sampler: str = Field("", validation_alias="OTEL_TRACES_SAMPLER")
    sampler_argument: str = Field("1", validation_alias="OTEL_TRACES_SAMPLER_ARG", validate_default=True)

    @field_validator(*STORAGE_RULES)
    @classmethod
    def _check_storage_text(cls, value: str | None, info: ValidationInfo) -> str | None:
        shape, rule = STORAGE_RULES[str(info.field_name)]
        if value is not None and not re.fullmatch(shape, value):
            raise ValueError(f"must be {rule}")
        return value

    @field_validator("storage_queue_uri", "storage_table_uri", "storage_blob_uri")
    @classmethod
    def _check_storage_uri(cls, value: HttpUrl | None, info: ValidationInfo) -> HttpUrl | None:
        if value is None:
            return None
        address.check(value, cast(Service, str(info.field_name).split("_")[1]))
        account = address.account(value)
        for other, its_account in _accounts(info.data):
            # Triggers use the name and ignore the addresses (azure-functions-host#10401).
            is_comparable = other == "storage_account_name" or (account and its_account)
            if is_comparable and account != its_account:
                raise ValueError(f"is not of the account of {_setting(other)}; keep one, or name one account")
        return value

    @field_validator("storage_identity_resource")
    @classmethod
    def _check_one_identity(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value and info.data.get("storage_client_id"):
            raise ValueError("is one identity and AzureWebJobsStorage__clientId another; keep one of them")
        if value and info.data.get("storage_credential", "wrong") is None:
            raise ValueError("needs AzureWebJobsStorage__credential=managedidentity")
        return value

    @field_validator("storage_connection")
    @classmethod
    def _check_storage(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if value is None:
            uris = [info.data.get(name, "wrong") for name in ("storage_queue_uri", "storage_table_uri")]
            # A wrong URI has an error line of its own.
            if not all(uris) and not info.data.get("storage_account_name", "wrong"):
                raise ValueError(f"missing; {STORAGE_FORMS}")
            return None
        if others := [_setting(name) for name, _ in _accounts(info.data)]:
            raise ValueError(f"is a connection string, which wins over {others[0]}; keep one of them")
        if value.get_secret_value().strip() == "UseDevelopmentStorage=true":
            return SecretStr(DEVELOPMENT_STORAGE)
        if "AccountName=" not in value.get_secret_value():
            raise ValueError(f"is no connection string; {STORAGE_FORMS}")
        return value

    @field_validator("io_api_base_url")
    @classmethod
    def _check_base_url(cls, value: HttpUrl) -> HttpUrl:
        if value.scheme != "https" and value.host not in LOOPBACK:
            raise ValueError("must begin with https: keys and fiscal codes go there")
        return value

    @field_validator("io_services", mode="before")
    @classmethod
    def _read_services(cls, value: Any) -> Any:
        try:
            return json.loads(value, object_pairs_hook=_once_each) if isinstance(value, str) else value
        except _DuplicateName as error:
            raise ValueError(f"names {error} twice in one object") from None
        except ValueError:
            _refuse_reference(value)
            raise ValueError('must be JSON such as {"anagrafe": {"key": "..."}}') from None

    @field_validator("io_api_key")
    @classmethod
    def _check_services(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        services = info.data.get("io_services")
        if value is None and services == {}:
            raise ValueError("missing; set the key of your IO service here, or several in IO_SERVICES")
        if value is not None and "default" in (services or {}):
            raise ValueError("is the key of service 'default', which IO_SERVICES sets too; keep one of them")
        return value

    @field_validator("remote_content_api_key")
    @classmethod
    def _check_remote_content(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if value is None:
            if info.data.get("remote_content_api_secondary_key"):
                raise ValueError("missing; REMOTE_CONTENT_API_SECONDARY_KEY alone opens nothing")
            return None
        if len(value.get_secret_value()) < SHORTEST_OWN_KEY:
            raise ValueError(f"must have at least {SHORTEST_OWN_KEY} characters: {NEW_API_KEY}")
        if info.data.get("storage_queue_uri") and not info.data.get("storage_blob_uri"):
            raise ValueError("needs AzureWebJobsStorage__blobServiceUri: documents are blobs")
        return value

    @field_validator("remote_content_api_key_header")
    @classmethod
    def _check_header(cls, value: str) -> str:
        if not re.fullmatch(r"[A-Za-z0-9-]{1,64}", value):
            raise ValueError("must be the name of an HTTP header: letters, digits and -")
        return value

    @field_validator("remote_content_configuration_id")
    @classmethod
    def _check_configuration(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value and info.data.get("io_api_key", "wrong") is None:
            raise ValueError("is for the service of IO_API_KEY; others have configuration_id in IO_SERVICES")
        return value

    @field_validator("ledger_retention_days", "tombstone_retention_days")
    @classmethod
    def _check_periods(cls, value: int, info: ValidationInfo) -> int:
        for other in KEPT_FOR_LESS[str(info.field_name)]:
            if (info.data.get(other) or 0) > value:
                raise ValueError(f"must be at least {_setting(other)}")
        return value

    @field_validator("status_page_role")
    @classmethod
    def _check_role(cls, value: str | None) -> str | None:
        if value and not re.fullmatch(r"[A-Za-z0-9._-]{1,120}", value):
            raise ValueError("must be the value of an app role: letters, digits, . _ -")
        return value

    @field_validator("io_rate_limit", mode="before")
    @classmethod
    def _read_rate_limit(cls, value: Any) -> Any:
        return RateLimit.parse(value) if isinstance(value, str) else value

    @field_validator("reminders", mode="before")
    @classmethod
    def _read_reminders(cls, value: Any, info: ValidationInfo) -> Any:
        if not isinstance(value, str):  # the default
            return value
        if info.data.get("io_api_key", "wrong") is None:
            raise ValueError("is for the service of IO_API_KEY; others have their reminders in IO_SERVICES")
        try:
            return json.loads(value)
        except ValueError:
            raise ValueError('must be JSON such as {"unread": {"after_days": 7}}') from None

    @field_validator("doctor_thresholds", mode="before")
    @classmethod
    def _read_thresholds(cls, value: Any) -> Any:
        try:
            return json.loads(value) if isinstance(value, str) else value
        except ValueError:
            raise ValueError('must be JSON such as {"in_doubt": 5}') from None

    @field_validator("encryption_keys", mode="before")
    @classmethod
    def _read_keys(cls, value: Any) -> Any:
        _refuse_reference(value)
        keys = [key.strip() for key in value.split(",")]
        for number, key in enumerate(keys, start=1):
            # Fernet takes "one\nother" for the key "one", and the other would be missing without a word.
            if any(map(str.isspace, key)):
                raise ValueError(f"key {number} has white space inside; separate keys with commas")
            if not _KEY.fullmatch(key):
                raise ValueError(f"key {number} is not url-safe base64 of 32 bytes; {NEW_KEY}")
        return keys

    @field_validator("test_recipients", mode="before")
    @classmethod
    def _read_test_recipients(cls, value: Any) -> Any:
        if not isinstance(value, str):  # the default
            return value
        _refuse_reference(value)
        codes = [code.strip().upper() for code in value.split(",")]
        for number, code in enumerate(codes, start=1):
            if not re.fullmatch(FISCAL_CODE_PATTERN, code):
                raise ValueError(f"recipient {number} is not a person's fiscal code")
            if code in codes[: number - 1]:
                raise ValueError(f"recipient {number} is there twice")
        return codes

    @field_validator("applicationinsights")
    @classmethod
    def _check_applicationinsights(cls, value: SecretStr | None) -> SecretStr | None:
        if value and not re.search(
            rf"(^|;)\s*InstrumentationKey={GUID}\s*(;|$)", value.get_secret_value(), re.I
        ):
            raise ValueError("is no connection string of Application Insights: InstrumentationKey=...;...")
        return value

    @field_validator("otlp_protocol")
    @classmethod
    def _check_otlp_protocol(cls, value: str) -> str:
        # Other protocols need protobuf, and the platform's worker has its own version of protobuf.
        if value != "http/json":
            raise ValueError("must be http/json, the one that is spoken here, or not set")
        return value

    @field_validator("sampler_argument")
    @classmethod
    def _check_sampler_argument(cls, value: str, info: ValidationInfo) -> str:
        most = SAMPLER_MAXIMUM.get(info.data.get("sampler", ""))
        if most is None:  # a sampler of the SDK, which reads its argument itself
            return value
        try:
            argument = float(value)
        except ValueError:
            argument = -1
        if not 0 <= argument <= most:
            raise ValueError(f"must be a number from 0 to {most:g} for that OTEL_TRACES_SAMPLER")
        return value

    @field_validator("subscriptions_feed", mode="before")
    @classmethod
    def _read_feed_services(cls, value: Any, info: ValidationInfo) -> Any:
        if not isinstance(value, str):  # the default
            return value
        names = tuple(dict.fromkeys(name.strip() for name in value.split(",")))
        has_default = info.data.get("io_api_key", "wrong") is not None
        known = {*info.data.get("io_services", names), *(["default"] if has_default else [])}
        for number, name in enumerate(names, start=1):
            if name not in known:
                raise ValueError(f"name {number} is of no configured service, such as default")
        return names

    @field_validator("check_status_schedule", "reminders_schedule", "subscriptions_feed_schedule")
    @classmethod
    def _check_schedule(cls, value: str) -> str:
        if len(value.split()) != 6:
            raise ValueError("must have the six fields of NCRONTAB, such as '0 */5 * * * *'")
        try:
            Schedule.parse(value)
        except NcrontabError as error:
            raise ValueError(f"is no NCRONTAB schedule: {error}") from None
        return value

    def storage_address(self, service: Service) -> str:
        """Return the address of a service of the storage account. For an account reached by identity."""
        if self.storage_account_name:
            return address.address(self.storage_account_name, service)
        return str(getattr(self, f"storage_{service}_uri"))

    @property
    def exports_telemetry(self) -> bool:
        """Return whether logs, metrics and spans have a destination."""
        return self.applicationinsights is not None or self.exports_otlp

    @property
    def exports_otlp(self) -> bool:
        """Return whether an OTLP collector is a destination."""
        return any((self.otlp, self.otlp_traces, self.otlp_metrics, self.otlp_logs))

    @property
    def secrets(self) -> set[str]:
        """Return every key and fiscal code that must never be visible."""
        services = self.services.values()
        single = (self.io_manage_api_key, *self.remote_content_keys)
        keys = {
            *self.encryption_keys,
            *self.test_recipients,
            *(key for key in single if key),
            *(key for one in services for key in (one.key, one.secondary_key) if key),
        }
        storage = self.storage_connection.get_secret_value() if self.storage_connection else ""
        account_keys = re.findall(r"(?:AccountKey|SharedAccessSignature)=([^;]+)", storage)
        return {key.get_secret_value() for key in keys} | set(account_keys)

    @property
    def services(self) -> dict[str, IoService]:
        """Return every configured IO service by the name that requests use."""
        if not self.io_api_key:
            return self.io_services
        default = IoService(
            key=self.io_api_key,
            secondary_key=self.io_api_secondary_key,
            configuration_id=self.remote_content_configuration_id,
            reminders=self.reminders,
        )
        return {"default": default, **self.io_services}

    @property
    def remote_content_keys(self) -> tuple[SecretStr, ...]:
        """Return the keys by which IO may fetch remote contents; two during a rotation."""
        keys = (self.remote_content_api_key, self.remote_content_api_secondary_key)
        return tuple(key for key in keys if key)

    @property
    def signs_in(self) -> bool:
        """Return whether the platform signs people in, and lets nobody forge its headers.

        App Service sets the variable itself, as Microsoft.Identity.Web relies on as well.
        """
        return (self.sign_in or "").lower() == "true"

    @property
    def periods(self) -> Periods:
        """Return how long each kind of data is kept."""
        return Periods(
            contents=self.content_retention_days,
            documents=self.document_retention_days,
            parked=self.parked_retention_days,
            ledger=self.ledger_retention_days,
            tombstones=self.tombstone_retention_days,
            audit=self.audit_retention_days,
        )

    @property
    def configuration_ids(self) -> dict[str, str]:
        """Return the configuration of remote contents at IO of each service that has one, by service."""
        found = {name: service.configuration_id for name, service in self.services.items()}
        return {name: configuration_id for name, configuration_id in found.items() if configuration_id}

    @property
    def reminder_policies(self) -> dict[str, ReminderPolicy]:
        """Return the reminder policy of each service, by the service's name."""
        return {name: service.reminders for name, service in self.services.items()}


def load() -> Settings:
    """Read the environment. Raises SettingsError with one line per mistake."""
    try:
        return Settings()
    except ValidationError as error:
        lines = [_line(dict(mistake)) for mistake in error.errors(include_input=False, include_url=False)]
        raise SettingsError("\n".join(lines)) from None


def names_certificates() -> bool:
    """Return whether the environment names the trusted certificates (httpx reads them from there)."""
    return any(os.environ.get(name) for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"))


class _DuplicateName(ValueError):
    """A name appears twice in one JSON object."""


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = [name for name, _ in pairs]
    for name in names:
        if names.count(name) > 1:
            raise _DuplicateName(repr(name))
    return dict(pairs)


def _refuse_reference(text: str) -> None:
    _usable_key(SecretStr(text) if text.lower().startswith(UNRESOLVED) else None)


def _line(mistake: dict[str, Any]) -> str:
    setting, *path = mistake["loc"]
    if setting in Settings.model_fields:  # pydantic reports a refused default by the field's own name
        setting = _setting(setting)
    where = ".".join(str(part) for part in (setting, *path))
    rules = mistake.get("ctx", {}).get("rules")  # from the contract's own types
    said = "; ".join(rules) if rules else str(mistake["msg"]).removeprefix("Value error, ")
    what = PLAINER_MESSAGES.get(mistake["type"], said)
    advice = f"; {NEW_KEY}" if where == "ENCRYPTION_KEYS" and what == "missing" else ""
    return f"{where}: {what}{advice}"


def _setting(field: str) -> str:
    return str(Settings.model_fields[field].validation_alias)


def _accounts(values: Mapping[str, Any]) -> Iterator[tuple[str, str | None]]:
    """Yield each field that identifies an account, with the result of `address.account` for the field."""
    if name := values.get("storage_account_name"):
        yield "storage_account_name", address.account(HttpUrl(address.address(name, "queue")))
    for field in ("storage_queue_uri", "storage_table_uri", "storage_blob_uri"):
        if uri := values.get(field):
            yield field, address.account(uri)
