"""One tick of the timer: looks at every message that is due."""

from collections.abc import Callable
from datetime import datetime

from check_status.follow import follow
from io_api.account import IoAccount
from io_api.backoff import Backoff
from storage.due_index import DueEntry, DueIndex
from storage.due_processing import process_due
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
    """One tick. A message whose poll fails stays due; the failures are raised together at the end."""
    backoff = Backoff()

    async def poll(due: DueEntry) -> None:
        await follow(
            due, backoff=backoff, ledger=ledger, io=io, due_index=due_index, outcomes=outcomes, clock=clock
        )

    await process_due(due_index, poll, what="followed", wait=backoff.wait, clock=clock)
