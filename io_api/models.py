"""The bodies of calls to IO and of its answers, in IO's own words.

A sent body allows no unknown field. A received body ignores them, because IO adds and removes fields. The
field rules are those of the Messages API (`NewMessage`) and the Profiles API (`LimitedProfile`). They are
checked where a request enters, not here. No repr shows a fiscal code or a content.
"""

import json
import logging
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Annotated, Self

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    StrictBool,
    ValidationError,
)

from io_api.errors import masked

_logger = logging.getLogger(__name__)


class FeatureLevelType(StrEnum):
    STANDARD = "STANDARD"
    ADVANCED = "ADVANCED"


class HasPrecondition(StrEnum):
    ALWAYS = "ALWAYS"
    ONCE = "ONCE"
    NEVER = "NEVER"


class DeliveryStatus(StrEnum):
    """IO's status of a message. PROCESSED, REJECTED and FAILED are final."""

    ACCEPTED = "ACCEPTED"
    PROCESSED = "PROCESSED"
    REJECTED = "REJECTED"
    FAILED = "FAILED"
    THROTTLED = "THROTTLED"


class ReadStatus(StrEnum):
    """UNAVAILABLE means that IO may not say (the citizen's choice, or an old app). It is not UNREAD."""

    READ = "READ"
    UNREAD = "UNREAD"
    UNAVAILABLE = "UNAVAILABLE"


class PaymentStatus(StrEnum):
    """NOT_PAID does not mean payable: expired and cancelled notices have the same status."""

    PAID = "PAID"
    NOT_PAID = "NOT_PAID"


class _Sent(BaseModel):
    # Built with NewMessage, which is composed before the claim.
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, defer_build=True)


def _in_utc(instant: datetime) -> datetime:
    return instant.astimezone(UTC)


def _without_fraction(instant: datetime) -> str:
    return instant.isoformat(timespec="seconds").replace("+00:00", "Z")


# IO's current code accepts offsets and fractions. Its successor accepts only this form.
Instant = Annotated[AwareDatetime, AfterValidator(_in_utc), PlainSerializer(_without_fraction)]
"""An instant with a time zone, sent as YYYY-MM-DDTHH:MM:SSZ."""


class Payee(_Sent):
    """The creditor, by the organization's 11-digit fiscal code. Naming a payee needs its own scope at IO."""

    fiscal_code: str = Field(repr=False)


class PaymentData(_Sent):
    """A pagoPA notice. `amount` is in euro cents."""

    amount: int = Field(repr=False)
    notice_number: str = Field(repr=False)
    invalid_after_due_date: bool = False
    payee: Payee | None = None


class ThirdPartyData(_Sent):
    """Remote content. IO passes `id` back to the institution, under `configuration_id`."""

    id: str
    configuration_id: str
    has_attachments: bool = False
    has_remote_content: bool = False
    has_precondition: HasPrecondition | None = None


class MessageContent(_Sent):
    subject: str = Field(repr=False)
    markdown: str = Field(repr=False)
    due_date: Instant | None = None
    payment_data: PaymentData | None = Field(default=None, repr=False)
    require_secure_channels: bool | None = None
    third_party_data: ThirdPartyData | None = Field(default=None, repr=False)


class NewMessage(_Sent):
    """The body of POST /messages."""

    fiscal_code: str = Field(repr=False)
    content: MessageContent = Field(repr=False)
    feature_level_type: FeatureLevelType = FeatureLevelType.STANDARD

    def body(self) -> bytes:
        """Return JSON in UTF-8, without the fields that are not set."""
        return self.model_dump_json(exclude_none=True).encode()


class _Received(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


def _known[Word: StrEnum](words: type[Word]) -> BeforeValidator:
    """Return a validator that reads a word unknown to this version as absent, and logs the word."""

    def known_or_none(value: object) -> Word | None:
        if value is None:
            return None
        try:
            return words(str(value))
        except ValueError:
            found = {"kind_of_word": words.__name__, "word": masked(str(value))[:40]}
            _logger.warning("unknown value from IO treated as absent", extra=found)
            return None

    return BeforeValidator(known_or_none)


_Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Profile(_Received):
    """Holds whether this service may write to the citizen, and in which languages (it_IT, en_GB, ...)."""

    sender_allowed: StrictBool
    preferred_languages: tuple[str, ...] = ()


class SubscriptionsFeed(_Received):
    """Who began and who ceased to be reachable for a service on a UTC day, by IO's hashes.

    `contract.fiscal_code.hash_at_io` gives IO's hash of a fiscal code.
    """

    day: date = Field(alias="dateUTC")
    subscriptions: frozenset[_Hash] = Field(repr=False)
    unsubscriptions: frozenset[_Hash] = Field(repr=False)


class MessageStatus(_Received):
    """IO's answer about a message. None: IO gave no value, or a word that this version does not know.

    IO gives read_status and payment_status only for ADVANCED messages that are PROCESSED.
    """

    status: Annotated[DeliveryStatus | None, _known(DeliveryStatus)]
    read_status: Annotated[ReadStatus | None, _known(ReadStatus)] = None
    payment_status: Annotated[PaymentStatus | None, _known(PaymentStatus)] = None


class CreatedMessage(_Received):
    """The body of a 201. IO's ids are ULIDs; any id that is safe in an address and a table key is valid."""

    @staticmethod
    def is_id(text: str) -> bool:
        """Return whether a text could be an id of IO."""
        return CreatedMessage.in_body(json.dumps({"id": text}).encode()).id is not None

    id: str | None = Field(default=None, pattern=r"^[A-Za-z0-9][A-Za-z0-9._~-]{0,127}$")

    @classmethod
    def in_body(cls, body: bytes) -> Self:
        """Return the body, without an id if the id cannot be read."""
        try:
            return cls.model_validate_json(body)
        except ValidationError:
            return cls()


def _text_or_none(value: object) -> str | None:
    return value if isinstance(value, str) else None


_Text = Annotated[str | None, BeforeValidator(_text_or_none)]
_NO_STATUS = -1


def _status(value: object) -> int | None:
    return value if value is None or type(value) is int else _NO_STATUS


class Problem(_Received):
    """The body of an error: problem+json (title, detail) from IO, `message` from API Management.

    The detail quotes the request, including the fiscal code, so the detail is only ever compared.
    """

    title: _Text = None
    status: Annotated[int | None, BeforeValidator(_status)] = None  # only a number is a status
    message: _Text = None
    detail: _Text = Field(default=None, repr=False)

    @classmethod
    def in_body(cls, body: bytes) -> Self:
        """Return the fields that can be read; none if the body is not a JSON object."""
        try:
            return cls.model_validate_json(body)
        except ValidationError:
            return cls()
