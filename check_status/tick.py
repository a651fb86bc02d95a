"""One tick of the timer: looks at every message that is due."""

from collections.abc import Callable
from datetime import datetime

from check_status.follow import follow
from io_api.account import IoAccount
from io_api.gate import Gate
from storage.drain import drain
from storage.due_index import DueEntry, DueIndex
from storage.ledger import Ledger
from storage.outcomes import Outcomes


async def follow_due(
    *,
    ledger: Ledger,
    io: IoAccount,
    due_index: DueIndex,
    outcomes: Outcomes,
    clock: Callable[[], datetime],
) -> None:
    """One tick. A message whose look fails stays due; the failures are raised together at the end."""
    gate = Gate()

    async def look(due: DueEntry) -> None:
        await follow(
            due, gate=gate, ledger=ledger, io=io, due_index=due_index, outcomes=outcomes, clock=clock
        )

    await drain(due_index, look, what="followed", wait=gate.wait, clock=clock)
