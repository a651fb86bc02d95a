"""Plans the possible reminders of one message: a pure function of the request and the policy.

The same message always has the same plan, so the next worker after a crash finds the same ids.
"""

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from typing import Final

from contract.policy_of_request import reports_payment
from contract.reminders import ReminderPolicy, UnpaidReminders, UnreadReminders
from contract.request import MessageRequest
from reminders.calendar import DAY, days_later, instant_of, is_allowed_day, local_day, next_allowed, next_day

# Postino follows a message for this long. Afterwards it would not learn that the message was read.
HORIZON: Final = timedelta(days=60)
# The data for a reminder is not kept for longer.
FARTHEST_DUE: Final = timedelta(days=366)
# On the morning of the last day the citizen still has time to pay.
PAYMENT_HOUR: Final = time(10)
# Days before the due date on which IO itself may remind (PagoPA knowledge base, article 54526624937).
IO_DAYS: Final = frozenset({13, 10, 7, 4})
LONGEST_ID: Final = 128


class Kind(StrEnum):
    """The reason for a reminder."""

    UNREAD = "unread"
    UNPAID = "unpaid"


class Over(StrEnum):
    """The reason why a reminder has become pointless."""

    SUPERSEDED = "superseded"  # the next reminder of its kind is due
    PAST_DUE = "past_due"
    NOT_PAYABLE = "not_payable"  # past due, and the notice cannot be paid afterwards
    NOT_FOLLOWED = "not_followed"  # Postino no longer polls whether the message was read


@dataclass(frozen=True)
class Planned:
    """One reminder, such as `unread-1`, under a `request_id` of its own.

    The reminder is due from the UTC instant `at` on. From `until` on it is pointless, for the reason `over`.
    `avoided` holds days in Italy on which it is not sent, even if postponed. `days_between` is its distance
    from other reminders.
    """

    name: str
    request_id: str
    kind: Kind
    at: datetime
    until: datetime
    over: Over
    days_between: int
    avoided: frozenset[date]


def plan(request: MessageRequest, accepted_at: datetime, policy: ReminderPolicy) -> tuple[Planned, ...]:
    """Return the reminders of a message that IO accepted, in order; `policy` is that of `policy_for`.

    Each reminder has a day of its own, never the day of the message itself.
    """
    frame = _frame(request, accepted_at, policy)
    unpaid = _unpaid(policy.unpaid, frame) if policy.unpaid else []
    unread = _unread(policy.unread, frame, {local_day(it.at) for it in unpaid}) if policy.unread else []
    return tuple(sorted([*unpaid, *unread], key=lambda planned: planned.at))


@dataclass(frozen=True)
class _Frame:
    """The values from which the reminders of one message are computed."""

    request_id: str
    accepted_at: datetime
    due: datetime | None
    is_void_after_due: bool
    avoided: frozenset[date]

    def end(self, kind: Kind) -> tuple[datetime, Over]:
        """Return when the last reminder of a kind becomes pointless, and why."""
        horizon = self.accepted_at + HORIZON
        if self.due and kind is Kind.UNPAID:
            return self.due, Over.NOT_PAYABLE if self.is_void_after_due else Over.PAST_DUE
        if self.due and self.is_void_after_due and self.due < horizon:
            return self.due, Over.NOT_PAYABLE
        return horizon, Over.NOT_FOLLOWED


def _frame(request: MessageRequest, accepted_at: datetime, policy: ReminderPolicy) -> _Frame:
    payment = request.content.payment_data
    return _Frame(
        request_id=request.request_id,
        accepted_at=accepted_at,
        due=request.content.due_date,
        is_void_after_due=payment is not None and payment.invalid_after_due_date,
        avoided=_io_days(request, accepted_at) if policy.on_io_days == "avoid" else frozenset(),
    )


def _io_days(request: MessageRequest, accepted_at: datetime) -> frozenset[date]:
    due = request.content.due_date
    if due is None or not reports_payment(request) or not _is_ahead(due, accepted_at):
        return frozenset()
    return frozenset(_days_before(due, days) for days in IO_DAYS)


def _is_ahead(due: datetime, accepted_at: datetime) -> bool:
    return accepted_at < due < accepted_at + FARTHEST_DUE


def _days_before(due: datetime, days: int) -> date:
    return local_day(due) - days * DAY


def _unpaid(asked: UnpaidReminders, frame: _Frame) -> list[Planned]:
    """Plan a reminder on each morning. Of two on one day, keep the one nearer to the due date."""
    names: dict[date, str] = {}
    if frame.due and _is_ahead(frame.due, frame.accepted_at):
        for days in reversed(asked.days_before_due):
            names.setdefault(_payment_day(days, frame.due, frame.avoided), f"unpaid-{days}")
    first_day = local_day(frame.accepted_at)
    instants = {names[day]: instant_of(day, PAYMENT_HOUR) for day in sorted(names) if day > first_day}
    return _planned(Kind.UNPAID, instants, frame, days_between=1)


def _payment_day(days: int, due: datetime, avoided: Collection[date]) -> date:
    """Return the wanted day, or the next if IO may send its own reminder on the wanted day.

    A citizen who pays because of IO's reminder needs no other. If that day is not allowed, return an earlier
    one: before a due date, early is better than late.
    """
    wanted = _days_before(due, days)
    day = wanted + DAY if wanted in avoided else wanted
    while not is_allowed_day(day, avoided) or instant_of(day, PAYMENT_HOUR) >= due:
        day -= DAY
    return day


def _unread(asked: UnreadReminders, frame: _Frame, taken: Collection[date]) -> list[Planned]:
    """Plan reminders at the hour of the message or the next allowed one, far enough from any other."""
    instants: dict[str, datetime] = {}
    wanted, (end, _) = days_later(frame.accepted_at, asked.after_days), frame.end(Kind.UNREAD)
    for number in range(1, asked.times + 1):
        at = _free(wanted, asked.days_between, frame.avoided, taken)
        if at >= end:
            break
        instants[f"unread-{number}"] = at
        wanted = days_later(at, asked.days_between)
    return _planned(Kind.UNREAD, instants, frame, asked.days_between)


def _free(
    wanted: datetime, days_between: int, avoided: Collection[date], taken: Collection[date]
) -> datetime:
    at = next_allowed(wanted, avoided)
    while any(abs(local_day(at) - day) < days_between * DAY for day in taken):
        at = next_day(at, avoided)
    return at


def _planned(kind: Kind, instants: Mapping[str, datetime], frame: _Frame, days_between: int) -> list[Planned]:
    ends = [*[(at, Over.SUPERSEDED) for at in instants.values()][1:], frame.end(kind)]
    return [
        Planned(name, _id(frame.request_id, name), kind, at, until, over, days_between, frame.avoided)
        for (name, at), (until, over) in zip(instants.items(), ends, strict=False)
    ]


def _id(request_id: str, name: str) -> str:
    readable = f"{request_id}:{name}"
    if len(readable) <= LONGEST_ID:
        return readable
    return f"{hashlib.sha256(request_id.encode()).hexdigest()}:{name}"
