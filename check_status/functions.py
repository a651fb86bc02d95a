"""The timer trigger that follows what is due."""

from collections.abc import Callable
from datetime import datetime

import azure.functions as func

from check_status.tick import follow_due
from io_api.account import IoAccount
from storage.due_index import DueIndex
from storage.ledger import Ledger
from storage.outcomes import Outcomes


def blueprint(
    *,
    schedule: str,
    ledger: Ledger,
    io: IoAccount,
    due_index: DueIndex,
    outcomes: Outcomes,
    clock: Callable[[], datetime],
) -> func.Blueprint:
    """Registers check_status on an NCRONTAB schedule."""
    functions = func.Blueprint()

    @functions.function_name("check_status")
    @functions.timer_trigger("timer", schedule)
    async def _check_status(timer: func.TimerRequest) -> None:
        await follow_due(ledger=ledger, io=io, due_index=due_index, outcomes=outcomes, clock=clock)

    return functions
