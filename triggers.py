"""Registers functions with the platform: one helper for queue triggers and one for timers.

A new process is usually started by a message that waits to be sent. So functions that take no part in sending
import their code when they first run.
"""

from collections.abc import Awaitable, Callable

import azure.functions as func

import telemetry
from storage.intake import Handler, Intake
from storage.readiness import Readiness

STORAGE = "AzureWebJobsStorage"
# In a text body, the top-level fields of the JSON would replace the platform's own message properties. A body
# with its own "DequeueCount" could not even be parked.
BINARY = func.DataType.BINARY


def on_queue(functions: func.Blueprint, intake: Intake, name: str, queue: str, handle: Handler) -> None:
    """Register a function that passes each message of a queue to `handle`."""

    @functions.function_name(name)
    @functions.queue_trigger("message", queue, STORAGE, data_type=BINARY)
    async def _take(message: func.QueueMessage) -> None:
        await intake.take(name, queue, message, handle)


def on_timer(
    functions: func.Blueprint,
    readiness: Readiness,
    name: str,
    schedule: str,
    tick: Callable[[], Awaitable[None]],
) -> None:
    """Register a function that calls `tick` on an NCRONTAB schedule."""

    @functions.function_name(name)
    @functions.timer_trigger("timer", schedule)
    async def _tick(timer: func.TimerRequest) -> None:
        with telemetry.ticking(name):
            await readiness.check()
            await tick()
