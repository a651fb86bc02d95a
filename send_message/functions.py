"""The queue triggers: parse, call, return."""

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial

import azure.functions as func

from contract.reminders import ReminderPolicy
from io_api.account import IoAccount
from send_message.check_recipient import check_recipient
from send_message.send_message import send_message
from storage.campaigns import Campaigns
from storage.dispatcher import Dispatcher
from storage.intake import Intake
from storage.ledger import Ledger
from storage.notices import Notices
from storage.queues import MESSAGE_REQUESTS, MESSAGE_SENDS

STORAGE = "AzureWebJobsStorage"
# As text, the top-level fields of a JSON body would replace what the platform says of the message, and a
# body with its own "DequeueCount" could not even be parked.
BINARY = func.DataType.BINARY


def blueprint(
    *,
    intake: Intake,
    ledger: Ledger,
    io: IoAccount,
    notices: Notices,
    dispatcher: Dispatcher,
    campaigns: Campaigns,
    reminders: Mapping[str, ReminderPolicy],
    clock: Callable[[], datetime],
) -> func.Blueprint:
    """Registers check_recipient and send_message."""
    functions = func.Blueprint()
    check = partial(
        check_recipient, ledger=ledger, io=io, notices=notices, dispatcher=dispatcher, clock=clock
    )
    send = partial(
        send_message,
        ledger=ledger,
        io=io,
        dispatcher=dispatcher,
        campaigns=campaigns,
        reminders=reminders,
        clock=clock,
    )

    @functions.function_name("check_recipient")
    @functions.queue_trigger("message", MESSAGE_REQUESTS, STORAGE, data_type=BINARY)
    async def _check_recipient(message: func.QueueMessage) -> None:
        await intake.take(
            "check_recipient",
            MESSAGE_REQUESTS,
            message,
            lambda body, redelivered: check(body, redelivered=redelivered),
        )

    @functions.function_name("send_message")
    @functions.queue_trigger("message", MESSAGE_SENDS, STORAGE, data_type=BINARY)
    async def _send_message(message: func.QueueMessage) -> None:
        await intake.take(
            "send_message",
            MESSAGE_SENDS,
            message,
            lambda body, redelivered: send(body, redelivered=redelivered),
        )

    return functions
