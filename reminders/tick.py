"""One tick of the timer: decides on every reminder that is due."""

from io_api.backoff import Backoff
from reminders.desk import Desk
from reminders.remind import visit
from storage.due_index import DueEntry
from storage.due_processing import process_due


async def remind_due(desk: Desk) -> None:
    """One tick. A message whose visit fails stays due; the failures are raised together at the end."""
    backoff = Backoff()

    async def decide(due: DueEntry) -> None:
        await visit(due, desk=desk, backoff=backoff)

    await process_due(desk.index, decide, what="reminded", wait=backoff.wait, clock=desk.clock)
