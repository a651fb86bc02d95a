"""The queue triggers of the recipient check and of sending, for bulk requests and for all others."""

import azure.functions as func

from context import Context
from send_message.check_recipient import check_recipient
from send_message.send_message import send_message
from storage.intake import Handler, Intake
from storage.queues import MESSAGE_REQUESTS, MESSAGE_REQUESTS_BULK, MESSAGE_SENDS, MESSAGE_SENDS_BULK
from triggers import on_queue


def blueprint(intake: Intake, context: Context) -> func.Blueprint:
    """Register check_recipient and send_message, and both again for the bulk queues."""
    functions = func.Blueprint()

    def check(queue: str) -> Handler:
        return lambda body, redelivered: check_recipient(body, context, redelivered=redelivered, queue=queue)

    def send(queue: str) -> Handler:
        return lambda body, redelivered: send_message(body, context, redelivered=redelivered, queue=queue)

    on_queue(functions, intake, "check_recipient", MESSAGE_REQUESTS, check(MESSAGE_REQUESTS))
    on_queue(functions, intake, "send_message", MESSAGE_SENDS, send(MESSAGE_SENDS))
    on_queue(functions, intake, "check_recipient_bulk", MESSAGE_REQUESTS_BULK, check(MESSAGE_REQUESTS_BULK))
    on_queue(functions, intake, "send_message_bulk", MESSAGE_SENDS_BULK, send(MESSAGE_SENDS_BULK))
    return functions
