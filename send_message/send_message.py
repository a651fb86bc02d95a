"""Sends a message to IO, once: the intent is written before the POST, the outcome after it."""

import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from contract.fields import Language
from contract.reference import parse_reference
from contract.reminders import ReminderPolicy
from contract.violations import InvalidRequest
from io_api.account import READY_SECONDS, IoAccount
from io_api.client import SUBMIT_TIMEOUT_SECONDS
from io_api.errors import InDoubt, NotSent, Refused
from io_api.models import NewMessage
from io_api.rate_limiter import Permit
from send_message.attempt_result import NOT_CLAIMED, record, record_late, result_of
from send_message.compose import compose
from send_message.deferral import deferral
from send_message.delivery import Delivery, UnknownRequest, handle_delivery, look_up
from send_message.kept import after_acceptance
from send_message.still_needed import no_longer_needed
from storage.campaigns import Campaigns
from storage.dispatcher import Dispatcher
from storage.ledger import Entry, Ledger, LostRace, State, Step
from storage.queues import MESSAGE_SENDS

log = logging.getLogger(__name__)

# A POST that starts later than this before the end of its lease could outlive it.
LONGEST_POST = timedelta(seconds=READY_SECONDS + 2 * SUBMIT_TIMEOUT_SECONDS + 15)


async def send_message(
    body: str,
    *,
    redelivered: bool,
    ledger: Ledger,
    io: IoAccount,
    dispatcher: Dispatcher,
    campaigns: Campaigns,
    reminders: Mapping[str, ReminderPolicy],
    clock: Callable[[], datetime],
) -> None:
    """Take a reference from `message-sends` and send the message it stands for, if it is its permit.

    `reminders` are the policies of the services, by name.
    """
    try:
        reference = parse_reference(body)
        if reference is None:
            raise UnknownRequest(UnknownRequest.__doc__)
        entry = await look_up(reference, ledger)
    except (InvalidRequest, UnknownRequest) as error:
        log.warning("reference cannot be taken: %s", type(error).__name__)
        await dispatcher.poison(body, MESSAGE_SENDS)
        return

    if reference.result:
        with suppress(LostRace):  # the ledger has moved on: the delivery is one like others
            entry = await record_late(
                entry,
                reference.result,
                ledger=ledger,
                dispatcher=dispatcher,
                reminders=reminders,
                clock=clock,
            )
            await dispatcher.dispatch(entry, MESSAGE_SENDS, reference.language)
            return

    async def go(entry: Entry) -> Entry:
        return await _send(
            entry,
            reference.language,
            ledger=ledger,
            io=io,
            dispatcher=dispatcher,
            campaigns=campaigns,
            reminders=reminders,
            clock=clock,
        )

    delivery = Delivery(reference, MESSAGE_SENDS, redelivered)
    await handle_delivery(entry, delivery, go=go, ledger=ledger, dispatcher=dispatcher, clock=clock)


async def _send(
    entry: Entry,
    language: Language | None,
    *,
    ledger: Ledger,
    io: IoAccount,
    dispatcher: Dispatcher,
    campaigns: Campaigns,
    reminders: Mapping[str, ReminderPolicy],
    clock: Callable[[], datetime],
) -> Entry:
    request = ledger.request_of(entry)
    message = compose(request, language)
    try:
        async with io.permit_to_send(entry.service) as permit:
            # The message may have waited for a minute.
            if over := await no_longer_needed(entry, ledger, campaigns, clock()):
                return await ledger.advance(entry, over, body={})
            claimed = await record(ledger.intent(entry, language), NOT_CLAIMED, ledger)
            step, changes = await _post(claimed, message, permit, io=io, clock=clock)
    except NotSent as error:
        step, changes = deferral(entry, error, clock())
        return await ledger.advance(entry, step, **changes)
    if step.what is State.ACCEPTED:
        changes |= after_acceptance(claimed, request, changes["message_id"], reminders)
    # The log line comes before the ledger write: if the write is lost, the line still tells.
    log.info(
        "outcome request_id=%s attempt=%d state=%s reason=%s message_id=%s",
        entry.request_id, claimed.attempt, step.what, step.reason, changes.get("message_id"),
    )  # fmt: skip
    planned = ledger.plan(claimed, step, **changes)
    try:
        return await record(planned, step, ledger)
    except LostRace:  # the lease ran out under this worker, and its answer comes late
        late = result_of(planned, step)
        return await record_late(
            claimed, late, ledger=ledger, dispatcher=dispatcher, reminders=reminders, clock=clock
        )


async def _post(
    claimed: Entry, message: NewMessage, permit: Permit, *, io: IoAccount, clock: Callable[[], datetime]
) -> tuple[Step, dict[str, Any]]:
    """The POST and what its end proves; an exception nobody knows leaves the request in doubt."""
    if claimed.lease_until is None or clock() + LONGEST_POST > claimed.lease_until:
        return deferral(claimed, NotSent(reason="lease_too_short"), clock())
    try:
        message_id = await io.submit_message(message, service=claimed.service, permit=permit)
    except NotSent as error:
        return deferral(claimed, error, clock())
    except Refused as error:
        return Step(State.REFUSED, error.reason, error.status), {}
    except InDoubt as error:
        return Step(State.IN_DOUBT, error.reason, error.status), {}
    return Step(State.ACCEPTED, None if message_id else "no_message_id"), {"message_id": message_id}
