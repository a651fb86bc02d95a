"""GET /messages/{fiscal_code}/{id} (io-messages, services-func, GetMessage).

The answer has no `notification`, which production dropped on 2026-07-30, and no reason for a rejection, which
production never gave.
"""

from datetime import datetime
from typing import Any

from local.io_simulator.answers import (
    MESSAGE_NOT_FOUND,
    NOT_YOUR_MESSAGE,
    Answer,
    RefusedError,
    payment_lookup_failed,
    success,
)
from local.io_simulator.backend import Call
from local.io_simulator.citizens import Citizen
from local.io_simulator.clock import iso
from local.io_simulator.messages import Message
from local.io_simulator.simulator import Simulator


def get_message(simulator: Simulator, call: Call) -> Answer:
    """Return a 200 with the message and its status. Raises RefusedError otherwise."""
    call.require_group("ApiMessageRead")
    fiscal_code = call.fiscal_code_in_path()
    call.require_source()
    message = simulator.messages.find(call.path["id"])
    if message is None or message.fiscal_code != fiscal_code:
        raise RefusedError(MESSAGE_NOT_FOUND)
    if message.service != call.service_id:
        raise RefusedError(NOT_YOUR_MESSAGE)
    return success(200, _document(simulator, call, message))


def _document(simulator: Simulator, call: Call, message: Message) -> dict[str, Any]:
    document: dict[str, Any] = {"message": _metadata(message), "status": message.status}
    if message.status != "PROCESSED":
        return document
    content = document["message"]["content"] = message.stored_content()
    if message.feature_level_type == "ADVANCED" and "ApiMessageReadAdvanced" in call.service.groups:
        citizen, now = simulator.citizens.get(message.fiscal_code), simulator.clock.now()
        document["read_status"] = _read_status(citizen, message, now)
        if "payment_data" in content:
            document["payment_status"] = _payment_status(citizen, message, now)
    return document


def _metadata(message: Message) -> dict[str, Any]:
    return {
        "id": message.id,
        "fiscal_code": message.fiscal_code,
        "created_at": iso(message.accepted_at),
        "sender_service_id": message.service,
        "time_to_live": message.time_to_live,
        "feature_level_type": message.feature_level_type,
    }


def _read_status(citizen: Citizen, message: Message, now: datetime) -> str:
    age = message.age(now)
    if any(span.contains(age) for span in citizen.read_status_unavailable):
        return "UNAVAILABLE"
    read = citizen.reads_after_seconds is not None and age >= citizen.reads_after_seconds
    return "READ" if read else "UNREAD"


def _payment_status(citizen: Citizen, message: Message, now: datetime) -> str:
    age = message.age(now)
    message.payment_lookups += 1
    failing = message.payment_lookups <= citizen.pagopa_fails_first_gets
    if failing or any(span.contains(age) for span in citizen.pagopa_fails):
        raise RefusedError(payment_lookup_failed())
    paid = citizen.pays_after_seconds is not None and age >= citizen.pays_after_seconds
    return "PAID" if paid else "NOT_PAID"
