"""Values as Italians write them: instants, durations, numbers and amounts."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final
from zoneinfo import ZoneInfo

ROME: Final = ZoneInfo("Europe/Rome")
_UNITS: Final = (
    (86_400, "giorno", "giorni"),
    (3_600, "ora", "ore"),
    (60, "minuto", "minuti"),
    (1, "secondo", "secondi"),
)


def moment(at: datetime) -> str:
    """Return an instant as the clock in Italy shows it: 24/11/2026 10:08.

    In the hour that comes twice, when daylight saving ends, a word tells which of the two is meant.
    """
    in_rome = at.astimezone(ROME)
    text = f"{in_rome:%d/%m/%Y %H:%M}"
    if _comes_twice(in_rome):
        return f"{text} ({'ora legale' if in_rome.dst() else 'ora solare'})"
    return text


def _comes_twice(in_rome: datetime) -> bool:
    first, second = (in_rome.replace(fold=fold).astimezone(UTC) for fold in (0, 1))
    return first != second


def duration(time: timedelta) -> str:
    """Return a duration in its two largest units: 3 ore e 20 minuti."""
    left = round(time.total_seconds())
    if left < 1:
        return "meno di un secondo"
    parts: list[str] = []
    for seconds, one, many in _UNITS:
        count, rest = divmod(left, seconds)
        if count:
            parts.append(counted(count, one, many))
        elif parts:
            break
        if len(parts) == 2:
            break
        left = rest
    return joined(parts)


def counted(count: int, one: str, many: str) -> str:
    """Return a number with its noun: 1 messaggio, 2.000 messaggi."""
    return f"{number(count)} {one if count == 1 else many}"


def number(value: float) -> str:
    """Return a number with a decimal comma and points between thousands: 1.234,5."""
    text = f"{value:,}" if isinstance(value, int) else f"{value:,.2f}".rstrip("0").rstrip(".")
    return with_comma(text)


def euros(cents: int) -> str:
    """Return an amount: 1.234,50 €."""
    return f"{with_comma(f'{Decimal(cents) / 100:,.2f}')} €"


def with_comma(number: str) -> str:
    """Return a number that Python wrote with Italy's separators: 1,234.5 becomes 1.234,5."""
    return number.translate(str.maketrans(",.", ".,"))


def share_of(percent: float | None) -> str:
    """Return a percentage as people in Italy write it; nothing for None."""
    return "" if percent is None else f"{with_comma(f'{percent:.1f}')} %"


def joined(words: Iterable[str]) -> str:
    """Return words as a list in a sentence: a, b e c."""
    *first, last = [*words] or [""]
    return f"{', '.join(first)} e {last}" if first else last


def shown(value: object) -> str:
    """Return a value as people read it: "" for None, an instant in Italian time, numbers as Italians write.

    A space replaces each character that could break a line or control a terminal.
    """
    match value:
        case datetime():
            return moment(value)
        case bool():
            return "sì" if value else "no"
        case float():
            return number(value)
    text = "" if value is None else str(value)
    return "".join(character if character.isprintable() else " " for character in text)
