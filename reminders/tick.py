"""One tick of the timer: decides on every due reminder."""

from context import Context
from io_api.backoff import Backoff
from reminders.remind import remind
from storage.due_index import DueEntry
from storage.due_processing import process_due


async def remind_due(context: Context) -> None:
    """Run one tick. A message that fails stays due. Raises all failures together at the end."""
    backoff = Backoff()

    async def handle(due: DueEntry) -> None:
        await remind(due, backoff, context)

    await process_due(context.reminder_index, handle, what="reminded", wait=backoff.wait, clock=context.clock)
