"""The decision: each rule that stops, postpones or allows a reminder, alone and combined with the others."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from contract.reminders import ReminderPolicy
from io_api.models import MessageStatus
from reminders.decide import (
    ASK_AGAIN,
    FRESH,
    AskIo,
    Decision,
    DoNotSend,
    Facts,
    Postpone,
    Send,
    decide,
    unanswered,
)
from reminders.plan import Kind, Over, Planned
from storage.ledger import State
from tests.fakes import seen

NOW = datetime(2026, 5, 7, 9, 30, tzinfo=UTC)  # a Thursday, 11:30 in Italy
UNTIL = datetime(2026, 5, 20, tzinfo=UTC)
UNREAD = Planned("unread-1", "r-1:unread-1", Kind.UNREAD, NOW, UNTIL, Over.NOT_FOLLOWED, 3, frozenset())
UNPAID = replace(UNREAD, name="unpaid-1", kind=Kind.UNPAID, over=Over.NOT_PAYABLE, days_between=1)
BOTH = pytest.mark.parametrize("planned", [UNREAD, UNPAID], ids=["unread", "unpaid"])
NEITHER = seen("PROCESSED", "UNREAD", "NOT_PAID")


def facts(answer: MessageStatus | None = NEITHER, **known: Any) -> Facts:
    return Facts(**({"state": State.PROCESSED, "seen": answer, "seen_at": NOW} | known))


def decided(
    planned: Planned, known: Facts, now: datetime = NOW, *, when_unavailable: str = "skip"
) -> Decision:
    policy = ReminderPolicy.model_validate({"when_unavailable": when_unavailable})
    return decide(planned, known, policy, most_per_day=1, now=now)


@BOTH
def test_needed_reminder_is_sent(planned: Planned) -> None:
    """A reminder is sent if IO has just answered that the message is neither read nor paid."""
    assert decided(planned, facts()) == Send()


def test_read_message_may_still_have_to_be_paid() -> None:
    """Reading ends the reminders to read, and not those to pay."""
    assert decided(UNPAID, facts(seen("PROCESSED", "READ", "NOT_PAID"), state=State.READ)) == Send()
    assert decided(UNREAD, facts(state=State.READ)) == DoNotSend("read")


@BOTH
@pytest.mark.parametrize(
    ("known", "reason"),
    [
        ({"is_campaign_stopped": True}, "campaign_stopped"),
        ({"state": State.IN_DOUBT}, "in_doubt"),
        ({"state": State.SKIPPED}, "skipped"),
        ({"state": State.REJECTED}, "rejected"),
        ({"state": State.FAILED}, "failed"),
        ({"state": State.DEFERRED}, "deferred"),
        ({"state": State.PAID}, "paid"),
        ({"settled_at": NOW - timedelta(days=1)}, "settled"),
        ({"is_turned_away": True}, "recipient_turned_away"),
    ],
)
def test_what_is_known_stops_without_asking(planned: Planned, known: dict[str, Any], reason: str) -> None:
    """Facts in the ledger that speak against a reminder end it, without a call to IO, at any hour."""
    at_night = NOW + timedelta(hours=12)
    for now in (NOW, at_night):
        assert decided(planned, facts(None, **known), now) == DoNotSend(reason)


@BOTH
@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (seen("REJECTED"), "rejected"),
        (seen("FAILED"), "failed"),
        (seen("PROCESSED", "UNREAD", "PAID"), "paid"),
        (seen("PROCESSED", "READ", "PAID"), "paid"),
        (seen("PROCESSED", "UNAVAILABLE", "NOT_PAID"), "read_unavailable"),
    ],
)
def test_what_io_says_stops(planned: Planned, answer: MessageStatus, reason: str) -> None:
    """IO's fresh answer ends a reminder of a message that failed, was paid, or hides whether it was read."""
    assert decided(planned, facts(answer)) == DoNotSend(reason)


def test_read_seen_just_now_stops() -> None:
    """A message read since the last poll gets no reminder to read."""
    assert decided(UNREAD, facts(seen("PROCESSED", "READ", "NOT_PAID"))) == DoNotSend("read")


@BOTH
def test_unavailable_is_reminded_only_where_the_institution_says_so(planned: Planned) -> None:
    """Under UNAVAILABLE a reminder is sent only if the policy says so, and never after a payment."""
    hidden = facts(seen("PROCESSED", "UNAVAILABLE", "NOT_PAID"))
    assert decided(planned, hidden, when_unavailable="remind") == Send()
    paid = facts(seen("PROCESSED", "UNAVAILABLE", "PAID"))
    assert decided(planned, paid, when_unavailable="remind") == DoNotSend("paid")


@BOTH
@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (seen("ACCEPTED"), "not_processed"),
        (seen(None), "not_processed"),
        (seen("THROTTLED"), "not_processed"),
    ],
)
def test_message_on_its_way_is_asked_again(planned: Planned, answer: MessageStatus, reason: str) -> None:
    """A message that IO has not processed yet is not reminded of; the decision is postponed."""
    assert decided(planned, facts(answer)) == Postpone(NOW + ASK_AGAIN, reason)


