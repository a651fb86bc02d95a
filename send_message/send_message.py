"""Sends a message to IO, once: takes the lease in the ledger, POSTs, and records the result."""

import logging
from contextlib import suppress
from datetime import timedelta
from typing import Any

from context import Context
from contract.fields import Language
from contract.reference import parse_reference
from contract.request import MessageRequest
from contract.violations import InvalidRequest
from io_api.account import READY_SECONDS
from io_api.client import SUBMIT_TIMEOUT_SECONDS
from io_api.errors import InDoubt, NotSent, Refused
from io_api.models import NewMessage, ThirdPartyData
from io_api.rate_budget import Priority
from io_api.rate_limiter import Permit
from send_message.attempt_result import NOT_CLAIMED, after_acceptance, record, record_late, result_of
from send_message.deferral import deferral
from send_message.delivery import Delivery, UnknownRequest, handle_delivery, known
from send_message.documents import examine, third_party_data
from send_message.still_needed import no_longer_needed
from storage.ledger import Buried, Entry, LostRace, State, Step
from storage.queues import MESSAGE_SENDS

log = logging.getLogger(__name__)

# Do not start a POST with less than this left on its lease: it could outlive the lease.
LONGEST_POST = timedelta(seconds=READY_SECONDS + 2 * SUBMIT_TIMEOUT_SECONDS + 15)


async def send_message(body: str, context: Context, *, redelivered: bool, queue: str = MESSAGE_SENDS) -> None:
    """Handle a reference from a queue of sends: send its message, if the ledger allows that now."""
    try:
        reference = parse_reference(body)
        if reference is None:
            raise UnknownRequest(UnknownRequest.__doc__)
        found = await context.ledger.recall(reference.request_id, reference.sequence)
        entry = await known(found, reference, context.ledger)
    except Buried as error:
        log.info("reference dropped: %s", error)
        return
    except (InvalidRequest, UnknownRequest) as error:
        log.warning("reference not accepted: %s", type(error).__name__)
        await context.dispatcher.poison(body, queue)
        return

    if reference.result:
        with suppress(LostRace):  # the ledger has moved on: handle this delivery like any other
            entry = await record_late(entry, reference.result, context)
            await context.dispatcher.dispatch(entry, queue, reference.language)
            return

    async def proceed(entry: Entry) -> Entry:
        return await _send(entry, reference.language, context)

    await handle_delivery(entry, Delivery(reference, queue, redelivered), proceed, context)


async def _send(entry: Entry, language: Language | None, context: Context) -> Entry:
    ledger = context.ledger
    request = ledger.request_of(entry)
    try:
        await examine(entry, request, context)
        message = compose(request, language, third_party_data(entry, request, context.configuration_ids))
        priority = Priority.BULK_SEND if entry.is_bulk else Priority.SEND
        async with context.io.permit_to_send(entry.service, priority=priority) as permit:
            # The message may have waited for a minute.
            if over := await no_longer_needed(entry, context):
                return await ledger.advance(entry, over, body={})
            claimed = await record(ledger.intent(entry, language), NOT_CLAIMED, ledger)
            step, changes = await _post(claimed, message, permit, context)
    except Refused as error:
        return await ledger.advance(entry, Step(State.REFUSED, error.reason))
    except NotSent as error:
        step, changes = deferral(entry, error, context.clock())
        return await ledger.advance(entry, step, **changes)
    if step.what is State.ACCEPTED:
        changes |= after_acceptance(claimed, request, changes["message_id"], context.policies)
    # Log before the ledger write: if the write is lost, the log still has the result.
    log.info(
        "outcome request_id=%s attempt=%d state=%s reason=%s message_id=%s",
        entry.request_id, claimed.attempt, step.what, step.reason, changes.get("message_id"),
    )  # fmt: skip
    planned = ledger.draft(claimed, step, **changes)
    try:
        return await record(planned, step, ledger)
    except LostRace:  # the lease expired before IO answered
        return await record_late(claimed, result_of(planned, step), context)


async def _post(
    claimed: Entry, message: NewMessage, permit: Permit, context: Context
) -> tuple[Step, dict[str, Any]]:
    """POST the message and return the step that its result proves.

    The client converts an unknown exception of the POST to InDoubt. After any other exception the request
    stays in SENDING, and becomes IN_DOUBT when the lease expires.
    """
    if claimed.lease_until is None or context.clock() + LONGEST_POST > claimed.lease_until:
        return deferral(claimed, NotSent(reason="lease_too_short"), context.clock())
    try:
        message_id = await context.io.submit_message(message, service=claimed.service, permit=permit)
    except NotSent as error:
        return deferral(claimed, error, context.clock())
    except Refused as error:
        return Step(State.REFUSED, error.reason, error.status), {}
    except InDoubt as error:
        return Step(State.IN_DOUBT, error.reason, error.status), {}
    return Step(State.ACCEPTED, None if message_id else "no_message_id"), {"message_id": message_id}


def compose(
    request: MessageRequest, language: Language | None, third_party_data: ThirdPartyData | None = None
) -> NewMessage:
    """Return the message in one of the request's languages (None: Italian). Both models use IO's words."""
    content = request.content_in(language).model_dump(exclude_none=True)
    return NewMessage.model_validate(
        {
            "fiscal_code": request.fiscal_code,
            "feature_level_type": request.feature_level_type,
            "content": content | {"third_party_data": third_party_data},
        }
    )
