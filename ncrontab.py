"""NCRONTAB, the schedule language of timer triggers.

{second} {minute} {hour} {day} {month} {day of week}. An expression of five fields has no seconds. Day and day
of week must both match. Source: learn.microsoft.com/azure/azure-functions/functions-bindings-timer.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

_MONTH_NAMES = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTHS = {name: number for number, name in enumerate(_MONTH_NAMES, 1)}
_WEEKDAYS = {name: number for number, name in enumerate(("sun", "mon", "tue", "wed", "thu", "fri", "sat"))}

# Within this span, every day of the year falls on every day of the week.
_HORIZON = timedelta(days=366 * 41)


class NcrontabError(ValueError):
    """The expression is not NCRONTAB; the message names the field and its allowed values."""


class _Field(NamedTuple):
    name: str
    least: int
    most: int
    names: dict[str, int]


_FIELDS = (
    _Field("second", 0, 59, {}),
    _Field("minute", 0, 59, {}),
    _Field("hour", 0, 23, {}),
    _Field("day", 1, 31, {}),
    _Field("month", 1, 12, _MONTHS),
    _Field("day of week", 0, 6, _WEEKDAYS),
)


@dataclass(frozen=True)
class Schedule:
    """The moments that an NCRONTAB expression names."""

    seconds: frozenset[int]
    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]

    @classmethod
    def parse(cls, expression: str) -> "Schedule":
        """Parse an expression. Raises NcrontabError if it is not NCRONTAB or names no moment."""
        parts = expression.split()
        if len(parts) == 5:
            parts.insert(0, "0")
        if len(parts) != 6:
            raise NcrontabError(
                f'"{expression}" has {len(parts)} fields: NCRONTAB has six (or five, without seconds)'
            )
        schedule = cls(*(_values(text, field) for text, field in zip(parts, _FIELDS, strict=True)))
        schedule.next_after(datetime(2000, 1, 1))  # noqa: DTZ001 - any start shows whether it fires at all
        return schedule

    @property
    def more_than_once_a_minute(self) -> bool:
        """Whether the schedule fires more than once a minute.

        The platform keeps no status of such timers and does not make up for a missed tick.
        """
        every_minute = (
            len(self.minutes),
            len(self.hours),
            len(self.days),
            len(self.months),
            len(self.weekdays),
        )
        return len(self.seconds) > 1 and every_minute == (60, 24, 31, 12, 7)

    def next_after(self, moment: datetime) -> datetime:
        """Return the first moment of the schedule after `moment`, in the same time zone."""
        start = moment.replace(microsecond=0) + timedelta(seconds=1)
        found = start
        while found - start < _HORIZON:
            later = self._first_possible_after_mismatch(found)
            if later is None:
                return found
            found = later
        raise NcrontabError("the schedule never fires: no day has that date and day of week")

    def _first_possible_after_mismatch(self, moment: datetime) -> datetime | None:
        """Return None if `moment` matches, else the next moment at which its first wrong field changes."""
        midnight = moment.replace(hour=0, minute=0, second=0)
        if moment.month not in self.months:
            return (midnight.replace(day=1) + timedelta(days=32)).replace(day=1)
        if moment.day not in self.days or moment.isoweekday() % 7 not in self.weekdays:
            return midnight + timedelta(days=1)
        if moment.hour not in self.hours:
            return moment.replace(minute=0, second=0) + timedelta(hours=1)
        if moment.minute not in self.minutes:
            return moment.replace(second=0) + timedelta(minutes=1)
        if moment.second not in self.seconds:
            return moment + timedelta(seconds=1)
        return None


def _values(text: str, field: _Field) -> frozenset[int]:
    return frozenset(value for part in text.split(",") for value in _range(part, field))


def _range(part: str, field: _Field) -> range:
    span, slash, step = part.partition("/")
    first, dash, last = span.partition("-")
    if slash and not (step.isdecimal() and int(step) > 0):
        raise NcrontabError(f'{field.name}: "{part}" must have a step of at least 1 after the slash')
    if span == "*":
        start, end = field.least, field.most
    else:
        start = _number(first, field)
        end = _number(last, field) if dash else field.most if slash else start
    if start > end:
        raise NcrontabError(f'{field.name}: "{part}" ends before it starts')
    return range(start, end + 1, int(step or 1))


def _number(text: str, field: _Field) -> int:
    number = field.names.get(text[:3].lower(), int(text) if text.isdecimal() else -1)
    if not field.least <= number <= field.most:
        raise NcrontabError(f'{field.name}: "{text}" is not within {field.least}-{field.most}')
    return number
