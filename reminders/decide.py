"""Decides whether to send a reminder now: only if IO has just confirmed the need, never on a guess."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from contract.reminders import ReminderPolicy
from io_api.models import DeliveryStatus, MessageStatus, PaymentStatus, ReadStatus
from reminders.calendar import DAY, OPENS, instant_of, local_day, next_allowed, next_day
from reminders.plan import Kind, Planned
from storage.ledger import DELIVERED, State

# An answer of IO counts for this long. A citizen who read or paid longer ago is not reminded.
FRESH: Final = timedelta(minutes=5)
# If IO has no answer now, it seldom has one in a minute: its payment lookups sometimes fail for hours. If IO
# has had no answer for days, it hardly ever has one. So each wait is longer, and a reminder costs ten calls
# at most.
ASK_AGAIN: Final = timedelta(hours=1)
BACKOFF_FACTOR: Final = 2  # times the time since the reminder was due


@dataclass(frozen=True)
class Facts:
    """The facts that are known when a reminder is due; times are UTC.

    state: of the first message, in the ledger.
    settled_at: when the notice was paid, according to the creditor's own systems.
    is_turned_away: for an earlier reminder, the recipient had blocked the service or was gone.
    last_reminded_at: when the last reminder of the message was sent.
    reminders_today: number sent to the citizen on this day in Italy, for all messages and campaigns.
    seen, seen_at: IO's answer about the first message, and its time.
    """

    state: State
    settled_at: datetime | None = None
    is_campaign_stopped: bool = False
    is_turned_away: bool = False
    last_reminded_at: datetime | None = None
    reminders_today: int = 0
    seen: MessageStatus | None = None
    seen_at: datetime | None = None


@dataclass(frozen=True)
class Send:
    """The reminder is needed: send it now."""


@dataclass(frozen=True)
class DoNotSend:
    """The reminder is not sent, now or ever, because of `reason`."""

    reason: str


@dataclass(frozen=True)
class Postpone:
    """Decide again from `when` (UTC) on; `reason` names the obstacle."""

    when: datetime
    reason: str


@dataclass(frozen=True)
class AskIo:
    """No known fact forbids the reminder: ask IO, and decide again with the answer."""


type Decision = Send | DoNotSend | Postpone | AskIo


def decide(
    planned: Planned, facts: Facts, policy: ReminderPolicy, *, most_per_day: int, now: datetime
) -> Decision:
    """Decide on a due reminder. `most_per_day` is the cap of a citizen, `policy` that of the plan.

    Checks that cost no call come first. Postino asks IO only about reminders that no known fact forbids.
    """
    return (
        _rejection(_known_objections(planned, facts, now))
        or _postponement(planned, facts, most_per_day, now)
        or _by_answer(planned, facts, policy, now)
    )


def daily_cap(kind: Kind, most_per_day: int) -> int:
    """Return a citizen's daily cap for this kind of reminder. The last of several places is for payments.

    A reminder to read can wait until tomorrow; a reminder to pay cannot.
    """
    return most_per_day if kind is Kind.UNPAID else max(1, most_per_day - 1)


def unanswered(planned: Planned, reason: str, now: datetime) -> Postpone | DoNotSend:
    """Return the decision after an error of this `reason` from IO: no reminder is sent without an answer."""
    return _postpone(planned, _asked_again_at(planned, now), reason)


def _asked_again_at(planned: Planned, now: datetime) -> datetime:
    """Return when to ask IO again: each time three times as long after the reminder was due.

    The last time is an hour before the reminder becomes pointless.
    """
    at, last = now + max(ASK_AGAIN, BACKOFF_FACTOR * (now - planned.at)), planned.until - ASK_AGAIN
    return min(at, last) if now < last else at


def _rejection(reasons: Iterator[str]) -> DoNotSend | None:
    reason = next(reasons, None)
    return DoNotSend(reason) if reason else None


def _known_objections(planned: Planned, facts: Facts, now: datetime) -> Iterator[str]:
    """Yield the known reasons never to send the reminder, the weightiest first."""
    if facts.is_campaign_stopped:
        yield "campaign_stopped"
    if facts.state is not State.ACCEPTED and facts.state not in DELIVERED:
        yield facts.state.lower()  # in_doubt, skipped, rejected, ...: no delivered message to remind of
    if facts.settled_at:
        yield "settled"
    if facts.state is State.PAID:
        yield "paid"
    if facts.state is State.READ and planned.kind is Kind.UNREAD:
        yield "read"
    if facts.is_turned_away:
        yield "recipient_turned_away"
    if now >= planned.until:
        yield planned.over


def _postponement(
    planned: Planned, facts: Facts, most_per_day: int, now: datetime
) -> Postpone | DoNotSend | None:
    if now < planned.at:
        return _postpone(planned, planned.at, "not_due")
    if (allowed := next_allowed(now, planned.avoided)) > now:
        return _postpone(planned, allowed, "quiet_time")
    if facts.last_reminded_at and now < (apart := _apart(planned, facts.last_reminded_at)):
        return _postpone(planned, apart, "reminded_lately")
    if facts.reminders_today >= most_per_day:
        return _postpone(planned, next_day(now, planned.avoided), "citizen_reminded_enough")
    return None


def _apart(planned: Planned, last_reminded_at: datetime) -> datetime:
    day = local_day(last_reminded_at) + planned.days_between * DAY
    return next_allowed(instant_of(day, OPENS), planned.avoided)


def _by_answer(planned: Planned, facts: Facts, policy: ReminderPolicy, now: datetime) -> Decision:
    seen = facts.seen
    if seen is None or facts.seen_at is None or now - facts.seen_at > FRESH:
        return AskIo()
    if against := _rejection(_io_objections(planned, seen, policy)):
        return against
    missing = _missing_answer(planned, seen)
    return unanswered(planned, missing, now) if missing else Send()


def _io_objections(planned: Planned, seen: MessageStatus, policy: ReminderPolicy) -> Iterator[str]:
    """Yield the reasons in IO's answer not to send the reminder."""
    if seen.status in (DeliveryStatus.REJECTED, DeliveryStatus.FAILED):
        yield seen.status.lower()
    if seen.payment_status is PaymentStatus.PAID:
        yield "paid"
    if seen.read_status is ReadStatus.READ and planned.kind is Kind.UNREAD:
        yield "read"
    if seen.read_status is ReadStatus.UNAVAILABLE and policy.when_unavailable == "skip":
        yield "read_unavailable"


def _missing_answer(planned: Planned, seen: MessageStatus) -> str | None:
    """Return the name of a fact that the reminder needs and IO's answer lacks; None if complete."""
    if seen.status is not DeliveryStatus.PROCESSED:
        return "not_processed"
    if planned.kind is Kind.UNPAID and seen.payment_status is None:
        return "payment_unknown"
    if seen.read_status is None:
        return "read_unknown"
    return None


def _postpone(planned: Planned, when: datetime, reason: str) -> Postpone | DoNotSend:
    """Postpone the reminder; drop it if it is pointless by then."""
    return Postpone(when, reason) if when < planned.until else DoNotSend(reason)
