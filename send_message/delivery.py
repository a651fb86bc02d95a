"""Handles one delivery of a queue message. The ledger decides; the queue message only asks."""

import logging
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import NamedTuple

from contract.reference import Reference
from send_message.still_needed import expired_or_paid
from storage.ledger import WAITING, Buried, Entry, Ledger, LostRace, State, Step
from storage.stores import Stores

log = logging.getLogger(__name__)

MAX_AGE = timedelta(days=7)
# Another worker holds the lease. Either it finishes shortly, or it has crashed and its lease must run out.
RECHECK_AFTER = timedelta(seconds=10)

type Proceed = Callable[[Entry], Awaitable[Entry | None]]
"""Handles the request; returns the entry to dispatch, or None if it has dispatched the request itself."""


class Delivery(NamedTuple):
    """One delivery of a queue message: its reference, its queue, and whether it was delivered before."""

    reference: Reference
    queue: str
    redelivered: bool


class Action(Enum):
    """What to do with a delivery."""

    PROCEED = auto()
    WAIT = auto()
    CLOSE = auto()  # expired, or paid meanwhile
    GIVE_UP = auto()  # waited too long
    MARK_IN_DOUBT = auto()  # the sender's lease expired
    DISPATCH = auto()  # the ledger has moved on, but its worker may have crashed before it dispatched
    DROP = auto()  # a stale copy


def next_action(entry: Entry, delivery: Delivery, now: datetime) -> Action:
    """Return the action that the entry's state asks for.

    A message whose sequence is lower than the ledger's is a stale copy, unless the message is redelivered:
    its first worker may have crashed before it dispatched the request. A current message makes sure that the
    request was dispatched.
    """
    if entry.state is State.SENDING:
        expired = entry.lease_until and entry.lease_until <= now
        return Action.MARK_IN_DOUBT if expired else Action.WAIT
    if delivery.reference.sequence < entry.sequence:
        return Action.DISPATCH if delivery.redelivered else Action.DROP
    return _action_when_waiting(entry, now) if entry.state in WAITING else Action.DISPATCH


def _action_when_waiting(entry: Entry, now: datetime) -> Action:
    if expired_or_paid(entry, now):
        return Action.CLOSE
    if entry.next_at and entry.next_at > now:
        return Action.WAIT
    if now - entry.waiting_since > MAX_AGE:
        return Action.GIVE_UP
    return Action.PROCEED


def time_to_wait(entry: Entry, now: datetime) -> timedelta:
    """Return how long to hide a message whose action is WAIT."""
    if entry.state is State.SENDING:
        return RECHECK_AFTER
    return (entry.next_at or now) - now + timedelta(seconds=1)


async def handle_delivery(entry: Entry, delivery: Delivery, proceed: Proceed, stores: Stores) -> None:
    """Carry out the action that the ledger asks for, then dispatch the request.

    If another worker won the conditional write, re-check when that worker must have finished or crashed.
    """
    reference, queue, dispatcher = delivery.reference, delivery.queue, stores.dispatcher
    match next_action(entry, delivery, stores.clock()):
        case Action.DROP:
            log.info("stale copy dropped request_id=%s state=%s", entry.request_id, entry.state)
        case Action.WAIT if entry.state is State.SENDING:
            delay = time_to_wait(entry, stores.clock())
            await dispatcher.enqueue_recheck(entry, queue, delay, reference.language)
        case Action.WAIT:
            await dispatcher.requeue(reference, queue, time_to_wait(entry, stores.clock()))
        case action:
            try:
                after = await _carry_out(action, entry, proceed, stores)
            except LostRace:
                await dispatcher.enqueue_recheck(entry, queue, RECHECK_AFTER, reference.language)
                return
            if after:
                republish = action is Action.DISPATCH
                await dispatcher.dispatch(after, queue, reference.language, republish=republish)


async def _carry_out(action: Action, entry: Entry, proceed: Proceed, stores: Stores) -> Entry | None:
    ledger = stores.ledger
    match action:
        case Action.PROCEED:
            return await proceed(entry)
        case Action.CLOSE if step := expired_or_paid(entry, stores.clock()):
            return await ledger.advance(entry, step, body={})
        case Action.GIVE_UP:
            return await ledger.advance(entry, Step(State.DEAD, "exhausted"))
        case Action.MARK_IN_DOUBT:
            return await ledger.advance(entry, Step(State.IN_DOUBT, "lease_over"))
        case Action.DISPATCH if entry.state is State.IN_DOUBT:
            # Write the row unchanged: its new ETag makes a late result that is being written fail and start
            # again. The worker of that write may crash after it, and only this delivery would dispatch it.
            return await ledger.advance(entry)
        case _:
            return entry


class UnknownRequest(Exception):
    """The ledger holds no such request."""


async def known(entry: Entry | None, reference: Reference, ledger: Ledger) -> Entry:
    """Return the entry of a reference. Raises UnknownRequest if there is none, Buried if it was erased."""
    if entry is not None:
        return entry
    if await ledger.tombstone(reference.request_id):
        raise Buried(reference.request_id)
    raise UnknownRequest(UnknownRequest.__doc__)
