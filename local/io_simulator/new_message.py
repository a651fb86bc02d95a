"""The body of a submission, checked by IO's own rules.

The checks are as strict as IO's codecs: they convert no types, distinguish null from absence and drop unknown
fields. Lengths count UTF-16 units, as in JavaScript.
"""

import json
import re
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)
from pydantic_core import ErrorDetails, from_json

from local.io_simulator.answers import MALFORMED_JSON, RefusedError, problem
from local.io_simulator.clock import iso
from local.io_simulator.fiscal_code import FiscalCode
from local.io_simulator.ulid import PATTERN as ULID

TIMESTAMP = re.compile(r"[0-9]{4}(-[0-9]{2}){2}T([0-9]{2}:){2}[0-9]{2}(\.[0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})?")


SUBJECT = (10, 120)
MARKDOWN = (80, 10_000)


def fits(text: str, length: tuple[int, int]) -> bool:
    """Return whether a text has a length, least and most, in UTF-16 units."""
    least, most = length
    return least <= len(text.encode("utf-16-le")) // 2 <= most


def _length(length: tuple[int, int]) -> AfterValidator:
    def check(text: str) -> str:
        if not fits(text, length):
            raise ValueError(f"string of {length[0]} to {length[1]} UTF-16 units")
        return text

    return AfterValidator(check)


def _timestamp(text: str) -> str:
    """Return the instant as IO gives it back, with milliseconds and Z. Without an offset it means UTC."""
    if not TIMESTAMP.fullmatch(text):
        raise ValueError("UTCISODateFromString")
    instant = datetime.fromisoformat(text)
    return iso(instant if instant.tzinfo else instant.replace(tzinfo=UTC))


Timestamp = Annotated[str, AfterValidator(_timestamp)]
NonEmpty = Annotated[str, StringConstraints(min_length=1)]


class Payload(BaseModel):
    """A part of the sender's body."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True, hide_input_in_errors=True)

    @model_validator(mode="before")
    @classmethod
    def _null_is_not_absence(cls, value: Any) -> Any:
        nulls = [name for name in cls.model_fields if isinstance(value, dict) and value.get(name, "") is None]
        if nulls:
            raise ValueError(f"{cls.__name__}: {', '.join(nulls)} is null")
        return value


class Payee(Payload):
    fiscal_code: Annotated[str, StringConstraints(pattern="^[0-9]{11}$")]


class PaymentData(Payload):
    """A payment; `amount` is in euro cents."""

    amount: Annotated[int, Field(ge=1, le=9_999_999_999)]
    notice_number: Annotated[str, StringConstraints(pattern="^[0123][0-9]{17}$")]
    invalid_after_due_date: bool = False
    payee: Payee | None = None


class ThirdPartyData(Payload):
    """Remote content. `configuration_id` is optional here; a later check requires it."""

    id: NonEmpty
    configuration_id: Annotated[str | None, Field(pattern=ULID)] = None
    has_attachments: bool = False
    has_remote_content: bool = False
    has_precondition: Literal["ALWAYS", "ONCE", "NEVER"] | None = None
    original_sender: NonEmpty | None = None
    original_receipt_date: Timestamp | None = None
    summary: NonEmpty | None = None


class EUCovidCert(Payload):
    auth_code: str


class Content(Payload):
    subject: Annotated[str, _length(SUBJECT)]
    markdown: Annotated[str, _length(MARKDOWN)]
    require_secure_channels: bool | None = None
    due_date: Timestamp | None = None
    payment_data: PaymentData | None = None
    third_party_data: ThirdPartyData | None = None
    eu_covid_cert: EUCovidCert | None = None


class DefaultAddresses(Payload):
    """Deprecated: validated, then ignored."""

    email: str | None = None


class NewMessage(Payload):
    """A whole submission; `time_to_live` is in seconds."""

    content: Content
    fiscal_code: FiscalCode | None = None
    time_to_live: Annotated[int, Field(ge=3600, le=604_800)] = 3600
    feature_level_type: Literal["STANDARD", "ADVANCED"] = "STANDARD"
    default_addresses: DefaultAddresses | None = None

    @classmethod
    def decode(cls, document: Any) -> Self:
        """Validate a parsed body. Raises RefusedError with IO's 400."""
        try:
            return cls.model_validate(document)
        except ValidationError as invalid:
            raise RefusedError(problem(400, "Invalid message structure", report(invalid))) from None


def parse(body: bytes) -> Any:
    """Parse any JSON. Raises RefusedError with the 500 that IO answers to a body that is not JSON."""
    try:
        return from_json(body, allow_inf_nan=False)
    except ValueError:
        raise RefusedError(MALFORMED_JSON) from None


def report(invalid: ValidationError) -> str:
    """Return the mistakes as IO reports them, with the values, which may include the fiscal code."""
    return "\n".join(_mistake(error) for error in invalid.errors(include_url=False, include_context=False))


def _mistake(error: ErrorDetails) -> str:
    value = "undefined" if error["type"] == "missing" else json.dumps(error["input"], ensure_ascii=False)
    place = ".".join(("root", *(str(part) for part in error["loc"])))
    return f"value [{value}] at [{place}] is not a valid [{error['msg']}]"
