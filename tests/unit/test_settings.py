"""The settings: the values that the environment may hold, and one line for each wrong one."""

import json
from collections.abc import Callable
from datetime import timedelta

import pytest
from pydantic import SecretStr, ValidationError

import settings
from contract.reminders import ReminderPolicy, UnpaidReminders, UnreadReminders
from settings import Settings, SettingsError
from storage.retention import LONGEST_FOLLOWED
from tests.samples import KEYS

SECRET = "s3cr3t-of-the-test"
FIRST, SECOND = (key.get_secret_value() for key in KEYS)
CONNECTION = f"AccountName=a;AccountKey={SECRET};QueueEndpoint=http://q/;TableEndpoint=http://t/;"
GOOD = {"AzureWebJobsStorage": CONNECTION, "IO_API_KEY": SECRET, "ENCRYPTION_KEYS": FIRST}
NAME = "AzureWebJobsStorage__accountName"
QUEUE_URI, TABLE_URI = "AzureWebJobsStorage__queueServiceUri", "AzureWebJobsStorage__tableServiceUri"
BLOB_URI = "AzureWebJobsStorage__blobServiceUri"
CREDENTIAL, CLIENT_ID = "AzureWebJobsStorage__credential", "AzureWebJobsStorage__clientId"
RESOURCE, TENANT = "AzureWebJobsStorage__managedIdentityResourceId", "AzureWebJobsStorage__tenantId"
CLIENT_SECRET = "AzureWebJobsStorage__clientSecret"
GUID = "11111111-2222-3333-4444-555555555555"
QUEUES, TABLES, BLOBS = (f"https://abc.{service}.core.windows.net" for service in ("queue", "table", "blob"))
IDENTITY = "/subscriptions/1/resourceGroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/i"

type Load = Callable[..., Settings]


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Load:
    """Return a function that loads a valid environment with changes; a change to None removes a setting."""
    names = [field.validation_alias for field in Settings.model_fields.values()]

    def load(**changes: str | None) -> Settings:
        for name in names:
            monkeypatch.delenv(str(name), raising=False)
        for name, value in (GOOD | changes).items():
            if value is not None:
                monkeypatch.setenv(name, value)
        return settings.load()

    return load


def test_least_that_must_be_set_is_enough(load: Load) -> None:
    """With storage, one API key and one encryption key, everything else has its default."""
    loaded = load()
    assert str(loaded.io_api_base_url) == "https://api.io.pagopa.it/api/v1"
    assert loaded.check_status_schedule == "0 */5 * * * *"
    assert (loaded.reminders_schedule, loaded.reminders_per_citizen_per_day) == ("0 */15 * * * *", 2)
    assert loaded.services["default"].reminders == ReminderPolicy()
    assert list(loaded.services) == ["default"]
    assert loaded.services["default"].key.get_secret_value() == SECRET
    assert [key.get_secret_value() for key in loaded.encryption_keys] == [FIRST]


def test_settings_are_what_the_environment_says(load: Load) -> None:
    """Each setting is read as written, and spaces between keys are ignored."""
    loaded = load(
        IO_API_BASE_URL="http://127.0.0.1:8080/api/v1",
        IO_API_SECONDARY_KEY="second",
        IO_SERVICES='{"anagrafe": {"key": "a", "secondary_key": "b"}, "tributi": {"key": "c"}}',
        ENCRYPTION_KEYS=f" {FIRST} , {SECOND}",
        CHECK_STATUS_SCHEDULE="*/10 * * * * *",
    )
    assert str(loaded.io_api_base_url) == "http://127.0.0.1:8080/api/v1"
    assert list(loaded.services) == ["default", "anagrafe", "tributi"]
    assert loaded.services["default"].secondary_key == SecretStr("second")
    assert loaded.services["anagrafe"].secondary_key == SecretStr("b")
    assert loaded.services["tributi"].key == SecretStr("c")
    assert [key.get_secret_value() for key in loaded.encryption_keys] == [FIRST, SECOND]
    assert loaded.check_status_schedule == "*/10 * * * * *"


