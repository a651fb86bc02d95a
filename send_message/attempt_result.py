"""How an attempt ended: the ledger is told at once, or late when a lease or storage did not last that long.

What storage does not take goes back to the queue in the reference. An outage of the tables therefore puts
nothing in doubt as long as the queue takes messages.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any

from contract.reference import AttemptResult
from contract.reminders import ReminderPolicy
from send_message.kept import after_acceptance
from storage.dispatcher import Dispatcher, reference_to
from storage.intake import PutBack
from storage.ledger import LEASE, Entry, Ledger, LostRace, State, Step
from storage.queues import MESSAGE_SENDS
from storage.table import Unanswered

NOT_CLAIMED = Step(State.DEFERRED, "not_claimed")


async def record(planned: Entry, end: Step, ledger: Ledger) -> Entry:
    """Commit what was planned for an attempt that ended, or ends without this write, as `end` says.

    Raises LostRace, and PutBack when storage does not answer.
    """
    try:
        return await ledger.commit(planned)
    except Unanswered:
        body = _with_result(planned, result_of(planned, end))
    raise PutBack(body)


async def record_late(
    entry: Entry,
    result: AttemptResult,
    *,
    ledger: Ledger,
    dispatcher: Dispatcher,
    reminders: Mapping[str, ReminderPolicy],
    clock: Callable[[], datetime],
) -> Entry:
    """Write down how an attempt ended that others may have put in doubt meanwhile.

    Raises LostRace when the ledger has moved on, and PutBack when storage does not answer.
    """
    try:
        while True:
            current = await ledger.get(entry.request_id)
            if current is None or not current.awaits(result):
                raise LostRace(LostRace.__doc__)
            # This attempt's queue message may be gone: a copy sees to it that the request is handed over.
            # If that copy comes before the write below it touches the row, and all this begins anew.
            await dispatcher.enqueue_recheck(current, MESSAGE_SENDS, LEASE)
            changes = _changes(current, result, ledger, reminders, clock())
            with suppress(LostRace):
                return await ledger.advance(current, _step(result), **changes)
    except Unanswered:
        body = _with_result(entry, result)
    raise PutBack(body)


def result_of(planned: Entry, end: Step) -> AttemptResult:
    """The end of the attempt that `planned` would have told the ledger of."""
    return AttemptResult(
        owner=planned.owner or "",
        what=end.what,
        reason=end.reason,
        http_status=end.http_status,
        message_id=planned.message_id,
    )


def _step(result: AttemptResult) -> Step:
    return Step(State(result.what), result.reason, result.http_status)


def _with_result(entry: Entry, result: AttemptResult) -> str:
    return reference_to(entry).model_copy(update={"result": result}).to_json()


def _changes(
    entry: Entry,
    result: AttemptResult,
    ledger: Ledger,
    reminders: Mapping[str, ReminderPolicy],
    now: datetime,
) -> dict[str, Any]:
    if result.what == State.ACCEPTED:
        kept = after_acceptance(entry, ledger.request_of(entry), result.message_id, reminders)
        return {"message_id": result.message_id} | kept
    if result.what == State.DEFERRED:
        return {"next_at": now, "sequence": entry.sequence + 1}
    return {}
