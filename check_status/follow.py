"""Looks at one message that is due, records what changed, and decides when to look again."""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta

import telemetry
from check_status.schedule import is_over, next_poll, next_poll_after_failure, postponed, stretch
from io_api.account import IoAccount
from io_api.backoff import Backoff
from io_api.errors import IoError, MessageForbidden, MessageNotFound, NotSent, Unavailable
from io_api.observe import record
from storage.due_index import DueEntry, DueIndex
from storage.ledger import MISSING, UNCONFIRMED, Entry, Ledger, State, Step
from storage.outcomes import Outcomes

log = logging.getLogger(__name__)


async def follow(
    due: DueEntry,
    *,
    backoff: Backoff,
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
    next_at = None
    if entry and entry.message_id and not is_over(entry, clock()):
        with telemetry.visiting("follow", entry.request_id, entry.traceparent):
            next_at = await _poll(
                entry, due, backoff=backoff, ledger=ledger, io=io, outcomes=outcomes, clock=clock
            )
    if next_at is None and entry:
        await _end(entry, ledger, outcomes)
    if next_at and await due_index.put(due.request_id, next_at) == due:
        return
    await due_index.remove(due)


async def _end(before: Entry, ledger: Ledger, outcomes: Outcomes) -> None:
    """Nobody looks any more: that IO never said what became of a message is told, once."""
    if before.state is not State.ACCEPTED:
        return
    entry = await ledger.get(before.request_id)
    if entry is None or entry.state is not State.ACCEPTED or entry.has(UNCONFIRMED):
        return
    planned = ledger.plan(entry, Step(UNCONFIRMED))
    await outcomes.publish(planned)
    await ledger.commit(planned)


async def _poll(
    entry: Entry,
    due: DueEntry,
    *,
    backoff: Backoff,
    ledger: Ledger,
    io: IoAccount,
    outcomes: Outcomes,
    clock: Callable[[], datetime],
) -> datetime | None:
    """Ask IO and write down what is new; returns the time of the next look."""
    if wait := backoff.delay_for(entry.service):
        return postponed(entry, wait, clock())
    try:
        seen = await io.get_message(
            ledger.fiscal_code_of(entry), str(entry.message_id), service=entry.service
        )
    except NotSent as error:
        return _not_made(entry, error, backoff, clock())
    except Unavailable as error:
        entry = await _unanswered(entry, error, ledger)
        return next_poll_after_failure(entry, clock(), stretch(clock() - due.due_at))
    entry = await record(entry, seen, ledger, outcomes)
    return next_poll(entry, clock(), stretch(clock() - due.due_at))


def _not_made(entry: Entry, error: NotSent, backoff: Backoff, now: datetime) -> datetime:
    """A call that was not made costs the message no look: it is made up for."""
    _report(entry, error)
    backoff.record(entry.service, error, now)
    wait = backoff.delay_for(entry.service)
    return postponed(entry, wait, now) if wait else now + timedelta(seconds=backoff.wait(now))


async def _unanswered(entry: Entry, error: Unavailable, ledger: Ledger) -> Entry:
    """What is known stays; that IO does not know the message is written down once."""
    _report(entry, error)
    if not isinstance(error, MessageNotFound) or entry.has(MISSING):
        return entry
    return await ledger.advance(entry, Step(MISSING, error.reason, error.status))


def _report(entry: Entry, error: IoError) -> None:
    # IO writes a message before it answers 201: one that is not found afterwards is an alarm, not a delay.
    level = logging.ERROR if isinstance(error, MessageNotFound | MessageForbidden) else logging.WARNING
    log.log(level, "status unknown request_id=%s reason=%s", entry.request_id, error.reason)
