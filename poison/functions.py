"""The poison-queue triggers: one for each queue whose messages the platform may give up."""

import azure.functions as func

from context import Context
from storage.intake import Intake
from storage.queues import (
    MESSAGE_REQUESTS,
    MESSAGE_REQUESTS_BULK,
    MESSAGE_SENDS,
    MESSAGE_SENDS_BULK,
    MESSAGE_SETTLED,
    poison,
)
from triggers import on_queue

PARKS = {
    "park_request": MESSAGE_REQUESTS,
    "park_send": MESSAGE_SENDS,
    "park_request_bulk": MESSAGE_REQUESTS_BULK,
    "park_send_bulk": MESSAGE_SENDS_BULK,
    "park_settlement": MESSAGE_SETTLED,
}


def blueprint(intake: Intake, context: Context) -> func.Blueprint:
    """Register the functions of PARKS, each on the poison queue of its queue."""
    functions = func.Blueprint()
    for name, queue in PARKS.items():
        _register(functions, intake, name, queue, context)
    return functions


def _register(functions: func.Blueprint, intake: Intake, name: str, queue: str, context: Context) -> None:
    async def handle(body: str, _redelivered: bool) -> None:
        from poison.park import park

        await park(body, queue, context)

    on_queue(functions, intake, name, poison(queue), handle)
