"""Removes what has been kept for its period, by the storage account's own time."""

from datetime import datetime, timedelta
from typing import Final

from context import Context
from expire.catch_up import catch_up
from expire.parked import expire_parked
from expire.request import expire_request
from storage.due_index import DueEntry
from storage.due_processing import process_due
from storage.notices import NOTICE
from storage.retention import PARKED

# A host whose clock is further off removes nothing: it would also move the watermark of the index.
MOST_OFF: Final = timedelta(minutes=10)


class ClockIsOff(Exception):
    """This host's clock differs from the storage account's, so nothing is removed until they agree."""


async def expire(context: Context) -> None:
    """Run one tick. What cannot be removed stays due; the failures are raised together at the end.

    The time is read once, from the storage account: a clock that jumps during the tick ends nothing early.
    Raises ClockIsOff.
    """
    now = await context.retention.index.storage_time()
    if abs(context.clock() - now) > MOST_OFF:
        raise ClockIsOff(ClockIsOff.__doc__)

    failures = []
    for part in (catch_up, _expire_actions, _expire_due):
        try:
            await part(context, now)
        except Exception as error:  # noqa: BLE001 - raised below; one part must not stop the others
            failures.append(error)
    if failures:
        raise ExceptionGroup("what could not be removed stays due", failures)


async def _expire_actions(context: Context, now: datetime) -> None:
    """Remove old actions of operators, in the first hour of each day: that reads the oldest ones anew."""
    if now.hour == 0:
        await context.past_actions.forget_before(now - context.retention.periods.of("audit"))


async def _expire_due(context: Context, now: datetime) -> None:
    async def handle(due: DueEntry) -> None:
        await _expire(due, now, context)

    await process_due(
        context.retention.index, handle, what="expired", wait=lambda _: 0.0, clock=context.clock
    )


async def _expire(due: DueEntry, now: datetime, context: Context) -> None:
    """Remove what has ended, put the row of what ends next, and then remove this row.

    A crash in between repeats the removal.
    """
    kind, _, name = due.request_id.partition(":")
    if kind == PARKED:
        next_at = await expire_parked(name, now, context)
    elif kind == NOTICE:
        told_at = await context.notices.forget_settlement(name, now - context.retention.periods.of("ledger"))
        next_at = context.retention.settlement_end(told_at) if told_at else None
    else:
        next_at = await expire_request(due.request_id, now, context)
    await context.retention.index.reschedule(due, next_at)
