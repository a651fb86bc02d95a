"""Whether it is a queue message's turn: the ledger decides, the message only asks."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto

from contract.reference import Reference
from send_message.still_needed import ended
from storage.handover import Handover
from storage.ledger import WAITING, Entry, Ledger, NotMine, State, Step

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


class Turn(Enum):
    """What a delivery of a queue message should do now."""

    GO = auto()
    WAIT = auto()
    OVER = auto()
    EXHAUSTED = auto()
    LEASE_OVER = auto()
    HAND_OVER = auto()  # the ledger has moved on, but the worker that moved it may have died right after
    STALE = auto()


def turn(entry: Entry, delivery: Delivery, now: datetime) -> Turn:
    """Decide by the entry's state.

    A message that is behind the ledger is a stale copy, unless it is redelivered: then its first delivery
    died somewhere, perhaps before it handed the request over. One that is not behind makes sure that
    whoever moved the request on has handed it over.
    """
    if entry.state is State.SENDING:
        return Turn.LEASE_OVER if entry.lease_until and entry.lease_until <= now else Turn.WAIT
    if delivery.reference.sequence < entry.sequence:
        return Turn.HAND_OVER if delivery.redelivered else Turn.STALE
    return _waiting_turn(entry, now) if entry.state in WAITING else Turn.HAND_OVER


def _waiting_turn(entry: Entry, now: datetime) -> Turn:
    if ended(entry, now):
        return Turn.OVER
    if entry.next_at and entry.next_at > now:
        return Turn.WAIT
    if now - entry.waiting_since > MAX_AGE:
        return Turn.EXHAUSTED
    return Turn.GO


def until_turn(entry: Entry, now: datetime) -> timedelta:
    """How long a message whose turn is WAIT should stay out of sight."""
    if entry.state is State.SENDING:
        return LOOK_AGAIN
    return (entry.next_at or now) - now + timedelta(seconds=1)


async def take_turn(
    entry: Entry,
    delivery: Delivery,
    *,
    go: Callable[[Entry], Awaitable[Entry | None]],
    ledger: Ledger,
    handover: Handover,
    clock: Callable[[], datetime],
) -> None:
    """Do what it is this delivery's turn to do; `go` returns the entry to hand over, None when it has.

    Who loses a race comes back to look when the winner must be done or dead.
    """
    reference, queue = delivery.reference, delivery.queue
    match turn(entry, delivery, clock()):
        case Turn.STALE:
            log.info("stale copy dropped request_id=%s state=%s", entry.request_id, entry.state)
        case Turn.WAIT if entry.state is State.SENDING:
            await handover.look_after(entry, queue, until_turn(entry, clock()), reference.language)
        case Turn.WAIT:
            await handover.again(reference, queue, until_turn(entry, clock()))
        case what:
            try:
                after = await _act(what, entry, go, ledger, clock())
            except NotMine:
                await handover.look_after(entry, queue, LOOK_AGAIN, reference.language)
                return
            if after:
                retell = what is Turn.HAND_OVER
                await handover.after(after, queue, reference.language, retell=retell)


async def _act(
    what: Turn,
    entry: Entry,
    go: Callable[[Entry], Awaitable[Entry | None]],
    ledger: Ledger,
    now: datetime,
) -> Entry | None:
    match what:
        case Turn.GO:
            return await go(entry)
        case Turn.OVER if step := ended(entry, now):
            return await ledger.advance(entry, step, body={})
        case Turn.EXHAUSTED:
            return await ledger.advance(entry, Step(State.DEAD, "exhausted"))
        case Turn.LEASE_OVER:
            return await ledger.advance(entry, Step(State.IN_DOUBT, "lease_over"))
        case Turn.HAND_OVER if entry.state is State.IN_DOUBT:
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
