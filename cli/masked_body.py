"""The body of a parked message without the data of the citizen."""

import re
from typing import Final

from contract.body import load_object
from contract.fiscal_code import MASK, mask_fiscal_codes
from contract.violations import InvalidRequest, kind_of, shown_name
from report.italian import counted

# Fields that say how to handle a request. Any other field, known or not, may hold personal data.
SHOWN: Final = frozenset(
    {
        *("request_id", "service", "feature_level_type", "campaign"),
        *("not_before", "expires_at", "due_date", "paid_at", "traceparent"),
        *("reference", "sequence", "language"),
        *("has_precondition",),
        *("in_reply_to", "after_days", "times", "days_between", "days_before_due"),
    }
)


def masked(body: str) -> object:
    """Return the JSON of a body with lengths and kinds in place of personal values; a string if not JSON."""
    try:
        return _masked("", load_object(body))
    except InvalidRequest:
        return _masked("", body)


def for_people(value: object) -> object:
    """Return a masked body with its masks in Italian. Programs get them in English."""
    match value:
        case dict():
            return {key: for_people(item) for key, item in value.items()}
        case list():
            return [for_people(item) for item in value]
        case str():
            words = value.replace(MASK, "[codice fiscale]").replace("[a number]", "[un numero]")
            return re.sub(r"^\[(\d+) UTF-16 code units\]$", _characters, words)
        case _:
            return value


def _characters(found: re.Match[str]) -> str:
    return f"[{counted(int(found[1]), 'carattere', 'caratteri')}]"


def _masked(name: str, value: object) -> object:
    match value:
        case dict():
            return {shown_name(key): _masked(key, item) for key, item in value.items()}
        case list():
            return [_masked(name, item) for item in value]
        case str():
            return _masked_text(name, value)
        case None | bool():
            return value
        case _:
            return value if name in SHOWN else f"[{kind_of(value)}]"


def _masked_text(name: str, value: str) -> str:
    masked_text = mask_fiscal_codes(value)
    return masked_text if name in SHOWN or masked_text == MASK else length_of(value)


def length_of(text: str) -> str:
    """Return the length of a text in its place, as IO and the violations count it."""
    return f"[{len(text.encode('utf-16-le', 'surrogatepass')) // 2} UTF-16 code units]"
