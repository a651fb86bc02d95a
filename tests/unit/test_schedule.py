"""When to poll: by age, around a due date, less often under pressure; and when polling ends."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from check_status.schedule import (
    FIRST_WAIT,
    GRACE,
    HORIZON,
    LONGEST_WAIT,
    is_over,
    next_poll,
    next_poll_after_failure,
    stretch,
)
from storage.ledger import Entry, State
from tests.fake_app import FakeApp

ACCEPTED_AT = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


@pytest.fixture
async def accepted() -> Entry:
    """Return a Premium message that was just accepted."""
    app = FakeApp()
    app.clock.now = ACCEPTED_AT
    return await app.accepted(feature_level_type="ADVANCED")


@pytest.fixture
def delivered(accepted: Entry) -> Entry:
    """Return the same message, delivered and unread."""
    return replace(accepted, state=State.PROCESSED, status="PROCESSED", read_status="UNREAD")


def _looks(entry: Entry, times: int = 1) -> list[timedelta]:
    """The ages at which a message is polled, if every poll is in time and finds nothing."""
    at, ages = ACCEPTED_AT + timedelta(seconds=15), []
    while (found := next_poll(entry, at, times)) is not None:
        at = found
        ages.append(at - ACCEPTED_AT)
    return ages


def test_delivery_is_looked_for_within_minutes(accepted: Entry) -> None:
    """While IO processes a message its first polls are minutes apart, and the later ones follow its age."""
    ages = _looks(accepted)
    assert ages[:3] == [timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=30)]
    assert ages[3] > timedelta(hours=3)


def test_reading_is_looked_for_by_age(delivered: Entry) -> None:
    """Each wait is twice the one before, up to a cap, and the last poll is at the horizon."""
    ages = _looks(delivered)
    waits = [later - earlier for earlier, later in pairwise([timedelta(0), *ages])]
    assert FIRST_WAIT * 0.95 <= waits[0] <= FIRST_WAIT
    assert all(wait == pytest.approx(waits[0] * 2**k, rel=1e-9) for k, wait in enumerate(waits[:6]))
    assert max(waits) <= LONGEST_WAIT
    assert HORIZON * 0.95 <= ages[-1] <= HORIZON
    assert len(ages) == 10


@pytest.mark.parametrize("hour", range(0, 1440, 7))
def test_polls_are_at_fixed_times(delivered: Entry, hour: int) -> None:
    """The next poll is at one of a few fixed times, whatever the time now, so two rows of a message merge."""
    fixed = [ACCEPTED_AT + age for age in _looks(delivered)]
    found = next_poll(delivered, ACCEPTED_AT + timedelta(hours=hour))
    assert found in fixed or found is None


def test_messages_sent_together_are_looked_at_apart(delivered: Entry) -> None:
    """The polls of a campaign spread over a twentieth of their age, the same way each time."""
    campaign = [replace(delivered, request_id=f"r-{number}") for number in range(200)]
    lasts = [_looks(entry)[-1] for entry in campaign]
    assert timedelta(days=2.5) < max(lasts) - min(lasts) <= HORIZON / 20
    assert lasts == [_looks(entry)[-1] for entry in campaign]


@pytest.mark.parametrize("days", [5, 20, 50, 90])
def test_payment_is_looked_for_around_its_due_date(delivered: Entry, days: int) -> None:
    """A payment is polled days before, right after and a day after its due date, even beyond the horizon."""
    due_date = ACCEPTED_AT + timedelta(days=days)
    paying = replace(delivered, read_status="READ", state=State.READ, has_payment=True, due_date=due_date)
    more = sorted(set(_looks(paying)) - set(_looks(delivered)))
    assert len(more) == 3
    offsets = [ACCEPTED_AT + age - due_date for age in more]
    assert [offset.days for offset in offsets] == [-3, 0, 1]


def test_due_date_without_a_payment_changes_nothing(delivered: Entry) -> None:
    """A due date without a payment does not change the polls."""
    assert _looks(replace(delivered, due_date=ACCEPTED_AT + timedelta(days=9))) == _looks(delivered)


def test_due_date_in_the_past_adds_no_look(delivered: Entry) -> None:
    """A payment that was overdue when it was sent is polled by age."""
    overdue = replace(delivered, has_payment=True, due_date=ACCEPTED_AT - timedelta(days=2))
    assert _looks(overdue) == _looks(delivered)


@pytest.mark.parametrize(
    ("late", "times"),
    [(timedelta(0), 1), (timedelta(hours=23), 1), (timedelta(days=1), 2), (timedelta(days=6, hours=5), 7)],
)
def test_late_looks_make_the_waits_longer(late: timedelta, times: int) -> None:
    """A lag of minutes changes nothing; each day of lag makes the waits longer by one factor."""
    assert stretch(late) == times
    assert stretch(-late) == 1


def test_under_pressure_there_are_fewer_looks_at_the_same_times(delivered: Entry) -> None:
    """A stretched schedule keeps some of the usual times, and always the last one."""
    usual = _looks(delivered)
    counts = []
    for times in (1, 2, 4, 8):
        stretched = _looks(delivered, times)
        assert set(stretched) <= set(usual)
        assert stretched[-1] == usual[-1]
        counts.append(len(stretched))
    assert counts == sorted(counts, reverse=True)
    assert counts[-1] < counts[0] / 2


@pytest.mark.parametrize(
    ("word", "has_payment", "read", "paid", "followed"),
    [
        ("PROCESSED", False, "UNREAD", None, True),
        ("PROCESSED", False, None, None, True),
        ("PROCESSED", False, "UNAVAILABLE", None, True),
        ("PROCESSED", True, "UNAVAILABLE", "NOT_PAID", True),
        ("READ", False, "READ", None, False),
        ("READ", True, "READ", "NOT_PAID", True),
        ("PAID", True, "UNREAD", "PAID", True),
        ("PAID", True, "UNAVAILABLE", "PAID", True),
        ("PAID", True, "READ", "PAID", False),
        ("REJECTED", True, None, None, False),
        ("FAILED", True, None, None, False),
    ],
)
def test_message_is_followed_while_something_can_change(
    delivered: Entry, word: str, has_payment: bool, read: str | None, paid: str | None, followed: bool
) -> None:
    """A message is followed as long as its status can still change."""
    known = replace(
        delivered, state=State(word), has_payment=has_payment, read_status=read, payment_status=paid
    )
    assert (next_poll(known, ACCEPTED_AT) is not None) == followed
    assert is_over(known, ACCEPTED_AT) != followed


def test_standard_message_is_over_when_delivered(delivered: Entry) -> None:
    """A STANDARD message is no longer followed once it is delivered."""
    assert is_over(replace(delivered, feature_level_type="STANDARD"), ACCEPTED_AT)


def test_last_look_may_be_late(delivered: Entry) -> None:
    """A tick after the horizon still makes the last poll, until the grace has passed."""
    assert not is_over(delivered, ACCEPTED_AT + HORIZON + timedelta(days=1))
    assert is_over(delivered, ACCEPTED_AT + HORIZON + GRACE)
    assert next_poll(delivered, ACCEPTED_AT + HORIZON) is None


def test_message_of_a_clock_that_runs_ahead_is_followed(accepted: Entry) -> None:
    """A message whose acceptance lies in the future of this host's clock is polled later."""
    early = ACCEPTED_AT - timedelta(minutes=1)
    found = next_poll(accepted, early)
    assert found is not None
    assert found > early


def test_last_look_is_repeated_at_fixed_times(delivered: Entry) -> None:
    """A failed last poll is repeated at fixed times, so two rows of a message merge."""
    end = ACCEPTED_AT + HORIZON
    for days in range(1, 7):
        visits = [end + timedelta(days=days, seconds=seconds) for seconds in (0, 1, 70)]
        assert {next_poll_after_failure(delivered, at) for at in visits} <= {
            next_poll_after_failure(delivered, visits[0])
        }
        assert visits[0] < next_poll_after_failure(delivered, visits[0]) <= visits[0] + timedelta(days=1)
