"""Spreads a campaign evenly over the hours of working days: `5 giorni, 9-13`.

docs/decisions/0020-spread.md has the reasons.
"""

import re
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from functools import cached_property
from itertools import accumulate
from typing import Final, NamedTuple, Self

from cli.campaign_file.italian import WrongValue, local_time
from reminders.calendar import DAY, instant_of, is_allowed_day, local_day
from report.italian import counted

MOST_DAYS: Final = 60
EXAMPLE: Final = "si scrive come «5 giorni, 9-13», o «5 giorni, 8:30-12:30, dal 30/11/2026»"
_SPREAD: Final = re.compile(
    r"(?P<days>\d{1,3}) giorn[oi](?: lavorativ[oi]| ferial[ei])?"
    r", *(?:ore )?(?P<opens>\d{1,2}(?:[:.]\d{2})?) *[-–] *(?P<closes>\d{1,2}(?:[:.]\d{2})?)"
    r"(?:, *dal (?P<first>[\d/.-]+))?",
    re.IGNORECASE,
)
_WEEKDAYS: Final = ("lunedì", "martedì", "mercoledì", "giovedì", "venerdì", "sabato", "domenica")
_SATURDAY: Final = 5
_HASHES: Final = 16**8
# Bounds drawn by fewer rows would be chance, and the rows of a later run uneven.
FEWEST_ROWS: Final = 50
MOST_PARTS: Final = 1_000


class WrongSpread(Exception):
    """The text is no spread. The error's text says in Italian what is wrong."""


class Window(NamedTuple):
    """The hours of one day, in UTC."""

    opens: datetime
    closes: datetime


@dataclass(frozen=True)
class Spread:
    """So many working days from the first one on, and the hours in Italy.

    `bounds` divide the hashes of the first run's rows into parts of as many rows each. Each part of the rows
    leaves in an equal part of the hours. None: not known yet.
    """

    first: date
    days: int
    opens: time
    closes: time
    bounds: tuple[int, ...] | None = None

    @classmethod
    def parse(cls, text: str, now: datetime) -> Self:
        """Read a spread. Without a first day, it is the first working day whose hours begin after `now`.

        Raises WrongSpread.
        """
        found = _SPREAD.fullmatch(text.strip())
        if not found:
            raise WrongSpread(EXAMPLE)
        opens, closes, days = _hour(found["opens"]), _hour(found["closes"]), int(found["days"])
        if not 1 <= days <= MOST_DAYS:
            raise WrongSpread(f"va da 1 a {MOST_DAYS} giorni")
        if opens >= closes:
            raise WrongSpread("l'ora di fine viene dopo quella d'inizio, nello stesso giorno")
        first = _first(found["first"]) if found["first"] else _next(local_day(now), opens, now)
        return cls(_working(first), days, opens, closes)

    def __str__(self) -> str:
        days = counted(self.days, "giorno", "giorni")
        return f"{days}, {self.opens:%H:%M}-{self.closes:%H:%M}, dal {self.first:%d/%m/%Y}"

    @cached_property
    def windows(self) -> tuple[Window, ...]:
        """The hours of each working day, in order."""
        days = [self.first]
        while len(days) < self.days:
            days.append(_working(days[-1] + DAY))
        return tuple(Window(instant_of(day, self.opens), instant_of(day, self.closes)) for day in days)

    @property
    def hours(self) -> float:
        """The hours of all days together."""
        return self._ends[-1] / 3600

    def instant_of(self, digest: str) -> datetime:
        """Return the UTC instant of a message, given a hash of its id in hexadecimal: always the same."""
        at = self._share(hash_of(digest)) * self._ends[-1] // _HASHES
        window, end = next(pair for pair in zip(self.windows, self._ends, strict=True) if at < pair[1])
        return window.closes - timedelta(seconds=end - at)

    def balanced(self, hashes: Iterable[int]) -> Self:
        """Return the spread with the bounds that make these rows even."""
        rows = sorted(hashes)
        parts = min(round(self.hours * 4), MOST_PARTS, len(rows) // FEWEST_ROWS)
        return replace(self, bounds=tuple(rows[part * len(rows) // parts] for part in range(1, parts)))

    def hour_of(self, instant: datetime) -> datetime:
        """Return the beginning of the hour of an instant; hours begin with the opening."""
        past = timedelta(minutes=self.opens.minute)
        return (instant - past).replace(minute=0, second=0) + past

    def is_asked_by(self, text: str, now: datetime) -> bool:
        """Return whether a text asks for this spread. It need not name the first day. Raises WrongSpread."""
        asked = type(self).parse(text, now)
        names_first = "dal" in text.casefold()
        same_hours = (asked.days, asked.opens, asked.closes) == (self.days, self.opens, self.closes)
        return same_hours and (not names_first or asked.first == self.first)

    def span(self) -> str:
        """Return the first and the last instant, as a clerk says them."""
        first, last = self.windows[0].opens, self.windows[-1].closes
        return f"da {_said(local_day(first), self.opens)} a {_said(local_day(last), self.closes)}"

    def _share(self, hashed: int) -> int:
        """Return how far into the hours a hash belongs, from 0 to _HASHES."""
        part = bisect_right(self._edges, hashed) - 1
        low, high = self._edges[part], self._edges[part + 1]
        return (part * (high - low) + hashed - low) * _HASHES // ((len(self._edges) - 1) * (high - low))

    @cached_property
    def _edges(self) -> tuple[int, ...]:
        return (0, *(self.bounds or ()), _HASHES)

    @cached_property
    def _ends(self) -> list[int]:
        """The seconds from the first opening to each closing, closed hours left out."""
        return list(accumulate(int((end - start).total_seconds()) for start, end in self.windows))


def hash_of(digest: str) -> int:
    """Return the part of a hexadecimal hash that decides the instant."""
    return int(digest[:8], 16)


def _said(day: date, at: time) -> str:
    return f"{_WEEKDAYS[day.weekday()]} {day:%d/%m/%Y} alle {at.hour}:{at:%M}"


def _hour(text: str) -> time:
    hour, _, minute = text.replace(".", ":").partition(":")
    try:
        return time(int(hour), int(minute or 0))
    except ValueError:
        raise WrongSpread(f"{text} non è un'ora: {EXAMPLE}") from None


def _first(text: str) -> date:
    try:
        return local_time(text).date()
    except WrongValue:
        raise WrongSpread(f"{text} non è un giorno: {EXAMPLE}") from None


def _next(day: date, opens: time, now: datetime) -> date:
    return day if now < instant_of(day, opens) else day + DAY


def _working(day: date) -> date:
    """Return the day itself, or the next that is no Saturday, Sunday or holiday: offices are closed then."""
    while day.weekday() >= _SATURDAY or not is_allowed_day(day):
        day += DAY
    return day
