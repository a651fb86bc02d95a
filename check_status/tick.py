"""One tick of the timer: polls every message that is due."""

from check_status.follow import follow
from context import Context
from io_api.backoff import Backoff
from storage.due_index import DueEntry
from storage.due_processing import process_due


async def follow_due(context: Context) -> None:
    """Run one tick. A message whose poll fails stays due; the failures are raised together at the end."""
    backoff = Backoff()

    async def poll(due: DueEntry) -> None:
        await follow(due, backoff, context)

    await process_due(context.due_index, poll, what="followed", wait=backoff.wait, clock=context.clock)
