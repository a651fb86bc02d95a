"""An operator's decisions on a request in doubt: resend the request, or record how it ended.

The rules that put a request in doubt are in `io_api/answers.py`.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

from contract.reminders import ReminderPolicy
from send_message.attempt_result import after_acceptance
from send_message.still_needed import expired_or_paid
from storage.ledger import Entry, State, Step, is_full
from storage.stores import Stores

# By then no worker still holds the old attempt: the longest invocation (host.json, functionTimeout) and the
# longest POST are far shorter.
QUARANTINE = timedelta(hours=1)
RESEND = "resend"


class NotInDoubt(Exception):
    """The request is not in doubt, so there is nothing to decide."""


class TooLate(Exception):
    """The request would expire in quarantine, its notice is paid, or it was resent too often."""


async def resend(entry: Entry, stores: Stores) -> Entry:
    """Allow one more attempt, after the quarantine. Idempotent.

    Raises NotInDoubt, LostRace, TooLate.
    """
    if entry.state is State.IN_DOUBT:
        begins_at = max(stores.clock(), resend_at(entry))
        if expired_or_paid(entry, begins_at) or is_full(entry):
            raise TooLate(TooLate.__doc__)
        entry = await stores.ledger.advance(
            entry,
            Step(State.DEFERRED, RESEND),
            next_at=begins_at,
            sequence=entry.sequence + 1,
            failures=0,
            waiting_since=stores.clock(),
        )
    elif not is_resend(entry):
        raise NotInDoubt(NotInDoubt.__doc__)
    await stores.dispatcher.dispatch(entry, entry.sends_queue, republish=True)
    return entry


def resend_at(entry: Entry) -> datetime:
    """Return when a resend may begin: the quarantine counts from the end of the attempt's lease."""
    return (entry.lease_until or entry.updated_at) + QUARANTINE


def is_resend(entry: Entry) -> bool:
    """Return whether a resend was allowed and has not begun. Its queue message may be missing."""
    return entry.state is State.DEFERRED and entry.last_step.get("reason") == RESEND


async def settle(
    entry: Entry,
    stores: Stores,
    policies: Mapping[str, ReminderPolicy],
    *,
    accepted: bool,
    message_id: str | None,
) -> Entry:
    """Record what the operator found out. A request not accepted is REFUSED and parked, and can be redriven.

    Raises NotInDoubt, LostRace.
    """
    if entry.state is not State.IN_DOUBT:
        raise NotInDoubt(NotInDoubt.__doc__)
    ledger = stores.ledger
    if accepted:
        kept = after_acceptance(entry, ledger.request_of(entry), message_id, policies)
        entry = await ledger.advance(entry, Step(State.ACCEPTED, "settled"), message_id=message_id, **kept)
    else:
        entry = await ledger.advance(entry, Step(State.REFUSED, "settled"))
    await stores.dispatcher.dispatch(entry, entry.sends_queue)
    return entry