def test_each_service_has_reminders_of_its_own(load: Load) -> None:
    """REMINDERS applies to the service of IO_API_KEY; the others have their reminders in IO_SERVICES."""
    loaded = load(
        REMINDERS='{"unread": {"after_days": 7}, "when_unavailable": "remind"}',
        REMINDERS_SCHEDULE="*/10 * * * * *",
        REMINDERS_PER_CITIZEN_PER_DAY="3",
        IO_SERVICES=json.dumps(
            {
                "anagrafe": {"key": "a"},
                "tributi": {"key": "c", "reminders": {"unpaid": {"days_before_due": [1, 0]}}},
            }
        ),
    )
    reminders = {name: service.reminders for name, service in loaded.services.items()}
    assert reminders == {
        "default": ReminderPolicy(unread=UnreadReminders(after_days=7), when_unavailable="remind"),
        "anagrafe": ReminderPolicy(),
        "tributi": ReminderPolicy(unpaid=UnpaidReminders(days_before_due=[1, 0])),
    }
    assert (loaded.reminders_schedule, loaded.reminders_per_citizen_per_day) == ("*/10 * * * * *", 3)


@pytest.mark.parametrize(("days", "kept"), [(None, None), ("30", 30), ("3650", 3650)])
def test_documents_are_kept_for_so_many_days(load: Load, days: str | None, kept: int | None) -> None:
    """DOCUMENT_RETENTION_DAYS is a period; without it documents are kept with the ledger's row."""
    periods = load(DOCUMENT_RETENTION_DAYS=days, LEDGER_RETENTION_DAYS="3650").periods
    assert (periods.documents, periods.of("documents")) == (kept, timedelta(days=kept or 3650))


def test_test_recipients_are_secrets(load: Load) -> None:
    """The test recipients are fiscal codes, so they are hidden and masked like keys."""
    loaded = load(TEST_RECIPIENTS="rssmra80a01h501u, BNCLRA85M41F205X")
    codes = [code.get_secret_value() for code in loaded.test_recipients]
    assert codes == ["RSSMRA80A01H501U", "BNCLRA85M41F205X"]
    assert set(codes) < loaded.secrets
    assert not any(code in repr(loaded) for code in codes)


@pytest.mark.parametrize(
    ("recipients", "rule"),
    [
        ("RSSMRA80A01H501U,ROSSI", "recipient 2 is not a person's fiscal code"),
        ("RSSMRA80A01H501U,", "recipient 2 is not a person's fiscal code"),
        ("RSSMRA80A01H501U,RSSMRA80A01H501U", "recipient 2 is there twice"),
    ],
)
def test_wrong_test_recipient_is_named_by_its_number(load: Load, recipients: str, rule: str) -> None:
    """A wrong list of test recipients stops the start, without showing a code."""
    with pytest.raises(SettingsError) as raised:
        load(TEST_RECIPIENTS=recipients)
    assert str(raised.value) == f"TEST_RECIPIENTS: {rule}"


@pytest.mark.parametrize("days", ["0", "29", "3651", "-1", "90 days"])
def test_retention_out_of_range_stops_the_start(load: Load, days: str) -> None:
    """A retention shorter than a month or longer than ten years is a mistake, and so is a word."""
    with pytest.raises(SettingsError, match=r"^DOCUMENT_RETENTION_DAYS: "):
        load(DOCUMENT_RETENTION_DAYS=days)


@pytest.mark.parametrize(
    ("text", "services"),
    [(None, ()), ("default", ("default",)), (" anagrafe , default ,anagrafe", ("anagrafe", "default"))],
)
def test_feeds_are_followed_for_named_services(
    load: Load, text: str | None, services: tuple[str, ...]
) -> None:
    """SUBSCRIPTIONS_FEED names services; without it no feed is followed."""
    loaded = load(SUBSCRIPTIONS_FEED=text, IO_SERVICES='{"anagrafe": {"key": "a"}}')
    assert loaded.subscriptions_feed == services


