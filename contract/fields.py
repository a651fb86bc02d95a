"""The field types of the contract's models, with the rules of each and the text for a broken rule."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    ConfigDict,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    PlainSerializer,
    TypeAdapter,
    ValidationError,
    WithJsonSchema,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from contract.fiscal_code import FISCAL_CODE_PATTERN, contains_fiscal_code, is_person_in
from contract.violations import broken, kind_of

PERSONAL = "must not contain a fiscal code: it travels in logs and events"
# A model is built when it is first used: most are only parts of others. Sending uses none of them between its
# claim and its POST.
STRICT = ConfigDict(strict=True, frozen=True, extra="forbid", hide_input_in_errors=True, defer_build=True)

_LOCAL_TIME = r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]+)?"
_ZONE = r"(?:Z|[+-][0-9]{2}:[0-9]{2})"
_MOMENT = re.compile(f"{_LOCAL_TIME}{_ZONE}?")
_NO_SUCH_INSTANT = "must be a date and time that exist"
# Every store and every later computation can hold these years: tables begin in 1601, Python ends in 9999.
EARLIEST, LATEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
_OUT_OF_RANGE = "must be from 2000 to 2099 in UTC: leave it out when there is no such instant"


@dataclass(frozen=True)
class Rule:
    """Annotates a string field with the rules that its value must satisfy.

    `broken_by` returns the sentence of every rule that the value breaks. `schema` is the part of the rules
    that JSON Schema can express without refusing a valid value.
    """

    broken_by: Callable[[str], list[str]]
    schema: dict[str, Any]

    def __get_pydantic_core_schema__(self, source: type, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._checked, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return handler(schema) | self.schema

    def _checked(self, value: str) -> str:
        rules = self.broken_by(value)
        if rules:
            raise broken(rules)
        return value


def matching(pattern: str, sentence: str) -> Rule:
    """Return the rule that the whole value matches `pattern`, which starts with ^ and ends with $."""
    expression = re.compile(pattern)
    return Rule(lambda value: [] if expression.fullmatch(value) else [sentence], {"pattern": pattern})


def identifier(pattern: str, sentence: str) -> Rule:
    """Return a rule as `matching` does; a fiscal code in the value breaks the rule too.

    An identifier travels in logs, storage keys and events.
    """
    shape = matching(pattern, sentence)

    def broken_by(value: str) -> list[str]:
        return shape.broken_by(value) + ([PERSONAL] if contains_fiscal_code(value) else [])

    return Rule(broken_by, shape.schema)


def utf16_units(least: int, most: int) -> Rule:
    """Return the rule for the length as IO counts it, that of a JavaScript string: an emoji counts two."""

    def broken_by(value: str) -> list[str]:
        units = len(value.encode("utf-16-le", "surrogatepass")) // 2
        if least <= units <= most:
            return []
        return [f"must have {least} to {most} UTF-16 code units, has {units}"]

    # JSON Schema counts code points: a value of `least` units may have only half as many.
    return Rule(broken_by, {"minLength": (least + 1) // 2, "maxLength": most})


def _instant(value: object) -> datetime:
    moment = value if isinstance(value, datetime) else _moment(value)
    if moment.tzinfo is None:
        raise broken(["needs a time zone: end it with Z or an offset such as +02:00"])
    try:
        instant = moment.astimezone(UTC).replace(microsecond=0)
    except OverflowError:
        raise broken([_OUT_OF_RANGE]) from None
    if not EARLIEST <= instant < LATEST:
        raise broken([_OUT_OF_RANGE])
    return instant


def _moment(value: object) -> datetime:
    if not isinstance(value, str):
        raise broken([f"must be a string with an ISO 8601 instant, is {kind_of(value)}"])
    if not _MOMENT.fullmatch(value):
        raise broken(["must be an ISO 8601 instant such as 2026-06-30T21:59:59Z"])
    try:
        return datetime.fromisoformat(value)
    except ValueError:
        raise broken([_NO_SUCH_INSTANT]) from None


def _instant_text(value: datetime) -> str:
    return value.isoformat().replace("+00:00", "Z")


Instant = Annotated[
    datetime,
    BeforeValidator(_instant),
    PlainSerializer(_instant_text, return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time", "pattern": f"^{_LOCAL_TIME}{_ZONE}$"}),
]
"""A UTC instant of whole seconds, read from ISO 8601 with any offset (fractions are cut), written with Z."""

FiscalCode = Annotated[
    str, matching(FISCAL_CODE_PATTERN, "must be a person's fiscal code: 16 upper case letters and digits")
]
RequestId = Annotated[
    str, identifier(r"^[A-Za-z0-9._:-]{1,128}$", "must be 1 to 128 characters of A-Z a-z 0-9 . _ : -")
]
NoticeNumber = Annotated[
    str, matching("^[0123][0-9]{17}$", "must be a pagoPA notice number: 18 digits, the first 0 to 3")
]
ServiceName = Annotated[
    str, identifier(r"^[A-Za-z0-9._-]{1,64}$", "must be 1 to 64 characters of A-Z a-z 0-9 . _ -")
]
Campaign = Annotated[
    str,
    identifier(
        r"^[A-Za-z0-9._:-](?:[A-Za-z0-9._: -]{0,126}[A-Za-z0-9._:-])?$",
        "must be 1 to 128 characters of A-Z a-z 0-9 . _ : - and, not at its ends, spaces",
    ),
]
Traceparent = Annotated[
    str,
    matching(
        r"^(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$",
        "must be a W3C traceparent such as 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    ),
]
FeatureLevelType = Literal["STANDARD", "ADVANCED"]


def _not_italian(language: object) -> object:
    if language == "it_IT":
        raise broken(["is the language of content: put the Italian text there"])
    return language


Language = Annotated[Literal["en_GB", "es_ES", "de_DE", "fr_FR"], BeforeValidator(_not_italian)]
"""A language of IO's profiles (`preferred_languages`) other than Italian, the language of content."""

_FREE = ("request_id", "service", "campaign", "in_reply_to")
_REQUEST_ID: TypeAdapter[str] = TypeAdapter(RequestId)


def usable_request_id(document: Mapping[str, object]) -> str | None:
    """Return the request_id of an invalid body; None if the request_id itself breaks a rule."""
    if "request_id" in fields_with_own_fiscal_code(document):
        return None
    try:
        return _REQUEST_ID.validate_python(document.get("request_id"), strict=True)
    except ValidationError:
        return None


def fields_with_own_fiscal_code(document: Mapping[str, object]) -> list[str]:
    """Return the names of the free fields that hold the body's own fiscal code, however disguised."""
    code = str(document.get("fiscal_code", ""))
    free = {name: document.get(name) for name in _FREE} | _blobs(document)
    return [name for name, value in free.items() if is_person_in(str(value or ""), code)]


def _blobs(document: Mapping[str, object]) -> dict[str, object]:
    """Return the names of blobs in a body that may have any shape, by the path of their field."""
    content = document.get("remote_content")
    attachments = content.get("attachments") if isinstance(content, dict) else None
    found = attachments if isinstance(attachments, list) else []
    return {
        f"remote_content.attachments.{number}.blob": attachment.get("blob")
        for number, attachment in enumerate(found)
        if isinstance(attachment, dict)
    }
