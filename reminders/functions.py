"""The timer trigger that reminds."""

import azure.functions as func

import telemetry
from context import Context
from reminders.tick import remind_due
from storage.readiness import Readiness


def blueprint(readiness: Readiness, context: Context, schedule: str) -> func.Blueprint:
    """Registers remind on an NCRONTAB schedule."""
    functions = func.Blueprint()

    @functions.function_name("remind")
    @functions.timer_trigger("timer", schedule)
    async def _remind(timer: func.TimerRequest) -> None:
        with telemetry.ticking("remind"):
            await readiness.check()
            await remind_due(context)

    return functions