@pytest.mark.parametrize("text", ["tributi", "default,tributi", "default,", SECRET])
def test_feed_of_an_unknown_service_stops_the_start(load: Load, text: str) -> None:
    """A name that no service has is a mistake; it is told by its place."""
    with pytest.raises(SettingsError, match=r"^SUBSCRIPTIONS_FEED: name \d is of no configured service"):
        load(SUBSCRIPTIONS_FEED=text)


@pytest.mark.parametrize(
    ("changed", "wrong", "shorter"),
    [
        ({"CONTENT_RETENTION_DAYS": "366"}, "LEDGER_RETENTION_DAYS", "CONTENT_RETENTION_DAYS"),
        ({"DOCUMENT_RETENTION_DAYS": "366"}, "LEDGER_RETENTION_DAYS", "DOCUMENT_RETENTION_DAYS"),
        ({"PARKED_RETENTION_DAYS": "366"}, "LEDGER_RETENTION_DAYS", "PARKED_RETENTION_DAYS"),
        ({"TOMBSTONE_RETENTION_DAYS": "364"}, "TOMBSTONE_RETENTION_DAYS", "LEDGER_RETENTION_DAYS"),
    ],
)
def test_periods_are_checked_together(load: Load, changed: dict[str, str], wrong: str, shorter: str) -> None:
    """A period that does not outlast another one names it."""
    with pytest.raises(SettingsError, match=f"^{wrong}: must be at least {shorter}$"):
        load(**changed)
    assert load(**{**changed, "LEDGER_RETENTION_DAYS": "3650", "TOMBSTONE_RETENTION_DAYS": "3650"})


@pytest.mark.parametrize("days", ["179", "0", "two years"])
def test_audit_is_kept_for_six_months_at_least(load: Load, days: str) -> None:
    """The Garante asks that administrators' accesses be kept for six months at least."""
    with pytest.raises(SettingsError, match=r"^AUDIT_RETENTION_DAYS: "):
        load(AUDIT_RETENTION_DAYS=days)


def test_office_that_sets_nothing_keeps_nothing_for_ever(load: Load) -> None:
    """Each kind of data has a period by default, which outlasts the longest following."""
    periods = load().periods
    kinds = ("contents", "documents", "parked", "ledger", "tombstones", "audit")
    assert min(periods.of(kind) for kind in kinds) >= timedelta(days=90) > LONGEST_FOLLOWED


def test_services_alone_are_enough(load: Load) -> None:
    """IO_API_KEY is not required if IO_SERVICES names all services."""
    assert list(load(IO_API_KEY=None, IO_SERVICES='{"default": {"key": "a"}}').services) == ["default"]


def test_development_storage_is_the_local_emulator(load: Load) -> None:
    """The platform's short form for development is expanded, because the SDK does not know it."""
    connection = load(AzureWebJobsStorage="UseDevelopmentStorage=true").storage_connection
    assert connection is not None
    assert "QueueEndpoint=http://127.0.0.1:10001/devstoreaccount1;" in connection.get_secret_value()
    assert "TableEndpoint=http://127.0.0.1:10002/devstoreaccount1;" in connection.get_secret_value()


def test_identity_form_needs_no_connection_string(load: Load) -> None:
    """Queue and table addresses with the app's identity replace the connection string."""
    loaded = load(
        AzureWebJobsStorage=None,
        **{QUEUE_URI: "https://a.queue.core.windows.net", TABLE_URI: "https://a.table.core.windows.net"},
        AzureWebJobsStorage__clientId="11111111-2222-3333-4444-555555555555",
    )
    assert loaded.storage_connection is None
    assert str(loaded.storage_queue_uri) == "https://a.queue.core.windows.net/"
    assert loaded.storage_client_id == "11111111-2222-3333-4444-555555555555"


