"""The timer trigger that follows what is due, and the queue trigger for what the creditor knows."""

from collections.abc import Callable
from datetime import datetime
from functools import partial

import azure.functions as func

import telemetry
from check_status.settle import settle_payment
from check_status.tick import follow_due
from io_api.account import IoAccount
from storage.due_index import DueIndex
from storage.intake import Intake
from storage.ledger import Ledger
from storage.notices import Notices
from storage.outcomes import Outcomes
from storage.queues import MESSAGE_SETTLED, Queues
from storage.readiness import Readiness

STORAGE = "AzureWebJobsStorage"
# As text, the top-level fields of a JSON body would replace what the platform says of the message, and a
# body with its own "DequeueCount" could not even be parked.
BINARY = func.DataType.BINARY


def blueprint(
    *,
    intake: Intake,
    readiness: Readiness,
    schedule: str,
    ledger: Ledger,
    io: IoAccount,
    due_index: DueIndex,
    notices: Notices,
    outcomes: Outcomes,
    queues: Queues,
    clock: Callable[[], datetime],
) -> func.Blueprint:
    """Registers check_status on an NCRONTAB schedule, and settle_payment."""
    functions = func.Blueprint()
    settle = partial(
        settle_payment, ledger=ledger, notices=notices, outcomes=outcomes, queues=queues, clock=clock
    )

    @functions.function_name("check_status")
    @functions.timer_trigger("timer", schedule)
    async def _check_status(timer: func.TimerRequest) -> None:
        with telemetry.ticking("check_status"):
            await readiness.check()
            await follow_due(ledger=ledger, io=io, due_index=due_index, outcomes=outcomes, clock=clock)

    @functions.function_name("settle_payment")
    @functions.queue_trigger("message", MESSAGE_SETTLED, STORAGE, data_type=BINARY)
    async def _settle_payment(message: func.QueueMessage) -> None:
        await intake.take("settle_payment", MESSAGE_SETTLED, message, lambda body, _: settle(body))

    return functions
