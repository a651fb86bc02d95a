"""Decides whether the recipient can be contacted: IO asks for a profile check before every message."""

import logging
from collections.abc import Callable
from datetime import datetime

from contract.fields import Language
from contract.reference import Reference, parse_reference
from contract.request import parse_request
from contract.violations import InvalidRequest
from io_api.account import IoAccount
from io_api.errors import NotSent, Refused, Unavailable
from io_api.models import Profile
from send_message.deferral import deferral
from send_message.delivery import Delivery, UnknownRequest, handle_delivery, look_up
from storage.dispatcher import Dispatcher
from storage.ledger import WAITING, DifferentContent, Entry, Ledger, LostRace, State, Step
from storage.notices import Notices
from storage.queues import MESSAGE_REQUESTS

log = logging.getLogger(__name__)


async def check_recipient(
    body: str,
    *,
    redelivered: bool,
    ledger: Ledger,
    io: IoAccount,
    notices: Notices,
    dispatcher: Dispatcher,
    clock: Callable[[], datetime],
) -> None:
    """Take a request, or the reference to one that was put back, from `message-requests`."""

    async def go(entry: Entry) -> Entry | None:
        return await _check(entry, ledger=ledger, io=io, dispatcher=dispatcher, clock=clock)

    try:
        entry, reference = await _find(body, ledger, notices, io)
    except (InvalidRequest, DifferentContent, UnknownRequest) as error:
        log.warning("request cannot be taken: %s", type(error).__name__)
        await dispatcher.poison(body, MESSAGE_REQUESTS)
        return
    delivery = Delivery(reference, MESSAGE_REQUESTS, redelivered)
    await handle_delivery(entry, delivery, go=go, ledger=ledger, dispatcher=dispatcher, clock=clock)


async def _find(body: str, ledger: Ledger, notices: Notices, io: IoAccount) -> tuple[Entry, Reference]:
    reference = parse_reference(body)
    if reference:
        return await look_up(reference, ledger), reference
    request = parse_request(body, services=io.services)
    entry = await ledger.open(request)
    if request.content.payment_data:
        entry = await _note(entry, request.content.payment_data.notice_number, ledger, notices)
    return entry, Reference(request_id=request.request_id, traceparent=entry.traceparent)


async def _note(entry: Entry, notice_number: str, ledger: Ledger, notices: Notices) -> Entry:
    """Note that the request carries the notice; the creditor may have settled it before the request came.

    Costs a write, and two reads for each key of the ring.
    """
    await notices.note(notice_number, entry.request_id)
    if entry.state not in WAITING or entry.settled_at:
        return entry
    paid_at = await notices.settled_at(notice_number, entry.request_id)
    if paid_at is None:
        return entry
    try:
        return await ledger.advance(entry, payment_status="PAID", settled_at=paid_at)
    except LostRace:  # whoever was faster found the same
        return await ledger.get(entry.request_id) or entry


async def _check(
    entry: Entry,
    *,
    ledger: Ledger,
    io: IoAccount,
    dispatcher: Dispatcher,
    clock: Callable[[], datetime],
) -> Entry | None:
    try:
        profile = await io.get_profile(ledger.fiscal_code_of(entry), service=entry.service)
    except Refused as error:
        return await ledger.advance(entry, Step(State.REFUSED, error.reason, error.status))
    except (NotSent, Unavailable) as error:
        step, changes = deferral(entry, error, clock())
        return await ledger.advance(entry, step, **changes)
    if profile is None:
        return await ledger.advance(entry, Step(State.SKIPPED, "recipient_not_found"), body={})
    if not profile.sender_allowed:
        return await ledger.advance(entry, Step(State.SKIPPED, "sender_not_allowed"), body={})
    await dispatcher.enqueue_send(entry, _language(ledger, entry, profile))
    return None


def _language(ledger: Ledger, entry: Entry, profile: Profile) -> Language | None:
    return ledger.request_of(entry).language_for(profile.preferred_languages)
