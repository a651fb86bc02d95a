"""Records the result of an attempt to send: at once, or late if the lease expired or storage failed.

If storage rejects the write, the result goes back to the queue in the reference. An outage of the tables
therefore puts nothing in doubt as long as the queue accepts messages.
"""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from context import Context
from contract.policy_of_request import may_remind
from contract.reference import AttemptResult
from contract.reminders import ReminderPolicy
from contract.request import MessageRequest
from storage.dispatcher import reference_to
from storage.intake import PutBack
from storage.ledger import LEASE, Entry, Ledger, LostRace, State, Step
from storage.table import Unanswered

# The result to report if the write of the claim gets no answer: nothing was sent.
NOT_CLAIMED = Step(State.DEFERRED, "not_claimed")


async def record(planned: Entry, end: Step, ledger: Ledger) -> Entry:
    """Commit the planned entry. Raises LostRace if another worker moved the request on.

    If storage does not answer, the queue message carries `end` as the attempt's result (raises PutBack).
    """
    try:
        return await ledger.commit(planned)
    except Unanswered:
        body = _with_result(planned, result_of(planned, end))
    raise PutBack(body)


async def record_late(entry: Entry, result: AttemptResult, context: Context) -> Entry:
    """Record the result of an attempt that another worker may have marked IN_DOUBT meanwhile.

    Raises LostRace if the ledger has moved on, and PutBack if storage does not answer.
    """
    try:
        while True:
            current = await context.ledger.get(entry.request_id)
            if current is None or not current.awaits(result):
                raise LostRace(LostRace.__doc__)
            # This attempt's queue message may be gone, so a copy makes sure that the request is dispatched.
            # If the copy is handled before the write below, it changes the row and this loop starts again.
            await context.dispatcher.enqueue_recheck(current, current.sends_queue, LEASE)
            changes = _changes(current, result, context)
            with suppress(LostRace):
                step = Step(State(result.what), result.reason, result.http_status)
                return await context.ledger.advance(current, step, **changes)
    except Unanswered:
        body = _with_result(entry, result)
    raise PutBack(body)


def result_of(planned: Entry, end: Step) -> AttemptResult:
    """Return the result that the planned entry would have recorded."""
    return AttemptResult(
        owner=planned.owner or "",
        what=end.what,
        reason=end.reason,
        http_status=end.http_status,
        message_id=planned.message_id,
    )


def after_acceptance(
    entry: Entry,
    request: MessageRequest,
    message_id: str | None,
    policies: Mapping[str, ReminderPolicy],
) -> dict[str, Any]:
    """Return the columns that change on acceptance. The encrypted body is kept only while reminders may come.

    Without IO's id, no poll can show whether the message was read, so no reminder is sent.
    """
    reminds = message_id is not None and may_remind(request, policies)
    return {"may_remind": reminds, "body": entry.body if reminds else {}}


def _with_result(entry: Entry, result: AttemptResult) -> str:
    return reference_to(entry).model_copy(update={"result": result}).to_json()


def _changes(entry: Entry, result: AttemptResult, context: Context) -> dict[str, Any]:
    if result.what == State.ACCEPTED:
        request = context.ledger.request_of(entry)
        kept = after_acceptance(entry, request, result.message_id, context.policies)
        return {"message_id": result.message_id} | kept
    if result.what == State.DEFERRED:
        return {"next_at": context.clock(), "sequence": entry.sequence + 1}
    return {}
