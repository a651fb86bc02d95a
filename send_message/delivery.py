"""Whether it is a queue message's turn: the ledger decides, the message only asks."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto

from contract.reference import Reference
from send_message.still_needed import expired_or_paid
from storage.dispatcher import Dispatcher
from storage.ledger import WAITING, Entry, Ledger, LostRace, State, Step

log = logging.getLogger(__name__)

MAX_AGE = timedelta(days=7)
# Another worker is at it: it is done in a moment, or dead until its lease is over.
LOOK_AGAIN = timedelta(seconds=10)


@dataclass(frozen=True)
class Delivery:
    """One delivery of a queue message: what it refers to, where, and whether it was delivered before."""

    reference: Reference
    queue: str
    redelivered: bool


class Action(Enum):
    """What a delivery of a queue message should do now."""

    PROCEED = auto()
    WAIT = auto()
    CLOSE = auto()
    GIVE_UP = auto()
    MARK_IN_DOUBT = auto()
    DISPATCH = auto()  # the ledger has moved on, but the worker that moved it may have died right after
    DROP = auto()


def next_action(entry: Entry, delivery: Delivery, now: datetime) -> Action:
    """Decide by the entry's state.

    A message that is behind the ledger is a stale copy, unless it is redelivered: then its first delivery
    died somewhere, perhaps before it handed the request over. One that is not behind makes sure that
    whoever moved the request on has handed it over.
    """
    if entry.state is State.SENDING:
        return Action.MARK_IN_DOUBT if entry.lease_until and entry.lease_until <= now else Action.WAIT
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
    """How long a message whose turn is WAIT should stay out of sight."""
    if entry.state is State.SENDING:
        return LOOK_AGAIN
    return (entry.next_at or now) - now + timedelta(seconds=1)


async def handle_delivery(
    entry: Entry,
    delivery: Delivery,
    *,
    go: Callable[[Entry], Awaitable[Entry | None]],
    ledger: Ledger,
    dispatcher: Dispatcher,
    clock: Callable[[], datetime],
) -> None:
    """Do what it is this delivery's turn to do; `go` returns the entry to hand over, None when it has.

    Who loses a race comes back to look when the winner must be done or dead.
    """
    reference, queue = delivery.reference, delivery.queue
    match next_action(entry, delivery, clock()):
        case Action.DROP:
            log.info("stale copy dropped request_id=%s state=%s", entry.request_id, entry.state)
        case Action.WAIT if entry.state is State.SENDING:
            await dispatcher.enqueue_recheck(entry, queue, time_to_wait(entry, clock()), reference.language)
        case Action.WAIT:
            await dispatcher.requeue(reference, queue, time_to_wait(entry, clock()))
        case what:
            try:
                after = await _act(what, entry, go, ledger, clock())
            except LostRace:
                await dispatcher.enqueue_recheck(entry, queue, LOOK_AGAIN, reference.language)
                return
            if after:
                republish = what is Action.DISPATCH
                await dispatcher.dispatch(after, queue, reference.language, republish=republish)


async def _act(
    action: Action,
    entry: Entry,
    go: Callable[[Entry], Awaitable[Entry | None]],
    ledger: Ledger,
    now: datetime,
) -> Entry | None:
    match action:
        case Action.PROCEED:
            return await go(entry)
        case Action.CLOSE if step := expired_or_paid(entry, now):
            return await ledger.advance(entry, step, body={})
        case Action.GIVE_UP:
            return await ledger.advance(entry, Step(State.DEAD, "exhausted"))
        case Action.MARK_IN_DOUBT:
            return await ledger.advance(entry, Step(State.IN_DOUBT, "lease_over"))
        case Action.DISPATCH if entry.state is State.IN_DOUBT:
            # Written as it is: a late answer that is on its way into this row must look again, because its
            # worker may die after writing it, and this visit was the one to see to that.
            return await ledger.advance(entry)
        case _:
            return entry


class UnknownRequest(Exception):
    """This refers to no request that the ledger holds."""


async def look_up(reference: Reference, ledger: Ledger) -> Entry:
    """The entry that a reference stands for; raises UnknownRequest."""
    entry = await ledger.get(reference.request_id)
    if entry is None:
        raise UnknownRequest(UnknownRequest.__doc__)
    return entry