@pytest.mark.parametrize(
    ("identity", "queues", "tables"),
    [
        ({NAME: "abc1"}, "https://abc1.queue.core.windows.net", "https://abc1.table.core.windows.net"),
        (
            {NAME: "abc", QUEUE_URI: "https://abc.queue.core.windows.net"},
            "https://abc.queue.core.windows.net",
            "https://abc.table.core.windows.net",
        ),
        (
            {
                QUEUE_URI: "https://abc.queue.core.usgovcloudapi.net",
                TABLE_URI: "https://ABC.table.core.usgovcloudapi.net/",
                BLOB_URI: "https://abc.blob.core.usgovcloudapi.net",
            },
            "https://abc.queue.core.usgovcloudapi.net/",
            "https://abc.table.core.usgovcloudapi.net/",
        ),
        (
            {
                QUEUE_URI: "https://abc.privatelink.queue.core.chinacloudapi.cn",
                TABLE_URI: "https://abc.table.core.chinacloudapi.cn",
            },
            "https://abc.privatelink.queue.core.chinacloudapi.cn/",
            "https://abc.table.core.chinacloudapi.cn/",
        ),
        (
            {
                QUEUE_URI: "https://a.z7.queue.storage.azure.net",
                TABLE_URI: "https://a.z7.table.storage.azure.net",
            },
            "https://a.z7.queue.storage.azure.net/",
            "https://a.z7.table.storage.azure.net/",
        ),
        (
            {QUEUE_URI: "https://code.comune.it", TABLE_URI: "https://abc.table.core.windows.net"},
            "https://code.comune.it/",
            "https://abc.table.core.windows.net/",
        ),
        (
            {QUEUE_URI: "http://127.0.0.1:10001/dev1", TABLE_URI: "http://localhost:10002/dev1/"},
            "http://127.0.0.1:10001/dev1",
            "http://localhost:10002/dev1/",
        ),
        (
            {QUEUE_URI: "https://[::1]:10001/dev1", TABLE_URI: "https://azurite:10002/dev1"},
            "https://[::1]:10001/dev1",
            "https://azurite:10002/dev1",
        ),
    ],
)
def test_account_is_reached_where_name_or_addresses_say(
    load: Load, identity: dict[str, str], queues: str, tables: str
) -> None:
    """A name means an account of the public cloud; other clouds, own domains and emulators need addresses."""
    loaded = load(AzureWebJobsStorage=None, **identity)
    assert loaded.storage_connection is None
    assert (loaded.storage_address("queue"), loaded.storage_address("table")) == (queues, tables)


