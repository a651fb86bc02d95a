"""NCRONTAB schedules of timer triggers."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ncrontab import NcrontabError, Schedule

MONDAY = datetime(2026, 11, 23, 10, 20, 30, tzinfo=UTC)
NAIVE = MONDAY.replace(tzinfo=None)


def ticks(expression: str, count: int, start: datetime = MONDAY) -> list[str]:
    schedule, found, moment = Schedule.parse(expression), [], start
    for _ in range(count):
        moment = schedule.next_after(moment)
        found.append(f"{moment:%Y-%m-%d %H:%M:%S}")
    return found


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("* * * * * *", "2026-11-23 10:20:31"),
        ("0 * * * * *", "2026-11-23 10:21:00"),
        ("*/5 * * * *", "2026-11-23 10:25:00"),
        ("0 */5 * * * *", "2026-11-23 10:25:00"),
        ("30 5/20 * * * *", "2026-11-23 10:25:30"),
        ("0 0 9-17 * * *", "2026-11-23 11:00:00"),
        ("0 30 9-17/4 * * *", "2026-11-23 13:30:00"),
        ("0 0 8 * * 1-5", "2026-11-24 08:00:00"),
        ("0 0 8 * * Sun", "2026-11-29 08:00:00"),
        ("0 0 8 * * sat,sunday", "2026-11-28 08:00:00"),
        ("0 0 0 1 jan *", "2027-01-01 00:00:00"),
        ("0 0 0 31 * *", "2026-12-31 00:00:00"),
        ("0 0 0 29 2 *", "2028-02-29 00:00:00"),
        ("15,45 10,50 * * * *", "2026-11-23 10:50:15"),
    ],
)
def test_next_tick(expression: str, expected: str) -> None:
    """Each form of a field gives the first matching moment after the start."""
    assert ticks(expression, 1) == [expected]


def test_day_and_weekday_must_both_match() -> None:
    """A date and a day of week must both match, unlike in cron: Friday the 13th."""
    assert ticks("0 0 0 13 * 5", 2) == ["2027-08-13 00:00:00", "2028-10-13 00:00:00"]


def test_a_moment_of_the_schedule_is_not_its_own_successor() -> None:
    """The next tick is later than the given moment, even if that is a tick itself."""
    assert ticks("0 0 12 * * *", 3, datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)) == [
        "2026-11-24 12:00:00",
        "2026-11-25 12:00:00",
        "2026-11-26 12:00:00",
    ]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("*/30 * * * * *", True),
        ("0,1 * * * * *", True),
        ("0 * * * * *", False),
        ("* 0 * * * *", False),
        ("* * * * * 1-5", False),
    ],
)
def test_more_than_once_a_minute(expression: str, expected: bool) -> None:
    """Only a schedule with several seconds in every minute counts as more than once a minute."""
    assert Schedule.parse(expression).more_than_once_a_minute is expected


@pytest.mark.parametrize(
    ("expression", "says"),
    [
        ("", "has 0 fields"),
        ("* * * *", "has 4 fields"),
        ("* * * * * * *", "has 7 fields"),
        ("60 * * * * *", "second: .60. is not within 0-59"),
        ("0 0 24 * * *", "hour"),
        ("0 0 0 0 * *", "day"),
        ("0 0 0 * 13 *", "month"),
        ("0 0 0 * * 7", "day of week"),
        ("0 0 0 * * noday", "day of week"),
        ("0 0 0 ? * *", "day"),
        ("*/0 * * * * *", "step"),
        ("*/x * * * * *", "step"),
        ("5- * * * * *", "second"),
        ("0 30-10 * * * *", "ends before it starts"),
        ("0 0 0 30 2 *", "never fires"),
        ("00:05:00", "has 1 fields"),
    ],
)
def test_wrong_expressions_name_the_field(expression: str, says: str) -> None:
    """An expression that is not NCRONTAB, or never fires, is refused with the field and its rule."""
    with pytest.raises(NcrontabError, match=says):
        Schedule.parse(expression)


@given(
    st.datetimes(NAIVE, NAIVE.replace(year=9990), timezones=st.just(UTC)),
    st.sampled_from(
        ["*/7 * * * * *", "0 */13 2-20 * * 1-5", "5 4 3 2 * *", "0 0 0 29 2 *", "59 59 23 31 12 *"]
    ),
)
def test_next_is_the_first_match(start: datetime, expression: str) -> None:
    """The next tick is the first moment after the start that matches every field."""
    schedule = Schedule.parse(expression)
    tick = schedule.next_after(start)
    assert tick > start
    assert schedule.next_after(tick - timedelta(seconds=1)) == tick
    assert schedule.next_after(start + (tick - start) / 2) == tick
