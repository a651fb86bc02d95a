"""One tick of the timer: decides on every reminder that is due."""

from io_api.gate import Gate
from reminders.desk import Desk
from reminders.remind import visit
from storage.drain import drain
from storage.due_index import DueEntry


async def remind_due(desk: Desk) -> None:
    """One tick. A message whose visit fails stays due; the failures are raised together at the end."""
    gate = Gate()

    async def decide(due: DueEntry) -> None:
        await visit(due, desk=desk, gate=gate)

    await drain(desk.index, decide, what="reminded", wait=gate.wait, clock=desk.clock)
