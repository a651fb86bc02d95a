"""Values as Italians and their spreadsheets write them, read exactly. Each reader takes the value of a cell.

A reader returns the value and the codes of its warnings, or raises WrongValue. What a spreadsheet has lost is
refused with what happened, never guessed.
"""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Final

from cli.campaign_file.cells import Value, without_spaces
from contract.fiscal_code import FISCAL_CODE_PATTERN
from report.italian import ROME

type Read = tuple[object, tuple[str, ...]]
type Reader = Callable[[Value], Read]

END_OF_DAY: Final = time(23, 59, 59)
START_OF_DAY: Final = time(8)  # a push message in the night helps nobody

_CENT: Final = Decimal("0.01")
_ABSURD: Final = Decimal(10) ** 15
_GROUPED: Final = re.compile(r"[0-9]{1,3}(?:\.[0-9]{3})+(?:,([0-9]+))?")
_COMMA: Final = re.compile(r"[0-9]+(?:,([0-9]+))?")
_POINT: Final = re.compile(r"[0-9]+\.([0-9]+)")
_AMBIGUOUS: Final = re.compile(r"[0-9]{1,3}[.,][0-9]{3}")

_ITALIAN_DATE: Final = re.compile(r"([0-9]{1,2})([/.-])([0-9]{1,2})\2([0-9]+)")
_ISO_DATE: Final = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})")
_TIME: Final = re.compile(r"([0-9]{1,2})[:.]([0-9]{2})(?:[:.]([0-9]{2}))?")

_NOTICE: Final = re.compile(r"[0-9]{18}")
_EXPONENT: Final = re.compile(r"[0-9]([.,][0-9]+)?[eE]\+?[0-9]+")
_AUX_WITH_CHECK: Final = "03"

_PERSON: Final = re.compile(FISCAL_CODE_PATTERN)
# The value of each sign at an odd place (Decreto ministeriale 23/12/1976): 0 to 9 count as A to J.
_ODD_LETTERS: Final = (
    1,
    0,
    5,
    7,
    9,
    13,
    15,
    17,
    19,
    21,
    2,
    4,
    18,
    20,
    11,
    3,
    6,
    8,
    12,
    14,
    16,
    10,
    22,
    25,
    24,
    23,
)


class WrongValue(Exception):
    """The cell has no value that can be sent. `code` is the rule that it breaks."""

    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__(code)


def amount(value: Value) -> Read:
    """Read an amount in euros as whole cents."""
    euros = _euros(value)
    if euros < 0:
        raise WrongValue("importo-negativo")
    if euros == 0:
        raise WrongValue("importo-zero")
    return int(euros * 100), ()


def _euros(value: Value) -> Decimal:
    match value:
        case bool():
            raise WrongValue("importo-illeggibile")
        case int() | float():
            # Spreadsheets show 15 digits; beyond them a sum of cents has binary noise.
            euros = Decimal(format(value, ".15g"))
        case str():
            euros = euros_of(value)
        case _:
            raise WrongValue("importo-illeggibile")
    if not (euros.is_finite() and abs(euros) < _ABSURD):
        raise WrongValue("importo-illeggibile")
    if euros != euros.quantize(_CENT):
        raise WrongValue("importo-decimali")
    return euros.quantize(_CENT)


def euros_of(text: str) -> Decimal:
    """Read an amount such as 1.234,56 or € 19,99 or 19.99 as euros. Raises WrongValue."""
    plain = re.sub(r"€|eur(?:o)?", "", without_spaces(text), flags=re.IGNORECASE)
    sign, digits = ("-", plain[1:]) if plain[:1] in ("-", "−") else ("", plain.removeprefix("+"))
    if _AMBIGUOUS.fullmatch(digits):
        raise WrongValue("importo-ambiguo")
    if found := _GROUPED.fullmatch(digits) or _COMMA.fullmatch(digits):
        number = digits.replace(".", "").replace(",", ".")
    elif found := _POINT.fullmatch(digits):
        number = digits
    else:
        raise WrongValue("importo-illeggibile")
    if len(found[1] or "") > 2:
        raise WrongValue("importo-decimali")
    return Decimal(sign + number)


def instant_at(default: time) -> Reader:
    """Return the reader of a date in Italy, with a time or else the default, as a UTC instant."""

    def instant(value: Value) -> Read:
        return _utc(local_time(value, default)), ()

    return instant


def local_time(value: Value, default: time = time()) -> datetime:
    """Read a date with or without a time, as a local time without a zone. Raises WrongValue."""
    match value:
        case datetime():
            return value if value.time() != time() else datetime.combine(value.date(), default)
        case date():
            return datetime.combine(value, default)
        case str():
            return _local_time_of(value, default)
        case int() | float():
            raise WrongValue("data-numero")
        case _:
            raise WrongValue("data-illeggibile")


