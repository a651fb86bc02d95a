"""The hours in which a citizen may be reminded: 8 to 20 in Italy, on no Sunday and no national holiday.

The hours are those of IO's own reminders (PagoPA knowledge base, article 54526624937).
"""

from collections.abc import Collection
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from holidays import HolidayBase

ROME: Final = ZoneInfo("Europe/Rome")
OPENS: Final = time(8)
CLOSES: Final = time(20)
DAY: Final = timedelta(days=1)
_SUNDAY: Final = 6


def local_day(instant: datetime) -> date:
    """Return the day in Italy."""
    return instant.astimezone(ROME).date()


def instant_of(day: date, at: time) -> datetime:
    """Return the UTC instant of an hour in Italy."""
    return datetime.combine(day, at, ROME).astimezone(UTC)


def closing(instant: datetime) -> datetime:
    """Return the UTC instant after which the day in Italy is too late for a reminder."""
    return instant_of(local_day(instant), CLOSES)


def days_later(instant: datetime, days: int) -> datetime:
    """Return the UTC instant of the same hour in Italy `days` days later, across any clock change."""
    return (instant.astimezone(ROME) + days * DAY).astimezone(UTC)


def is_allowed_day(day: date, avoided: Collection[date] = ()) -> bool:
    """Return whether a day is neither a Sunday, nor a national holiday, nor in `avoided`."""
    return day.weekday() != _SUNDAY and day not in _national_holidays() and day not in avoided


def next_allowed(instant: datetime, avoided: Collection[date] = ()) -> datetime:
    """Return the instant itself when it is allowed, otherwise the next opening, in UTC."""
    day = local_day(instant)
    if is_allowed_day(day, avoided) and instant < instant_of(day, CLOSES):
        return max(instant, instant_of(day, OPENS))
    return next_day(instant, avoided)


def next_day(instant: datetime, avoided: Collection[date] = ()) -> datetime:
    """Return the opening of the next allowed day in Italy, in UTC."""
    day = local_day(instant) + DAY
    while not is_allowed_day(day, avoided):
        day += DAY
    return instant_of(day, OPENS)


@cache
def _national_holidays() -> "HolidayBase":
    # Import on first use: a module-level import would add a tenth of a second to every cold start.
    from holidays import country_holidays

    return country_holidays("IT")
