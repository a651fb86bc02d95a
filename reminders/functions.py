"""The timer trigger that reminds."""

import azure.functions as func

import telemetry
from reminders.desk import Desk
from reminders.tick import remind_due
from storage.readiness import Readiness


def blueprint(*, readiness: Readiness, schedule: str, desk: Desk) -> func.Blueprint:
    """Registers remind on an NCRONTAB schedule."""
    functions = func.Blueprint()

    @functions.function_name("remind")
    @functions.timer_trigger("timer", schedule)
    async def _remind(timer: func.TimerRequest) -> None:
        with telemetry.ticking("remind"):
            await readiness.check()
            await remind_due(desk)

    return functions