@pytest.mark.parametrize(
    "identity",
    [
        {CREDENTIAL: "managedidentity"},
        {CREDENTIAL: "ManagedIdentity", CLIENT_ID: GUID},
        {CREDENTIAL: "managedidentity", RESOURCE: IDENTITY},
        {TENANT: "comune.onmicrosoft.com"},
        {TENANT: GUID, CLIENT_ID: GUID},
    ],
)
def test_identities_that_the_platform_knows_are_taken(load: Load, identity: dict[str, str]) -> None:
    """A managed identity by client id or resource, or the signed-in identity, is accepted."""
    assert load(AzureWebJobsStorage=None, **{NAME: "abc"}, **identity).storage_account_name == "abc"


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"AzureWebJobsStorage": None}, "AzureWebJobsStorage: missing; set a connection string, or "),
        ({"AzureWebJobsStorage": ""}, "AzureWebJobsStorage: missing; "),
        ({"AzureWebJobsStorage": SECRET}, "AzureWebJobsStorage: is no connection string; "),
        ({"AzureWebJobsStorage": None, QUEUE_URI: "https://a/"}, "AzureWebJobsStorage: missing; "),
        (
            {"AzureWebJobsStorage": None, QUEUE_URI: SECRET, TABLE_URI: "https://a/"},
            f"{QUEUE_URI}: is no URL",
        ),
        ({"AzureWebJobsStorage": None, NAME: f"AccountName={SECRET}"}, f"{NAME}: must be the account's name"),
        ({"AzureWebJobsStorage": None, NAME: "Abc"}, f"{NAME}: must be the account's name alone, 3 to 24 "),
        ({"AzureWebJobsStorage": None, NAME: "ab"}, f"{NAME}: must be the account's name alone, 3 to 24 "),
        ({"AzureWebJobsStorage": None, NAME: "a" * 25}, f"{NAME}: must be the account's name alone"),
        ({"AzureWebJobsStorage": None, BLOB_URI: BLOBS}, "AzureWebJobsStorage: missing; "),
        ({NAME: "abc"}, f"AzureWebJobsStorage: is a connection string, which wins over {NAME}; keep one"),
        (
            {QUEUE_URI: "https://abc.queue.core.windows.net"},
            f"AzureWebJobsStorage: is a connection string, which wins over {QUEUE_URI}; keep one of them",
        ),
        (
            {"AzureWebJobsStorage": None, NAME: "xyz", QUEUE_URI: QUEUES},
            f"{QUEUE_URI}: is not of the account of {NAME}; keep one, or name one account",
        ),
        (
            {"AzureWebJobsStorage": None, NAME: "abc", TABLE_URI: "https://abc.table.core.chinacloudapi.cn"},
            f"{TABLE_URI}: is not of the account of {NAME}; ",
        ),
        (
            {"AzureWebJobsStorage": None, NAME: "abc", BLOB_URI: "https://files.comune.it"},
            f"{BLOB_URI}: is not of the account of {NAME}; ",
        ),
        (
            {
                "AzureWebJobsStorage": None,
                QUEUE_URI: QUEUES,
                TABLE_URI: "https://xyz.table.core.windows.net",
            },
            f"{TABLE_URI}: is not of the account of {QUEUE_URI}; ",
        ),
        (
            {
                "AzureWebJobsStorage": None,
                QUEUE_URI: QUEUES,
                TABLE_URI: TABLES,
                BLOB_URI: "https://abc.blob.core.usgovcloudapi.net",
            },
            f"{BLOB_URI}: is not of the account of {QUEUE_URI}; ",
        ),
        (
            {
                "AzureWebJobsStorage": None,
                QUEUE_URI: "http://127.0.0.1:10001/one",
                TABLE_URI: "http://127.0.0.1:10002/other",
            },
            f"{TABLE_URI}: is not of the account of {QUEUE_URI}; ",
        ),
        (
            {"AzureWebJobsStorage": None, QUEUE_URI: f"{QUEUES}/?sv=1&sig={SECRET}", TABLE_URI: TABLES},
            f"{QUEUE_URI}: must hold no SAS token, query or password",
        ),
        (
            {"AzureWebJobsStorage": None, QUEUE_URI: QUEUES, TABLE_URI: f"https://u:{SECRET}@t.example/"},
            f"{TABLE_URI}: must hold no SAS token, query or password",
        ),
        (
            {
                "AzureWebJobsStorage": None,
                QUEUE_URI: "http://abc.queue.core.windows.net",
                TABLE_URI: TABLES,
            },
            f"{QUEUE_URI}: must begin with https://",
        ),
        (
            {"AzureWebJobsStorage": None, QUEUE_URI: "http://192.0.2.1:10001/dev1", TABLE_URI: TABLES},
            f"{QUEUE_URI}: must begin with https://",
        ),
        (
            {"AzureWebJobsStorage": None, QUEUE_URI: f"{QUEUES}/message-requests", TABLE_URI: TABLES},
            f"{QUEUE_URI}: must be the address of the service, without a queue, table or container",
        ),
        (
            {"AzureWebJobsStorage": None, QUEUE_URI: "https://127.0.0.1:10001/dev1/q", TABLE_URI: TABLES},
            f"{QUEUE_URI}: must be the address of the service, ",
        ),
        (
            {"AzureWebJobsStorage": None, QUEUE_URI: BLOBS, TABLE_URI: TABLES},
            f"{QUEUE_URI}: is the address of a blob service",
        ),
        (
            {"AzureWebJobsStorage": None, NAME: "abc", CREDENTIAL: SECRET},
            f"{CREDENTIAL}: must be managedidentity, or not set",
        ),
        ({"AzureWebJobsStorage": None, NAME: "abc", CLIENT_ID: SECRET}, f"{CLIENT_ID}: must be a GUID"),
        ({"AzureWebJobsStorage": None, NAME: "abc", TENANT: f"{SECRET}!"}, f"{TENANT}: must be a GUID or "),
        (
            {"AzureWebJobsStorage": None, NAME: "abc", CREDENTIAL: "managedidentity", RESOURCE: SECRET},
            f"{RESOURCE}: must be /subscriptions/",
        ),
        (
            {"AzureWebJobsStorage": None, NAME: "abc", RESOURCE: IDENTITY},
            f"{RESOURCE}: needs {CREDENTIAL}=managedidentity",
        ),
        (
            {
                "AzureWebJobsStorage": None,
                NAME: "abc",
                CREDENTIAL: "managedidentity",
                CLIENT_ID: GUID,
                RESOURCE: IDENTITY,
            },
            f"{RESOURCE}: is one identity and {CLIENT_ID} another; keep one of them",
        ),
        (
            {"AzureWebJobsStorage": None, NAME: "abc", CLIENT_SECRET: SECRET},
            f"{CLIENT_SECRET}: is not taken; use a managed identity, or ",
        ),
        ({"IO_API_BASE_URL": SECRET}, "IO_API_BASE_URL: is no URL"),
        ({"IO_API_BASE_URL": f"ftp://{SECRET}/"}, "IO_API_BASE_URL: "),
        ({"IO_API_KEY": None}, "IO_API_KEY: missing; set the key of your IO service here, or "),
        ({"IO_API_KEY": ""}, "IO_API_KEY: missing; "),
        ({"IO_API_KEY": None, "IO_SERVICES": "{}"}, "IO_API_KEY: missing; "),
        ({"IO_SERVICES": SECRET}, "IO_SERVICES: must be JSON such as "),
        ({"IO_SERVICES": f'["{SECRET}"]'}, "IO_SERVICES: "),
        ({"IO_SERVICES": f'{{"a": "{SECRET}"}}'}, "IO_SERVICES.a: "),
        ({"IO_SERVICES": '{"a": {}}'}, "IO_SERVICES.a.key: missing"),
        ({"IO_SERVICES": '{"a": {"key": ""}}'}, "IO_SERVICES.a.key: is empty"),
        (
            {"IO_SERVICES": f'{{"a": {{"key": "{SECRET}", "kye": "{SECRET}"}}}}'},
            "IO_SERVICES.a.kye: is not known here",
        ),
        (
            {"IO_SERVICES": f'{{"default": {{"key": "{SECRET}"}}}}'},
            "IO_API_KEY: is the key of service 'default', which IO_SERVICES sets too; keep one of them",
        ),
        ({"REMINDERS": SECRET}, "REMINDERS: must be JSON such as "),
        ({"DOCTOR_THRESHOLDS": SECRET}, "DOCTOR_THRESHOLDS: must be JSON such as "),
        ({"DOCTOR_THRESHOLDS": '{"late": 1}'}, "DOCTOR_THRESHOLDS.late: is not known"),
        ({"DOCTOR_THRESHOLDS": '{"in_doubt": -1}'}, "DOCTOR_THRESHOLDS.in_doubt: "),
        ({"REMINDERS": '{"unread": {}}'}, "REMINDERS.unread.after_days: missing"),
        ({"REMINDERS": '{"unread": {"after_days": 1, "every": 1}}'}, "REMINDERS.unread.every: is not known"),
        (
            {"REMINDERS": '{"unpaid": {"days_before_due": [1, 1]}}'},
            "REMINDERS.unpaid.days_before_due: must not name a day twice",
        ),
        ({"REMINDERS": '{"on_io_days": "always"}'}, "REMINDERS.on_io_days: Input should be "),
        (
            {"REMINDERS": "{}", "IO_API_KEY": None, "IO_SERVICES": '{"a": {"key": "b"}}'},
            "REMINDERS: is for the service of IO_API_KEY; others have their reminders in IO_SERVICES",
        ),
        (
            {"IO_SERVICES": '{"a": {"key": "b", "reminders": {"unread": {"after_days": 0}}}}'},
            "IO_SERVICES.a.reminders.unread.after_days: Input should be greater than or equal to 1",
        ),
        ({"REMINDERS_SCHEDULE": "daily"}, "REMINDERS_SCHEDULE: must have the six fields of NCRONTAB"),
        ({"REMINDERS_PER_CITIZEN_PER_DAY": SECRET}, "REMINDERS_PER_CITIZEN_PER_DAY: "),
        ({"REMINDERS_PER_CITIZEN_PER_DAY": "0"}, "REMINDERS_PER_CITIZEN_PER_DAY: "),
        ({"ENCRYPTION_KEYS": None}, "ENCRYPTION_KEYS: missing; make one with: python -c "),
        ({"ENCRYPTION_KEYS": SECRET}, "ENCRYPTION_KEYS: key 1 is not url-safe base64 of 32 bytes; make one"),
        (
            {"ENCRYPTION_KEYS": f"{FIRST},{SECRET}"},
            "ENCRYPTION_KEYS: key 2 is not url-safe base64 of 32 bytes",
        ),
        ({"ENCRYPTION_KEYS": f"{FIRST}\n{FIRST}"}, "ENCRYPTION_KEYS: key 1 has white space inside"),
        ({"ENCRYPTION_KEYS": f"{FIRST}{FIRST}"}, "ENCRYPTION_KEYS: key 1 is not url-safe base64 of 32 bytes"),
        ({"ENCRYPTION_KEYS": f"{FIRST},"}, "ENCRYPTION_KEYS: key 2 is not url-safe base64 of 32 bytes"),
        ({"ENCRYPTION_KEYS": "è"}, "ENCRYPTION_KEYS: key 1 is not url-safe base64 of 32 bytes"),
        (
            {"CHECK_STATUS_SCHEDULE": "*/5 * * * *"},
            "CHECK_STATUS_SCHEDULE: must have the six fields of NCRONTAB",
        ),
    ],
)
def test_mistake_is_one_line_that_names_the_setting_and_shows_no_secret(
    load: Load, changes: dict[str, str | None], line: str
) -> None:
    """A wrong or missing setting is one line that says what to do, and the error never shows its value."""
    with pytest.raises(SettingsError) as raised:
        load(**changes)
    assert str(raised.value).startswith(line)
    assert "\n" not in str(raised.value)
    _assert_no_secret(raised.value)


