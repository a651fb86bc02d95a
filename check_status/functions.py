"""The timer trigger that polls due messages, and the queue trigger for settlements."""

import azure.functions as func

import telemetry
from check_status.settle import settle_payment
from check_status.tick import follow_due
from context import Context
from storage.intake import Intake
from storage.queues import MESSAGE_SETTLED
from storage.readiness import Readiness

STORAGE = "AzureWebJobsStorage"
# As text, the top-level fields of a JSON body would replace what the platform says of the message, and a
# body with its own "DequeueCount" could not even be parked.
BINARY = func.DataType.BINARY


def blueprint(intake: Intake, readiness: Readiness, context: Context, schedule: str) -> func.Blueprint:
    """Registers check_status on an NCRONTAB schedule, and settle_payment."""
    functions = func.Blueprint()

    @functions.function_name("check_status")
    @functions.timer_trigger("timer", schedule)
    async def _check_status(timer: func.TimerRequest) -> None:
        with telemetry.ticking("check_status"):
            await readiness.check()
            await follow_due(context)

    @functions.function_name("settle_payment")
    @functions.queue_trigger("message", MESSAGE_SETTLED, STORAGE, data_type=BINARY)
    async def _settle_payment(message: func.QueueMessage) -> None:
        async def handle(body: str, _: bool) -> None:
            await settle_payment(body, context)

        await intake.take("settle_payment", MESSAGE_SETTLED, message, handle)

    return functions
