"""The timer trigger that measures the backlog."""

import azure.functions as func

import telemetry
from measure_backlog.measure_backlog import measure_backlog
from storage.readiness import Readiness
from storage.stores import Stores

EVERY_MINUTE = "0 * * * * *"


def blueprint(readiness: Readiness, stores: Stores) -> func.Blueprint:
    """Registers measure_backlog, every minute; what keeps the app from work is said without a message too."""
    functions = func.Blueprint()

    @functions.function_name("measure_backlog")
    @functions.timer_trigger("timer", EVERY_MINUTE)
    async def _measure_backlog(timer: func.TimerRequest) -> None:
        with telemetry.ticking("measure_backlog"):
            await readiness.check()
            await measure_backlog(stores)

    return functions
