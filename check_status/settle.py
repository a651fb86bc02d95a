"""Handles settlements: the creditor reports a payment before IO does, and for every way of paying."""

import logging
from datetime import datetime, timedelta

import telemetry
from contract.settlement import Settlement, parse_settlement
from contract.violations import InvalidRequest
from io_api.observe import PAID_UPSTREAM
from storage.ledger import DELIVERED, Buried, Entry, LostRace, State
from storage.queues import MESSAGE_SETTLED, poison
from storage.stores import Stores

log = logging.getLogger(__name__)

# Another worker is handling the request, usually for a second or two.
RETRY_AFTER = timedelta(seconds=30)


class UnknownRequest(Exception):
    """The settlement names a request that the ledger does not hold."""


async def settle_payment(body: str, stores: Stores) -> None:
    """Handle a settlement from `message-settled`: mark its requests as paid, and publish that once.

    The settlement comes back later for a request that another worker is handling.
    """
    try:
        settlement = parse_settlement(body)
        paid_at = settlement.paid_at or stores.clock()
        entries = await _entries_of(settlement, paid_at, stores)
    except Buried as error:
        log.info("settlement dropped: %s", error)
        return
    except (InvalidRequest, UnknownRequest) as error:
        log.warning("settlement not accepted: %s", type(error).__name__)
        await stores.queues.put(poison(MESSAGE_SETTLED), body)
        return
    done = [await _handle(entry, paid_at, stores) for entry in entries]
    if not all(done):
        await stores.queues.put(MESSAGE_SETTLED, body, delay=RETRY_AFTER)


async def _entries_of(settlement: Settlement, paid_at: datetime, stores: Stores) -> list[Entry]:
    """Return the entries that the settlement means, and keep the settlement for requests that come later."""
    if settlement.notice_number:
        return await _entries_with(settlement.notice_number, paid_at, stores)
    request_id, ledger = str(settlement.request_id), stores.ledger
    entry = await ledger.get(request_id)
    if entry is None:
        await stores.retention.begin_settlement(request_id, stores.clock())
        entry = await ledger.settle_ahead(request_id, paid_at)
    if entry is None:
        raise UnknownRequest(UnknownRequest.__doc__)
    return [entry]


async def _entries_with(notice_number: str, paid_at: datetime, stores: Stores) -> list[Entry]:
    """Return the entries of the notice.

    A creditor reports all its notices, so a notice that no request carried is no error.
    """
    told_at, notices = stores.clock(), stores.notices
    await stores.retention.begin_settlement(notices.settlement_name(notice_number), told_at)
    # Before the requests are read: one that is checked meanwhile finds this record, or is found below.
    await notices.settle(notice_number, paid_at, told_at)
    names = [name async for name in stores.notices.requests(notice_number)]
    if not names:
        log.info("settlement of a notice that no request carried")
    found = [await stores.ledger.get(name) for name in names]
    return [entry for entry in found if entry]


async def _handle(entry: Entry, paid_at: datetime, stores: Stores) -> bool:
    with telemetry.handling("settle", entry.request_id, entry.traceparent):
        return await _settle(entry, paid_at, stores)


async def _settle(entry: Entry, paid_at: datetime, stores: Stores) -> bool:
    """Record the settlement, and return whether it is recorded.

    The event comes first, so that a crash in between repeats it. A payment that comes before the message is
    delivered is published with the delivery.
    """
    if entry.settled_at:
        return True
    if entry.state is State.SENDING:  # a write now would make the sending worker lose IO's answer
        return False
    news = entry.state in DELIVERED and entry.payment_status != "PAID"
    steps = [PAID_UPSTREAM] if news else []
    planned = stores.ledger.draft(entry, *steps, payment_status="PAID", settled_at=paid_at)
    await stores.outcomes.publish(planned, newest=len(steps))
    try:
        await stores.ledger.commit(planned)
    except LostRace:
        return False
    return True