def _local_time_of(text: str, default: time) -> datetime:
    day, _, clock = " ".join(text.replace("T", " ").split()).partition(" ")
    return datetime.combine(_date(day), _time(clock.removeprefix("ore ")) if clock else default)


def _date(text: str) -> date:
    if found := _ITALIAN_DATE.fullmatch(text):
        day, _, month, year = found.groups()
        if len(year) == 2:
            raise WrongValue("data-anno-breve")
        if len(year) != 4:
            raise WrongValue("data-illeggibile")
    elif found := _ISO_DATE.fullmatch(text):
        year, month, day = found.groups()
    else:
        raise WrongValue("data-numero" if text.isdecimal() else "data-illeggibile")
    try:
        return date(int(year), int(month), int(day))
    except ValueError:
        raise WrongValue("data-inesistente") from None


def _time(text: str) -> time:
    found = _TIME.fullmatch(text)
    if not found:
        raise WrongValue("data-illeggibile")
    hour, minute, second = (int(part or 0) for part in found.groups())
    try:
        return time(hour, minute, second)
    except ValueError:
        raise WrongValue("data-inesistente") from None


def _utc(local: datetime) -> datetime:
    """Return the instant of a local time in Italy.

    Raises WrongValue for an hour lost or doubled, and for the first hour of all time: 01/01/0001 is what some
    programs write for no date.
    """
    try:
        first, second = (local.replace(tzinfo=ROME, fold=fold).astimezone(UTC) for fold in (0, 1))
    except OverflowError:
        raise WrongValue("data-inesistente") from None
    if first != second:
        raise WrongValue("ora-inesistente")
    return first


def notice_number(value: Value) -> Read:
    """Read a pagoPA notice number. Digits that the spreadsheet has lost cannot be restored."""
    if not isinstance(value, str):
        raise WrongValue("avviso-numero")
    digits = without_spaces(value).strip("'’`")
    if _EXPONENT.fullmatch(digits):
        raise WrongValue("avviso-esponente")
    if re.fullmatch(r"[0-9]+[.,]0+", digits):
        raise WrongValue("avviso-decimale")
    if re.fullmatch(r"[0-9]{17}", digits):
        raise WrongValue("avviso-zero-perso")
    warnings = ["avviso-corretto"] if digits != value else []
    if _NOTICE.fullmatch(digits):
        warnings += _notice_doubts(digits)
    return digits, tuple(warnings)


def _notice_doubts(digits: str) -> list[str]:
    """Doubt rounded numbers, and wrong check digits (pagoPA, SACI: the other 16 digits modulo 93)."""
    if digits.endswith("000"):
        return ["avviso-arrotondato"]
    is_checked = digits[0] in _AUX_WITH_CHECK
    return ["avviso-controllo"] if is_checked and int(digits[:16]) % 93 != int(digits[16:]) else []


def fiscal_code(value: Value) -> Read:
    """Read a person's fiscal code, in any of its forms with replaced digits."""
    text = str(value) if isinstance(value, int) else value
    if not isinstance(text, str):
        return "", ()
    code = without_spaces(text).strip("'’`").upper()
    if re.fullmatch(r"[0-9]{11}", code):
        raise WrongValue("codice-fiscale-ente")
    warnings = ["codice-fiscale-corretto"] if code != text else []
    if _PERSON.fullmatch(code) and check_character(code[:15]) != code[15]:
        warnings.append("codice-fiscale-controllo")
    return code, tuple(warnings)


def check_character(code: str) -> str:
    """Return the last character of a fiscal code, given the first 15."""
    odd = sum(_ODD_LETTERS[_number(sign)] for sign in code[::2])
    even = sum(_number(sign) for sign in code[1::2])
    return chr(ord("A") + (odd + even) % 26)


def _number(sign: str) -> int:
    return int(sign) if sign.isdecimal() else ord(sign) - ord("A")


def text(value: Value) -> Read:
    """Read a text, or a whole number as its digits."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value), ()


def organization_code(value: Value) -> Read:
    """Read an organization's fiscal code: 11 digits."""
    code, _ = text(value)
    return without_spaces(str(code)).strip("'’`"), ()


_PRIORITIES: Final = {"urgente": None, "normale": None, "massiva": "bulk", "bulk": "bulk"}


def priority(value: Value) -> Read:
    """Read a priority: urgent, which a request does not say, or bulk."""
    word = str(value).casefold()
    if word not in _PRIORITIES:
        raise WrongValue("priorita")
    return _PRIORITIES[word], ()
