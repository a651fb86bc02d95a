"""The timer trigger that measures the backlog."""

from collections.abc import Callable, Mapping
from datetime import datetime

import azure.functions as func

import telemetry
from measure_backlog.measure_backlog import measure_backlog
from storage.due_index import DueIndex
from storage.queues import Queues
from storage.readiness import Readiness

EVERY_MINUTE = "0 * * * * *"


def blueprint(
    *,
    readiness: Readiness,
    queues: Queues,
    indexes: Mapping[str, DueIndex],
    clock: Callable[[], datetime],
) -> func.Blueprint:
    """Registers measure_backlog, every minute; what keeps the app from work is said without a message too."""
    functions = func.Blueprint()

    @functions.function_name("measure_backlog")
    @functions.timer_trigger("timer", EVERY_MINUTE)
    async def _measure_backlog(timer: func.TimerRequest) -> None:
        with telemetry.ticking("measure_backlog"):
            await readiness.check()
            await measure_backlog(queues, indexes, clock)

    return functions
