"""How an attempt ended: the ledger is told at once, or late when a lease or storage did not last that long.

What storage does not take goes back to the queue in the reference. An outage of the tables therefore puts
nothing in doubt as long as the queue takes messages.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any

from contract.reference import Ending
from contract.reminders import ReminderPolicy
from send_message.kept import after_acceptance
from storage.handover import Handover, reference_to
from storage.intake import PutBack
from storage.ledger import LEASE, Entry, Ledger, NotMine, State, Step
from storage.queues import MESSAGE_SENDS
from storage.table import Unanswered

NOT_CLAIMED = Step(State.DEFERRED, "not_claimed")


async def write(planned: Entry, end: Step, ledger: Ledger) -> Entry:
    """Commit what was planned for an attempt that ended, or ends without this write, as `end` says.

    Raises NotMine, and PutBack when storage does not answer.
    """
    try:
        return await ledger.commit(planned)
    except Unanswered:
        body = _with_ending(planned, ending_of(planned, end))
    raise PutBack(body)


async def write_late(
    entry: Entry,
    ending: Ending,
    *,
    ledger: Ledger,
    handover: Handover,
    reminders: Mapping[str, ReminderPolicy],
    clock: Callable[[], datetime],
) -> Entry:
    """Write down how an attempt ended that others may have put in doubt meanwhile.

    Raises NotMine when the ledger has moved on, and PutBack when storage does not answer.
    """
    try:
        while True:
            current = await ledger.get(entry.request_id)
            if current is None or not current.awaits(ending):
                raise NotMine(NotMine.__doc__)
            # This attempt's queue message may be gone: a copy sees to it that the request is handed over.
            # If that copy comes before the write below it touches the row, and all this begins anew.
            await handover.look_after(current, MESSAGE_SENDS, LEASE)
            changes = _changes(current, ending, ledger, reminders, clock())
            with suppress(NotMine):
                return await ledger.advance(current, _step(ending), **changes)
    except Unanswered:
        body = _with_ending(entry, ending)
    raise PutBack(body)


def ending_of(planned: Entry, end: Step) -> Ending:
    """The end of the attempt that `planned` would have told the ledger of."""
    return Ending(
        owner=planned.owner or "",
        what=end.what,
        reason=end.reason,
        http_status=end.http_status,
        message_id=planned.message_id,
    )


def _step(ending: Ending) -> Step:
    return Step(State(ending.what), ending.reason, ending.http_status)


def _with_ending(entry: Entry, ending: Ending) -> str:
    return reference_to(entry).model_copy(update={"ending": ending}).to_json()


def _changes(
    entry: Entry, ending: Ending, ledger: Ledger, reminders: Mapping[str, ReminderPolicy], now: datetime
) -> dict[str, Any]:
    if ending.what == State.ACCEPTED:
        kept = after_acceptance(entry, ledger.request_of(entry), ending.message_id, reminders)
        return {"message_id": ending.message_id} | kept
    if ending.what == State.DEFERRED:
        return {"next_at": now, "sequence": entry.sequence + 1}
    return {}
