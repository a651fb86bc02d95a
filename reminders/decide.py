"""Whether a reminder is sent now: only when IO has just said that it is still needed, never on a guess."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from contract.reminders import ReminderPolicy
from io_api.models import DeliveryStatus, MessageStatus, PaymentStatus, ReadStatus
from reminders.calendar import DAY, OPENS, instant_of, local_day, next_allowed, next_day
from reminders.plan import Kind, Planned
from storage.ledger import DELIVERED, State

# Whoever read or paid longer ago than this is not reminded.
FRESH: Final = timedelta(minutes=5)
# What IO does not tell now it seldom tells in a minute: its lookups of payments fail for hours at times. What
# it has not told for days it hardly ever tells: each wait is longer, and a reminder costs ten calls at most.
ASK_AGAIN: Final = timedelta(hours=1)
LONGER: Final = 2  # times what has passed since the reminder was due


@dataclass(frozen=True)
class Facts:
    """What is known when a reminder is due; times are UTC.

    state: of the first message, in the ledger.
    settled_at: when the creditor's own systems told that there is nothing to pay any more.
    is_turned_away: an earlier reminder of the message found its recipient blocked or gone.
    last_reminded_at: when the last reminder of the message was sent off.
    reminders_today: sent to the citizen on this day in Italy, of all messages and campaigns.
    seen, seen_at: what IO said of the first message, and when.
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
    """It is needed: send it now."""


@dataclass(frozen=True)
class DoNotSend:
    """It is not sent, now or ever, because of `reason`."""

    reason: str


@dataclass(frozen=True)
class Postpone:
    """Decide again from `when` (UTC) on; `reason` is what it waits for."""

    when: datetime
    reason: str


@dataclass(frozen=True)
class AskIo:
    """Nothing known speaks against it: ask IO, and decide again with its answer."""


type Decision = Send | DoNotSend | Postpone | AskIo


def decide(
    planned: Planned, facts: Facts, policy: ReminderPolicy, *, most_per_day: int, now: datetime
) -> Decision:
    """Decide on a reminder that is due. `most_per_day` is the cap of a citizen, `policy` that of the plan.

    What costs nothing comes first: IO is asked about those only that nothing known speaks against.
    """
    return (
        _rejection(_known_objections(planned, facts, now))
        or _postponement(planned, facts, most_per_day, now)
        or _by_answer(planned, facts, policy, now)
    )


def daily_cap(kind: Kind, most_per_day: int) -> int:
    """Return a citizen's cap a day for this kind of reminder. The last of several places is for payments.

    A reminder to read can wait until tomorrow, a reminder to pay cannot.
    """
    return most_per_day if kind is Kind.UNPAID else max(1, most_per_day - 1)


def unanswered(planned: Planned, reason: str, now: datetime) -> Postpone | DoNotSend:
    """The decision when IO answers with an error of this `reason`: without an answer none is sent."""
    return _postpone(planned, _asked_again_at(planned, now), reason)


def _asked_again_at(planned: Planned, now: datetime) -> datetime:
    """When to ask IO again: three times as late, and a last time an hour before the reminder is pointless."""
    at, last = now + max(ASK_AGAIN, LONGER * (now - planned.at)), planned.until - ASK_AGAIN
    return min(at, last) if now < last else at


def _rejection(reasons: Iterator[str]) -> DoNotSend | None:
    reason = next(reasons, None)
    return DoNotSend(reason) if reason else None


def _known_objections(planned: Planned, facts: Facts, now: datetime) -> Iterator[str]:
    """What speaks against the reminder for ever, the weightiest first."""
    if facts.is_campaign_stopped:
        yield "campaign_stopped"
    if facts.state is not State.ACCEPTED and facts.state not in DELIVERED:
        yield facts.state.lower()  # in_doubt, skipped, rejected, ...: nothing was delivered to remind of
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
    """What IO says against the reminder."""
    if seen.status in (DeliveryStatus.REJECTED, DeliveryStatus.FAILED):
        yield seen.status.lower()
    if seen.payment_status is PaymentStatus.PAID:
        yield "paid"
    if seen.read_status is ReadStatus.READ and planned.kind is Kind.UNREAD:
        yield "read"
    if seen.read_status is ReadStatus.UNAVAILABLE and policy.when_unavailable == "skip":
        yield "read_unavailable"


def _missing_answer(planned: Planned, seen: MessageStatus) -> str | None:
    """What IO must say before the reminder is justified, and does not."""
    if seen.status is not DeliveryStatus.PROCESSED:
        return "not_processed"
    if planned.kind is Kind.UNPAID and seen.payment_status is None:
        return "payment_unknown"
    if seen.read_status is None:
        return "read_unknown"
    return None


def _postpone(planned: Planned, when: datetime, reason: str) -> Postpone | DoNotSend:
    """Put off; for ever, when by then the reminder is pointless."""
    return Postpone(when, reason) if when < planned.until else DoNotSend(reason)
