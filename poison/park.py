"""Decides why a message is on a poison queue, and parks it with that reason."""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

from context import Context
from contract.reference import Reference, parse_reference
from contract.request import MessageRequest, parse_request
from contract.settlement import parse_settlement
from contract.violations import InvalidRequest, Violation
from storage.ledger import GIVEN_UP, WAITING, Buried, Entry, Ledger, State, Step
from storage.parked import ParkedMessage
from storage.queues import MESSAGE_SETTLED, SEND_QUEUES
from storage.stores import Stores

log = logging.getLogger(__name__)

NO_REFERENCE = Violation(field="body", rule="is not a reference; put requests on message-requests")


class StillSending(Exception):
    """Another worker holds this request's lease, so the platform delivers the message again later."""


@dataclass(frozen=True)
class Verdict:
    """Why a body without a ledger entry of its own cannot be processed.

    The body is invalid, conflicts with another request, is unknown to the ledger, or is a settlement.
    """

    reason: str
    request_id: str | None = None
    violations: tuple[Violation, ...] = ()


async def park(body: str, queue: str, context: Context) -> None:
    """Park a body of the poison queue of `queue`.

    A request that was sent after all, or may have been, is dispatched by its state and not parked. A
    reference with a result that the ledger still awaits goes back to its queue.
    """
    try:
        found = await _judge(body, queue, context)
    except Buried as error:
        log.warning("not parked: %s", error)
        return
    if isinstance(found, Reference):
        await context.dispatcher.requeue(found, queue, timedelta(0))
        return
    if isinstance(found, Verdict):
        message = _parked_body(found, queue, context.parked.id_of(body), context.clock())
        await context.retention.begin_parked(message)
        kept = await context.parked.keep(message, body)
    else:
        found = await _given_up(found, context)
        if found.state not in GIVEN_UP:
            await context.dispatcher.dispatch(found, queue, republish=True)
            return
        if not found.body:  # dropped by an operator meanwhile
            return
        await context.outcomes.publish(found, newest=len(found.history))
        message = _parked_entry(found, queue)
        await context.retention.begin_parked(message)
        kept = await context.parked.keep_sealed(message)
    log.warning("parked queue=%s parked_id=%s reason=%s", queue, kept.parked_id, kept.reason)
    await context.outcomes.publish_parked(kept)


async def _judge(body: str, queue: str, context: Context) -> Entry | Verdict | Reference:
    ledger = context.ledger
    if queue == MESSAGE_SETTLED:
        return await _judge_settlement(body, ledger)
    try:
        reference = parse_reference(body)
        if reference is None and queue in SEND_QUEUES:
            return Verdict("invalid", violations=(NO_REFERENCE,))
        named = reference or parse_request(body, services=context.io.services)
    except InvalidRequest as error:
        return Verdict("invalid", error.request_id, error.violations)
    entry = await ledger.get(named.request_id)
    if entry is None:
        await _refuse_buried(named.request_id, ledger)
        return Verdict("unknown_request" if reference else "failed_repeatedly", named.request_id)
    if isinstance(named, MessageRequest) and not ledger.same_content(entry, named):
        return Verdict("conflict", named.request_id)
    if reference and reference.result and entry.awaits(reference.result):
        return reference
    return entry


async def _judge_settlement(body: str, ledger: Ledger) -> Verdict:
    """Return why a settlement cannot go on. Parking a settlement leaves alone the request that it names."""
    try:
        request_id = parse_settlement(body).request_id
    except InvalidRequest as error:
        return Verdict("invalid", error.request_id, error.violations)
    if request_id and await ledger.get(request_id) is None:
        await _refuse_buried(request_id, ledger)
        return Verdict("unknown_request", request_id)
    return Verdict("failed_repeatedly", request_id)


async def _refuse_buried(request_id: str, ledger: Ledger) -> None:
    """Raise Buried for a request that was erased: its copies must not be kept either."""
    if await ledger.tombstone(request_id):
        raise Buried(request_id)


async def _given_up(entry: Entry, stores: Stores) -> Entry:
    """Return the entry as it ends now that the platform has given up its message."""
    if entry.state in WAITING:
        return await stores.ledger.advance(entry, Step(State.DEAD, "failed_repeatedly"))
    if entry.state is State.SENDING:
        if entry.lease_until and entry.lease_until > stores.clock():
            raise StillSending(StillSending.__doc__)
        return await stores.ledger.advance(entry, Step(State.IN_DOUBT, "lease_over"))
    return entry


def _parked_body(verdict: Verdict, queue: str, parked_id: str, now: datetime) -> ParkedMessage:
    return ParkedMessage(
        queue=queue,
        parked_id=parked_id,
        reason=verdict.reason,
        first_at=now,
        last_at=now,
        request_id=verdict.request_id,
        violations=verdict.violations,
    )


def _parked_entry(entry: Entry, queue: str) -> ParkedMessage:
    """Return the parked message for the entry's end. Idempotent, even after a redrive of an earlier end."""
    ends = [line["at"] for line in entry.history if line["what"] in GIVEN_UP]
    return ParkedMessage(
        queue=queue,
        parked_id=entry.request_id,
        reason=entry.last_step.get("reason", "unknown"),
        first_at=datetime.fromisoformat(ends[0]),
        last_at=datetime.fromisoformat(ends[-1]),
        times=len(ends),
        attempts=entry.attempt,
        request_id=entry.request_id,
        service=entry.service,
        campaign=entry.campaign,
        sealed_body=entry.body,  # still encrypted: its key may be the missing one
        http_status=entry.last_step.get("http_status"),
        traceparent=entry.traceparent,
    )