def _assert_no_secret(error: BaseException) -> None:
    shown = f"{error}{error!r}{error.args}"
    assert SECRET not in shown
    assert FIRST not in shown
    # A chained error in the traceback would show the values.
    assert error.__cause__ is None
    assert error.__suppress_context__


HTTPS = "IO_API_BASE_URL: must begin with https: keys and fiscal codes go there"
REFERENCE = "is an unresolved Key Vault reference: put the secret, refresh the references"
TWICE = "twice in one object"
NEVER = "the schedule never fires: no day has that date and day of week"
BLANKS = "has white space at its beginning or end"
UNRESOLVED = "@Microsoft.KeyVault(SecretUri=https://kv.vault.azure.net/secrets/x)"


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"IO_API_BASE_URL": "http://api.io.pagopa.it/api/v1"}, HTTPS),
        ({"IO_API_BASE_URL": "http://127.0.0.1.example/api/v1"}, HTTPS),
        ({"IO_API_KEY": "key\n"}, f"IO_API_KEY: {BLANKS}"),
        ({"IO_API_SECONDARY_KEY": " key"}, f"IO_API_SECONDARY_KEY: {BLANKS}"),
        ({"IO_API_KEY": "chi\u00e8ve"}, "IO_API_KEY: has characters that no HTTP header carries"),
        ({"IO_API_KEY": "two words"}, "IO_API_KEY: has characters that no HTTP header carries"),
        ({"IO_API_KEY": UNRESOLVED}, f"IO_API_KEY: {REFERENCE}"),
        ({"IO_SERVICES": UNRESOLVED}, f"IO_SERVICES: {REFERENCE}"),
        ({"ENCRYPTION_KEYS": UNRESOLVED}, f"ENCRYPTION_KEYS: {REFERENCE}"),
        ({"IO_SERVICES": '{"a": {"key": " k"}}'}, f"IO_SERVICES.a.key: {BLANKS}"),
        ({"IO_SERVICES": '{"a": {"key": "k"}, "a": {"key": "l"}}'}, f"IO_SERVICES: names 'a' {TWICE}"),
        ({"IO_SERVICES": '{"a": {"key": "k", "key": "l"}}'}, f"IO_SERVICES: names 'key' {TWICE}"),
        ({"CHECK_STATUS_SCHEDULE": "99 99 99 * * *"},
         'CHECK_STATUS_SCHEDULE: is no NCRONTAB schedule: second: "99" is not within 0-59'),
        ({"REMINDERS_SCHEDULE": "0 0 8 31 2 *"},
         f"REMINDERS_SCHEDULE: is no NCRONTAB schedule: {NEVER}"),
    ],
)  # fmt: skip
def test_what_would_fail_later_is_refused_at_the_start(
    load: Load, changes: dict[str, str], line: str
) -> None:
    """A setting that would only fail at the first call, or would send keys in clear, stops the start."""
    with pytest.raises(SettingsError) as raised:
        load(**changes)
    assert str(raised.value).splitlines() == [line]


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]"])
def test_this_machine_may_be_called_in_clear(load: Load, host: str) -> None:
    """A base URL on this machine may use http, because the simulator has no certificate."""
    assert load(IO_API_BASE_URL=f"http://{host}:7072/api/v1").io_api_base_url.scheme == "http"


