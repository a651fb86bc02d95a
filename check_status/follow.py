"""Looks at every message that is due, records what changed, and decides when to look again."""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime

from check_status.observe import observe
from check_status.schedule import after_failure, next_check
from io_api.account import IoAccount
from io_api.errors import IoError, MessageNotFound
from io_api.models import MessageStatus
from storage.due_index import DueEntry, DueIndex
from storage.ledger import Entry, Ledger
from storage.outcomes import Outcomes

log = logging.getLogger(__name__)

CONCURRENT_LOOKS = 8


async def follow_due(
    *,
    ledger: Ledger,
    io: IoAccount,
    due_index: DueIndex,
    outcomes: Outcomes,
    clock: Callable[[], datetime],
) -> None:
    """One tick. A message whose look fails stays due; the failures are raised together at the end."""
    places = asyncio.Semaphore(CONCURRENT_LOOKS)
    failures: list[Exception] = []

    async def look(due: DueEntry) -> None:
        try:
            await follow(due, ledger=ledger, io=io, due_index=due_index, outcomes=outcomes, clock=clock)
        except Exception as error:  # noqa: BLE001 - raised below; one message must not stop the others
            failures.append(error)
        finally:
            places.release()

    looks: set[asyncio.Task[None]] = set()
    try:
        async for due in due_index.due(clock()):
            await places.acquire()
            task = asyncio.create_task(look(due))
            looks.add(task)
            task.add_done_callback(looks.discard)
    finally:
        await asyncio.gather(*looks)
    if failures:
        raise ExceptionGroup("messages that could not be followed stay due", failures)


async def follow(
    due: DueEntry,
    *,
    ledger: Ledger,
    io: IoAccount,
    due_index: DueIndex,
    outcomes: Outcomes,
    clock: Callable[[], datetime],
) -> None:
    """Look at one message: the event, the ledger, the next row of the index, and only then this row goes.

    Dying between any two of them repeats the rest at the next tick, with the same event id.
    """
    entry = await ledger.get(due.request_id)
    if entry and entry.message_id:
        try:
            seen = await io.get_message(ledger.fiscal_code_of(entry), entry.message_id, service=entry.service)
        except IoError as error:
            _report(entry, error)
            next_at = after_failure(entry, error, clock())
        else:
            entry = await _record(entry, seen, ledger, outcomes)
            next_at = next_check(entry, clock())
        if next_at and await due_index.put(entry.request_id, next_at) == due:
            return
    await due_index.remove(due)


async def _record(entry: Entry, seen: MessageStatus, ledger: Ledger, outcomes: Outcomes) -> Entry:
    steps, changes = observe(entry, seen)
    if not changes:
        return entry
    planned = ledger.plan(entry, *steps, **changes)
    await outcomes.announce(planned, newest=len(steps))
    return await ledger.commit(planned)


def _report(entry: Entry, error: IoError) -> None:
    # IO writes a message before it answers 201: one that is not found afterwards is an alarm, not a delay.
    level = logging.ERROR if isinstance(error, MessageNotFound) else logging.WARNING
    log.log(level, "status unknown request_id=%s reason=%s", entry.request_id, error.reason)
