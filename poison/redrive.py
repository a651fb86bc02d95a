"""Redrives a parked message, or drops it for good."""

from datetime import datetime

from storage.dispatcher import reference_to
from storage.ledger import GIVEN_UP, REDRIVEN, WAITING, Entry, Ledger, State, Step, is_full
from storage.parked import ParkedMessage
from storage.stores import Stores
from storage.table import Changed


class AlreadyOnItsWay(Exception):
    """The request has moved on since it was parked, so there is nothing to redrive."""


class TooOften(Exception):
    """The request's history is full; put the request again under another request_id and drop this one."""


async def redrive(message: ParkedMessage, stores: Stores) -> None:
    """Put a message back on its queue. Idempotent: the message is still sent once.

    A request in the ledger starts over with its recipient check, because the recipient may have changed their
    preferences meanwhile. Any other body goes back to its own queue unchanged. The parked row is removed
    last, and only if it has not changed since the operator saw it. A crash before that leaves a row that can
    be redriven again, and that is removed once the request has moved on.

    Raises AlreadyOnItsWay, TooOften, LostRace, Changed.
    """
    ledger, parked, queues = stores.ledger, stores.parked, stores.queues
    entry = await ledger.get(message.parked_id)
    if entry is None:
        whole = await parked.get(message.queue, message.parked_id)
        if whole is None:
            raise AlreadyOnItsWay(AlreadyOnItsWay.__doc__)
        await queues.put(message.queue, parked.body_of(whole))
    else:
        try:
            entry = await _reopened(entry, ledger, stores.clock())
        except AlreadyOnItsWay:
            await parked.remove(message)
            raise
        await queues.put(entry.requests_queue, reference_to(entry).to_json())
    await parked.remove(message)


async def _reopened(entry: Entry, ledger: Ledger, now: datetime) -> Entry:
    if entry.state in GIVEN_UP:
        if not entry.body:  # dropped, or its retention has ended
            raise AlreadyOnItsWay(AlreadyOnItsWay.__doc__)
        if is_full(entry):
            raise TooOften(TooOften.__doc__)
        return await ledger.advance(
            entry,
            Step(State.REQUESTED, REDRIVEN),
            sequence=entry.sequence + 1,
            failures=0,
            next_at=None,
            waiting_since=now,
        )
    if entry.state not in WAITING:
        raise AlreadyOnItsWay(AlreadyOnItsWay.__doc__)
    return entry


async def drop(message: ParkedMessage, stores: Stores) -> None:
    """Remove a parked message and its body. The ledger keeps that the request existed and how it ended.

    Raises LostRace, Changed.
    """
    ledger, parked = stores.ledger, stores.parked
    entry, there = await ledger.get(message.parked_id), await parked.get(message.queue, message.parked_id)
    if there and there.etag != message.etag:
        raise Changed(Changed.__doc__)
    if entry and entry.state in GIVEN_UP:
        if entry.body:
            await ledger.advance(entry, body={})
        if entry.remote_content_id:
            await stores.remote_contents.forget(entry.remote_content_id)
    await parked.remove(message)
