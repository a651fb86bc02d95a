"""The queue triggers of the recipient check and of sending."""

import azure.functions as func

from context import Context
from send_message.check_recipient import check_recipient
from send_message.send_message import send_message
from storage.intake import Intake
from storage.queues import MESSAGE_REQUESTS, MESSAGE_SENDS
from triggers import on_queue


def blueprint(intake: Intake, context: Context) -> func.Blueprint:
    """Register check_recipient and send_message."""
    functions = func.Blueprint()

    async def check(body: str, redelivered: bool) -> None:
        await check_recipient(body, context, redelivered=redelivered)

    async def send(body: str, redelivered: bool) -> None:
        await send_message(body, context, redelivered=redelivered)

    on_queue(functions, intake, "check_recipient", MESSAGE_REQUESTS, check)
    on_queue(functions, intake, "send_message", MESSAGE_SENDS, send)
    return functions
