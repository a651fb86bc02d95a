"""The poison-queue triggers: one for each queue that the platform may give up on."""

import azure.functions as func

from context import Context
from poison.park import park
from storage.intake import Intake
from storage.queues import MESSAGE_REQUESTS, MESSAGE_SENDS, MESSAGE_SETTLED, poison

STORAGE = "AzureWebJobsStorage"
# As text, the top-level fields of a JSON body would replace what the platform says of the message, and a
# body with its own "DequeueCount" could not even be parked.
BINARY = func.DataType.BINARY


def blueprint(intake: Intake, context: Context) -> func.Blueprint:
    """Registers park_request, park_send and park_settlement."""
    functions = func.Blueprint()

    async def _park(function: str, message: func.QueueMessage, queue: str) -> None:
        async def handle(body: str, _: bool) -> None:
            await park(body, queue, context)

        await intake.take(function, poison(queue), message, handle)

    @functions.function_name("park_request")
    @functions.queue_trigger("message", poison(MESSAGE_REQUESTS), STORAGE, data_type=BINARY)
    async def _park_request(message: func.QueueMessage) -> None:
        await _park("park_request", message, MESSAGE_REQUESTS)

    @functions.function_name("park_send")
    @functions.queue_trigger("message", poison(MESSAGE_SENDS), STORAGE, data_type=BINARY)
    async def _park_send(message: func.QueueMessage) -> None:
        await _park("park_send", message, MESSAGE_SENDS)

    @functions.function_name("park_settlement")
    @functions.queue_trigger("message", poison(MESSAGE_SETTLED), STORAGE, data_type=BINARY)
    async def _park_settlement(message: func.QueueMessage) -> None:
        await _park("park_settlement", message, MESSAGE_SETTLED)

    return functions
