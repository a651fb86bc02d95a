"""Polls the messages that are due, records what changed, and decides when to poll again."""

import logging
from datetime import datetime, timedelta

import telemetry
from check_status.schedule import is_over, next_poll, next_poll_after_failure, postponed, stretch
from context import Context
from io_api.errors import IoError, MessageForbidden, MessageNotFound, NotSent, Unavailable
from io_api.observe import record
from io_api.tick_backoff import Backoff
from storage.due_index import DueEntry
from storage.due_processing import process_due
from storage.ledger import MISSING, UNCONFIRMED, Entry, Ledger, State, Step
from storage.stores import Stores

log = logging.getLogger(__name__)


async def follow_due(context: Context) -> None:
    """Run one tick. A message whose poll fails stays due; the failures are raised together at the end."""
    backoff = Backoff()

    async def poll(due: DueEntry) -> None:
        await follow(due, backoff, context)

    await process_due(context.due_index, poll, what="followed", wait=backoff.wait, clock=context.clock)


async def follow(due: DueEntry, backoff: Backoff, context: Context) -> None:
    """Poll one message: publish the event, write the ledger, put the next row, and only then remove this row.

    The next row of a message that is followed no longer is in the index of ends.

    A crash between any two steps repeats the rest at the next tick, with the same event id.
    """
    entry = await context.ledger.get(due.request_id)
    next_at = None
    if entry and entry.message_id and not is_over(entry, context.clock()):
        with telemetry.handling("follow", entry.request_id, entry.traceparent):
            entry, next_at = await _poll(entry, due, backoff, context)
    if next_at is None and entry:
        entry = await _end(entry, context)
        await context.retention.begin(entry, context.clock())
    await context.due_index.reschedule(due, next_at)


async def _end(entry: Entry, stores: Stores) -> Entry:
    """End polling. If IO never confirmed the message, publish that once. Return the entry as it is then."""
    if entry.state is not State.ACCEPTED or entry.has(UNCONFIRMED):
        return entry
    planned = stores.ledger.draft(entry, Step(UNCONFIRMED))
    await stores.outcomes.publish(planned)
    return await stores.ledger.commit(planned)


async def _poll(
    entry: Entry, due: DueEntry, backoff: Backoff, context: Context
) -> tuple[Entry, datetime | None]:
    """Ask IO, record what is new, and return the entry as it is then and the time of the next poll."""
    if wait := backoff.delay_for(entry.service):
        return entry, postponed(entry, wait, context.clock())
    fiscal_code = context.ledger.fiscal_code_of(entry)
    try:
        seen = await context.io.get_message(fiscal_code, str(entry.message_id), service=entry.service)
    except NotSent as error:
        return entry, _not_made(entry, error, backoff, context.clock())
    except Unavailable as error:
        entry = await _unanswered(entry, error, context.ledger)
        late = context.clock() - due.due_at
        return entry, next_poll_after_failure(entry, context.clock(), stretch(late))
    entry = await record(entry, seen, context)
    return entry, next_poll(entry, context.clock(), stretch(context.clock() - due.due_at))


def _not_made(entry: Entry, error: NotSent, backoff: Backoff, now: datetime) -> datetime:
    """Return when to make up for a call that was not made. Such a call does not use up a poll."""
    _report(entry, error)
    backoff.record(entry.service, error, now)
    wait = backoff.delay_for(entry.service)
    return postponed(entry, wait, now) if wait else now + timedelta(seconds=backoff.wait(now))


async def _unanswered(entry: Entry, error: Unavailable, ledger: Ledger) -> Entry:
    """Keep what is known. If IO does not know the message, record that once."""
    _report(entry, error)
    if not isinstance(error, MessageNotFound) or entry.has(MISSING):
        return entry
    return await ledger.advance(entry, Step(MISSING, error.reason, error.status))


def _report(entry: Entry, error: IoError) -> None:
    # IO stores a message before it answers 201. A message not found afterwards is an alarm, not a delay.
    level = logging.ERROR if isinstance(error, MessageNotFound | MessageForbidden) else logging.WARNING
    log.log(level, "status unknown request_id=%s reason=%s", entry.request_id, error.reason)
