"""The timer trigger that polls due messages, and the queue trigger for settlements."""

import azure.functions as func

from context import Context
from storage.intake import Intake
from storage.queues import MESSAGE_SETTLED
from storage.readiness import Readiness
from triggers import on_queue, on_timer


def blueprint(intake: Intake, readiness: Readiness, context: Context, schedule: str) -> func.Blueprint:
    """Register check_status on an NCRONTAB schedule, and settle_payment."""
    functions = func.Blueprint()

    async def follow() -> None:
        from check_status.follow import follow_due

        await follow_due(context)

    async def settle(body: str, _redelivered: bool) -> None:
        from check_status.settle import settle_payment

        await settle_payment(body, context)

    on_timer(functions, readiness, "check_status", schedule, follow)
    on_queue(functions, intake, "settle_payment", MESSAGE_SETTLED, settle)
    return functions