def test_missing_answer_is_no_objection() -> None:
    """If IO omits the field that a reminder depends on, the decision is postponed."""
    assert decided(UNPAID, facts(seen("PROCESSED", "UNREAD"))) == Postpone(NOW + ASK_AGAIN, "payment_unknown")
    assert decided(UNREAD, facts(seen("PROCESSED"))) == Postpone(NOW + ASK_AGAIN, "read_unknown")


@BOTH
@pytest.mark.parametrize(
    ("answer", "at"),
    [(None, None), (NEITHER, NOW - FRESH - timedelta(seconds=1)), (seen("PROCESSED", "READ", "PAID"), None)],
)
def test_old_answer_decides_nothing(
    planned: Planned, answer: MessageStatus | None, at: datetime | None
) -> None:
    """IO is asked again if its answer is missing or too old, whatever the answer was."""
    assert decided(planned, facts(answer, seen_at=at)) == AskIo()


def test_error_instead_of_an_answer_waits_an_hour() -> None:
    """An error of IO postpones the decision by an hour, or ends a reminder that is pointless by then."""
    reason = "payment_lookup_failed"
    assert unanswered(UNREAD, reason, NOW) == Postpone(NOW + ASK_AGAIN, reason)
    assert unanswered(replace(UNREAD, until=NOW + ASK_AGAIN), reason, NOW) == DoNotSend(reason)


@pytest.mark.parametrize(
    ("now", "when"),
    [
        ("2026-05-07T18:00:00", "2026-05-08T06:00:00"),  # 20:00
        ("2026-05-08T05:59:59", "2026-05-08T06:00:00"),  # 7:59:59
        ("2026-05-10T09:00:00", "2026-05-11T06:00:00"),  # Sunday
    ],
)
def test_night_and_day_off_put_off(now: str, when: str) -> None:
    """A late timer does not remind at night, on a Sunday or on a holiday."""
    instants = (datetime.fromisoformat(text).replace(tzinfo=UTC) for text in (now, when))
    at, later = instants
    assert decided(UNREAD, facts(seen_at=at), at) == Postpone(later, "quiet_time")


def test_avoided_day_puts_off() -> None:
    """A postponed reminder does not fall on one of IO's own days."""
    avoiding = replace(UNREAD, avoided=frozenset({NOW.date(), NOW.date() + timedelta(days=1)}))
    assert decided(avoiding, facts()) == Postpone(datetime(2026, 5, 9, 6, tzinfo=UTC), "quiet_time")


def test_not_due_yet_waits() -> None:
    """A reminder whose planned time moved into the future waits for it."""
    tomorrow = replace(UNREAD, at=NOW + timedelta(days=1))
    assert decided(tomorrow, facts()) == Postpone(tomorrow.at, "not_due")


def test_cap_of_the_citizen_puts_off_to_the_next_day() -> None:
    """A citizen who has had the day's reminders gets the next one on the following day."""
    tomorrow = datetime(2026, 5, 8, 6, tzinfo=UTC)
    assert decided(UNREAD, facts(reminders_today=1)) == Postpone(tomorrow, "citizen_reminded_enough")


def test_reminders_of_one_message_keep_their_distance_when_put_off() -> None:
    """A late reminder keeps its distance from the last: the policy's days to read, another day to pay."""
    lately = facts(last_reminded_at=NOW - timedelta(hours=2))
    assert decided(UNREAD, lately) == Postpone(datetime(2026, 5, 11, 6, tzinfo=UTC), "reminded_lately")
    assert decided(UNPAID, lately) == Postpone(datetime(2026, 5, 8, 6, tzinfo=UTC), "reminded_lately")
    long_ago = facts(last_reminded_at=NOW - timedelta(days=3))
    assert decided(UNREAD, long_ago) == Send()


@pytest.mark.parametrize("over", Over)
def test_pointless_reminder_says_why(over: Over) -> None:
    """A reminder whose time is over is not sent, and the reason names what ended it."""
    assert decided(replace(UNREAD, until=NOW, over=over), facts()) == DoNotSend(str(over))


@pytest.mark.parametrize(
    ("known", "reason"),
    [
        ({"reminders_today": 1}, "citizen_reminded_enough"),
        ({"last_reminded_at": NOW}, "reminded_lately"),
        ({"answer": seen("ACCEPTED")}, "not_processed"),
    ],
)
def test_put_off_past_its_end_is_not_sent_for_what_put_it_off(known: dict[str, Any], reason: str) -> None:
    """A reminder that would be pointless once allowed is ended now, and the reason names the obstacle."""
    brief = replace(UNREAD, until=NOW + timedelta(hours=1))
    assert decided(brief, facts(**known)) == DoNotSend(reason)


def test_put_off_asks_nothing() -> None:
    """IO is not asked about a reminder that would be postponed anyway."""
    assert isinstance(decided(UNREAD, facts(None, reminders_today=1)), Postpone)
    assert isinstance(decided(UNREAD, facts(None), NOW + timedelta(hours=9)), Postpone)
