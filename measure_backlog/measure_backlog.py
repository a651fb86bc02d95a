"""Measures what waits; the platform's own depth of queues is of the whole account, and of an hour ago."""

import telemetry
from storage.queues import QUEUES
from storage.stores import Stores


async def measure_backlog(stores: Stores) -> None:
    """Tell depth and oldest age of each queue, and how late the oldest row of each index is.

    Costs two calls to storage a queue and two an index.
    """
    for queue in QUEUES:
        telemetry.queue_depth.set(await stores.queues.depth(queue), {"queue": queue})
        oldest = await stores.queues.oldest(queue)
        age = (stores.clock() - oldest).total_seconds() if oldest else 0.0
        telemetry.queue_oldest_age.set(age, {"queue": queue})
    for name, index in (("due", stores.due_index), ("reminders", stores.reminder_index)):
        telemetry.due_lag.set((await index.lag()).total_seconds(), {"index": name})
