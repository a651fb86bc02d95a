"""Checks that the recipient can be contacted: IO requires a profile check before every message."""

import logging

from context import Context
from contract.fields import Language
from contract.reference import Reference, parse_reference
from contract.request import MessageRequest, parse_request
from contract.violations import InvalidRequest
from io_api.errors import NotSent, Refused, Unavailable
from io_api.models import Profile
from io_api.rate_budget import Priority
from send_message.deferral import deferral
from send_message.delivery import Delivery, UnknownRequest, handle_delivery, known
from send_message.documents import examine
from storage.ledger import REDRIVEN, WAITING, Buried, DifferentContent, Entry, LostRace, State, Step
from storage.queues import MESSAGE_REQUESTS, requests_queue

log = logging.getLogger(__name__)


async def check_recipient(
    body: str, context: Context, *, redelivered: bool, queue: str = MESSAGE_REQUESTS
) -> None:
    """Handle a request, or the reference to a deferred request, from a queue of requests."""

    async def proceed(entry: Entry) -> Entry | None:
        return await _check(entry, context)

    try:
        found = await _find(body, queue, context)
    except Buried as error:
        log.warning("request dropped: %s", error)
        return
    except (InvalidRequest, DifferentContent, UnknownRequest) as error:
        log.warning("request not accepted: %s", type(error).__name__)
        await context.dispatcher.poison(body, queue)
        return
    if found:
        entry, reference = found
        await handle_delivery(entry, Delivery(reference, queue, redelivered), proceed, context)


async def _find(body: str, queue: str, context: Context) -> tuple[Entry, Reference] | None:
    """Return the entry of a request or reference; None if the request was moved to the bulk queue."""
    if reference := parse_reference(body):
        found = await context.ledger.get(reference.request_id)
        entry = await known(found, reference, context.ledger)
        if entry.has_payment and entry.last_step.get("reason") == REDRIVEN:
            # The workers of its first delivery may all have crashed before they noted the notice.
            entry = await _note(entry, context.ledger.request_of(entry), context)
        return entry, reference
    request = parse_request(body, services=context.io.services)
    if requests_queue(request.priority) not in (queue, MESSAGE_REQUESTS):
        await context.queues.put(requests_queue(request.priority), body)
        return None
    entry = await context.ledger.open(request)
    if entry.has_payment:
        entry = await _note(entry, request, context)
    return entry, Reference(request_id=request.request_id, traceparent=entry.traceparent)


async def _note(entry: Entry, request: MessageRequest, context: Context) -> Entry:
    """Record that the request carries its notice. The creditor may have settled the notice already."""
    payment = request.content.payment_data
    paid_at = await context.notices.note(payment.notice_number, entry.request_id) if payment else None
    if paid_at is None or entry.state not in WAITING or entry.settled_at:
        return entry
    try:
        return await context.ledger.advance(entry, payment_status="PAID", settled_at=paid_at)
    except LostRace:  # the worker that won has found the same settlement
        return await context.ledger.get(entry.request_id) or entry


async def _check(entry: Entry, context: Context) -> Entry | None:
    ledger = context.ledger
    try:
        if entry.remote_content_id:
            await examine(entry, ledger.request_of(entry), context)
        priority = Priority.BULK_CHECK if entry.is_bulk else Priority.CHECK
        fiscal_code = ledger.fiscal_code_of(entry)
        profile = await context.io.get_profile(fiscal_code, service=entry.service, priority=priority)
    except Refused as error:
        return await ledger.advance(entry, Step(State.REFUSED, error.reason, error.status))
    except (NotSent, Unavailable) as error:
        step, changes = deferral(entry, error, context.clock())
        return await ledger.advance(entry, step, **changes)
    if profile is None:
        return await ledger.advance(entry, Step(State.SKIPPED, "recipient_not_found"), body={})
    if not profile.sender_allowed:
        return await ledger.advance(entry, Step(State.SKIPPED, "sender_not_allowed"), body={})
    ledger.remember(entry)
    await context.dispatcher.enqueue_send(entry, _language(entry, profile, context))
    return None


def _language(entry: Entry, profile: Profile, context: Context) -> Language | None:
    return context.ledger.request_of(entry).language_for(profile.preferred_languages)
