"""Puts a parked message back on its road, or drops it for good."""

from collections.abc import Callable
from datetime import datetime

from storage.dispatcher import reference_to
from storage.ledger import GIVEN_UP, WAITING, Entry, Ledger, State, Step, is_full
from storage.parked import Parked, ParkedMessage
from storage.queues import MESSAGE_REQUESTS, Queues
from storage.table import Changed


class AlreadyOnItsWay(Exception):
    """The request has gone on since it was parked: there is nothing to put back."""


class TooOften(Exception):
    """The history of the request is full: put it again under another request_id, and drop this one."""


async def redrive(
    message: ParkedMessage,
    *,
    ledger: Ledger,
    parked: Parked,
    queues: Queues,
    clock: Callable[[], datetime],
) -> None:
    """Put a message back. Done twice, it is still sent once.

    Raises AlreadyOnItsWay, TooOften, LostRace, Changed.

    A request that the ledger holds starts over on message-requests, because its recipient may have changed
    his mind meanwhile; any other body goes back to its own queue as it came. The parked row goes last, if it
    is still the one that was looked at: dying before that leaves a row that can be redriven again, and that
    goes when the request has gone on.
    """
    entry = await ledger.get(message.parked_id)
    if entry is None:
        whole = await parked.get(message.queue, message.parked_id)
        if whole is None:
            raise AlreadyOnItsWay(AlreadyOnItsWay.__doc__)
        await queues.put(message.queue, parked.body_of(whole))
    else:
        try:
            entry = await _reopened(entry, ledger, clock())
        except AlreadyOnItsWay:
            await parked.remove(message)
            raise
        await queues.put(MESSAGE_REQUESTS, reference_to(entry).to_json())
    await parked.remove(message)


async def _reopened(entry: Entry, ledger: Ledger, now: datetime) -> Entry:
    if entry.state in GIVEN_UP:
        if is_full(entry):
            raise TooOften(TooOften.__doc__)
        return await ledger.advance(
            entry,
            Step(State.REQUESTED, "redriven"),
            sequence=entry.sequence + 1,
            failures=0,
            next_at=None,
            waiting_since=now,
        )
    if entry.state not in WAITING:
        raise AlreadyOnItsWay(AlreadyOnItsWay.__doc__)
    return entry


async def drop(message: ParkedMessage, *, ledger: Ledger, parked: Parked) -> None:
    """Forget a parked message and its body; the ledger keeps that the request existed and how it ended.

    Raises LostRace, Changed.
    """
    entry, there = await ledger.get(message.parked_id), await parked.get(message.queue, message.parked_id)
    if there and there.etag != message.etag:
        raise Changed(Changed.__doc__)
    if entry and entry.state in GIVEN_UP and entry.body:
        await ledger.advance(entry, body={})
    await parked.remove(message)
