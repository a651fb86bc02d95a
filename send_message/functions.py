"""The queue triggers: parse, call, return."""

import azure.functions as func

from context import Context
from send_message.check_recipient import check_recipient
from send_message.send_message import send_message
from storage.intake import Intake
from storage.queues import MESSAGE_REQUESTS, MESSAGE_SENDS

STORAGE = "AzureWebJobsStorage"
# As text, the top-level fields of a JSON body would replace what the platform says of the message, and a
# body with its own "DequeueCount" could not even be parked.
BINARY = func.DataType.BINARY


def blueprint(intake: Intake, context: Context) -> func.Blueprint:
    """Registers check_recipient and send_message."""
    functions = func.Blueprint()

    @functions.function_name("check_recipient")
    @functions.queue_trigger("message", MESSAGE_REQUESTS, STORAGE, data_type=BINARY)
    async def _check_recipient(message: func.QueueMessage) -> None:
        async def handle(body: str, redelivered: bool) -> None:
            await check_recipient(body, context, redelivered=redelivered)

        await intake.take("check_recipient", MESSAGE_REQUESTS, message, handle)

    @functions.function_name("send_message")
    @functions.queue_trigger("message", MESSAGE_SENDS, STORAGE, data_type=BINARY)
    async def _send_message(message: func.QueueMessage) -> None:
        async def handle(body: str, redelivered: bool) -> None:
            await send_message(body, context, redelivered=redelivered)

        await intake.take("send_message", MESSAGE_SENDS, message, handle)

    return functions
