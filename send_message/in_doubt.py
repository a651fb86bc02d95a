"""What an operator decides of a request in doubt: send it again all the same, or say how it ended."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from contract.reminders import ReminderPolicy
from send_message.kept import after_acceptance
from send_message.still_needed import expired_or_paid
from storage.dispatcher import Dispatcher
from storage.ledger import Entry, Ledger, State, Step, is_full
from storage.queues import MESSAGE_SENDS

# A worker that still holds the old attempt must be dead by the time of a new one: the longest invocation
# (host.json, functionTimeout) and the longest POST are far shorter.
QUARANTINE = timedelta(hours=1)
RESEND = "resend"


class NotInDoubt(Exception):
    """The request is not in doubt (any more): there is nothing to decide."""


class TooLate(Exception):
    """By the end of the quarantine it would be over, its notice is paid, or it was resent too often."""


async def resend(
    entry: Entry, *, ledger: Ledger, dispatcher: Dispatcher, clock: Callable[[], datetime]
) -> Entry:
    """Sanction one more attempt, after the quarantine. Said twice, it is done once.

    Raises NotInDoubt, LostRace, TooLate.
    """
    if entry.state is State.IN_DOUBT:
        begins_at = max(clock(), resend_at(entry))
        if expired_or_paid(entry, begins_at) or is_full(entry):
            raise TooLate(TooLate.__doc__)
        entry = await ledger.advance(
            entry,
            Step(State.DEFERRED, RESEND),
            next_at=begins_at,
            sequence=entry.sequence + 1,
            failures=0,
            waiting_since=clock(),
        )
    elif not is_resend(entry):
        raise NotInDoubt(NotInDoubt.__doc__)
    await dispatcher.dispatch(entry, MESSAGE_SENDS, republish=True)
    return entry


def resend_at(entry: Entry) -> datetime:
    """When a resend may begin at the earliest: the quarantine counts from the end of the attempt's lease."""
    return (entry.lease_until or entry.updated_at) + QUARANTINE


def is_resend(entry: Entry) -> bool:
    """Whether a resend was sanctioned and has not begun; its queue message may be missing."""
    return entry.state is State.DEFERRED and entry.last_step.get("reason") == RESEND


async def settle(
    entry: Entry,
    *,
    accepted: bool,
    message_id: str | None,
    ledger: Ledger,
    dispatcher: Dispatcher,
    reminders: Mapping[str, ReminderPolicy],
) -> Entry:
    """Write down what the operator found out. Not accepted means REFUSED and parked, so it can be redriven.

    Raises NotInDoubt, LostRace.
    """
    if entry.state is not State.IN_DOUBT:
        raise NotInDoubt(NotInDoubt.__doc__)
    if accepted:
        kept = after_acceptance(entry, ledger.request_of(entry), message_id, reminders)
        entry = await ledger.advance(entry, Step(State.ACCEPTED, "settled"), message_id=message_id, **kept)
    else:
        entry = await ledger.advance(entry, Step(State.REFUSED, "settled"))
    await dispatcher.dispatch(entry, MESSAGE_SENDS)
    return entry
