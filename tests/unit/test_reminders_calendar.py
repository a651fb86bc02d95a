"""The calendar: a citizen's day in Italy, across changes of the clocks and holidays."""

import subprocess
import sys
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reminders.calendar import closing, days_later, is_allowed_day, local_day, next_allowed, next_day

START = datetime(2026, 1, 1, tzinfo=UTC)
INSTANTS = st.integers(0, 10 * 365 * 86_400).map(lambda seconds: START + timedelta(seconds=seconds))


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    "holiday",
    [
        "2026-01-01",
        "2026-01-06",
        "2026-04-05",  # Easter
        "2026-04-06",  # Easter Monday
        "2027-03-29",  # Easter Monday
        "2026-04-25",
        "2026-05-01",
        "2026-06-02",
        "2026-08-15",
        "2027-10-04",  # Saint Francis, a holiday again since 2026
        "2028-11-01",
        "2026-12-08",
        "2026-12-25",
        "2026-12-26",
        "2026-05-31",  # a Sunday
    ],
)
def test_holidays_and_sundays_are_not_allowed(holiday: str) -> None:
    """No citizen is reminded on a Sunday or on a national holiday, movable ones included."""
    assert not is_allowed_day(date.fromisoformat(holiday))


@pytest.mark.parametrize("day", ["2026-05-30", "2025-10-04", "2026-12-24", "2026-06-29"])
def test_other_days_are_allowed(day: str) -> None:
    """Saturdays count as working days, and the feast of a town's patron is no national holiday."""
    assert is_allowed_day(date.fromisoformat(day))


@pytest.mark.parametrize(
    ("instant", "allowed"),
    [
        ("2026-06-08T05:59:59", "2026-06-08T06:00:00"),  # 7:59:59 in summer
        ("2026-06-08T06:00:00", "2026-06-08T06:00:00"),
        ("2026-06-08T17:59:59", "2026-06-08T17:59:59"),
        ("2026-06-08T18:00:00", "2026-06-09T06:00:00"),
        ("2026-12-14T06:59:59", "2026-12-14T07:00:00"),  # 7:59:59 in winter
        ("2026-12-14T18:59:59", "2026-12-14T18:59:59"),
        ("2026-03-28T19:00:00", "2026-03-30T06:00:00"),  # Saturday in winter, Monday in summer
        ("2026-10-24T18:00:00", "2026-10-26T07:00:00"),  # Saturday in summer, Monday in winter
        ("2026-04-04T18:00:00", "2026-04-07T06:00:00"),  # the evening before Easter
        ("2026-12-24T19:00:00", "2026-12-28T07:00:00"),  # Christmas, Saint Stephen, a Sunday
        ("2026-06-08T22:30:00", "2026-06-09T06:00:00"),  # past midnight in Italy
    ],
)
def test_next_allowed_instant(instant: str, allowed: str) -> None:
    """A time that is too early, too late or on a day off waits for the next opening, by Italian clocks."""
    assert next_allowed(utc(instant)) == utc(allowed)


@given(instant=INSTANTS)
def test_next_allowed_is_the_first_that_is_allowed(instant: datetime) -> None:
    """The next allowed time is the first from now on between 8 and 20 in Italy on an allowed day."""
    allowed = next_allowed(instant)
    assert allowed >= instant
    assert is_allowed_day(local_day(allowed))
    assert 8 <= hour_in_italy(allowed) < 20
    assert next_allowed(allowed) == allowed
    if allowed > instant:
        assert next_allowed(allowed - timedelta(seconds=1)) == allowed


@given(instant=INSTANTS)
def test_next_day_is_another(instant: datetime) -> None:
    """The next day is later than the whole of this one, and today's closing comes before it."""
    assert local_day(next_day(instant)) > local_day(instant)
    assert closing(instant) < next_day(instant)


def test_avoided_days_are_skipped() -> None:
    """A day to avoid counts as a holiday."""
    monday = utc("2026-06-08T09:00:00")
    tuesday = local_day(monday) + timedelta(days=1)
    assert next_allowed(monday, [local_day(monday), tuesday]) == utc("2026-06-10T06:00:00")
    assert next_day(monday, [tuesday]) == utc("2026-06-10T06:00:00")


def test_days_later_is_the_same_hour_in_italy() -> None:
    """The hour in Italy stays the same when the clocks change in between."""
    assert days_later(utc("2026-03-27T09:00:00"), 3) == utc("2026-03-30T08:00:00")
    assert days_later(utc("2026-10-23T08:00:00"), 3) == utc("2026-10-26T09:00:00")


def test_holidays_cost_nothing_at_the_start() -> None:
    """Importing the calendar does not import the library of holidays, which would slow every cold start."""
    code = "import sys, reminders.calendar; sys.exit('holidays' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def hour_in_italy(instant: datetime) -> int:
    """Compute Italy's hour by the rule: summer time from the last Sunday of March to that of October."""
    is_summer = _change_of_hour(instant.year, 3) <= instant < _change_of_hour(instant.year, 10)
    return (instant + timedelta(hours=2 if is_summer else 1)).hour


def _change_of_hour(year: int, month: int) -> datetime:
    last = datetime(year, month, 31, 1, tzinfo=UTC)
    return last - timedelta(days=(last.weekday() + 1) % 7)
