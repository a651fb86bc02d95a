"""The timer trigger of the reminders."""

import azure.functions as func

from context import Context
from storage.readiness import Readiness
from triggers import on_timer


def blueprint(readiness: Readiness, context: Context, schedule: str) -> func.Blueprint:
    """Register the function `remind` on an NCRONTAB schedule."""
    functions = func.Blueprint()

    async def remind() -> None:
        from reminders.remind import remind_due

        await remind_due(context)

    on_timer(functions, readiness, "remind", schedule, remind)
    return functions