def test_all_mistakes_are_told_at_once(load: Load) -> None:
    """All wrong settings are reported at once, one line each."""
    with pytest.raises(SettingsError) as raised:
        load(
            AzureWebJobsStorage=None,
            IO_API_KEY=None,
            IO_SERVICES=f'{{"a": {{"kye": "{SECRET}"}}, "b": {{"key": ""}}}}',
            IO_API_BASE_URL=SECRET,
            ENCRYPTION_KEYS=SECRET,
            CHECK_STATUS_SCHEDULE="daily",
        )
    lines = str(raised.value).splitlines()
    assert sorted(line.partition(":")[0] for line in lines) == [
        "AzureWebJobsStorage",
        "CHECK_STATUS_SCHEDULE",
        "ENCRYPTION_KEYS",
        "IO_API_BASE_URL",
        "IO_SERVICES.a.key",
        "IO_SERVICES.a.kye",
        "IO_SERVICES.b.key",
    ]
    _assert_no_secret(raised.value)


def test_empty_environment_asks_for_the_three_that_are_needed(load: Load) -> None:
    """An empty environment gives exactly the three required settings."""
    with pytest.raises(SettingsError) as raised:
        load(**dict.fromkeys(GOOD))
    names = [line.partition(":")[0] for line in str(raised.value).splitlines()]
    assert names == ["AzureWebJobsStorage", "IO_API_KEY", "ENCRYPTION_KEYS"]


def test_settings_show_no_secret(load: Load) -> None:
    """Neither the repr nor the JSON of the settings contains a key or the connection string."""
    loaded = load(IO_API_SECONDARY_KEY=SECRET, IO_SERVICES=json.dumps({"a": {"key": SECRET}}))
    shown = f"{loaded!r}{loaded}{loaded.model_dump()}{loaded.model_dump_json()}{loaded.services}"
    assert SECRET not in shown
    assert FIRST not in shown


def test_error_beneath_shows_no_secret_either(load: Load) -> None:
    """A validation error outside `load` hides the values too."""
    load()
    with pytest.raises(ValidationError) as raised:
        Settings.model_validate({"ENCRYPTION_KEYS": SECRET, "AzureWebJobsStorage": SECRET})
    assert SECRET not in f"{raised.value}{raised.value!r}"


def test_settings_of_others_do_not_matter(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    """The platform's own variables are ignored."""
    monkeypatch.setenv("FUNCTIONS_WORKER_RUNTIME", "python")
    monkeypatch.setenv("AzureWebJobsFeatureFlags", "x")
    assert load().services
