"""Measures the backlog. The platform's own queue depth covers the whole account and is an hour old."""

import telemetry
from storage.queues import QUEUES
from storage.stores import Stores


async def measure_backlog(stores: Stores) -> None:
    """Record depth and oldest age of each queue, and the lag of each index.

    Costs two calls to storage per queue and two per index.
    """
    for queue in QUEUES:
        telemetry.queue_depth.set(await stores.queues.depth(queue), {"queue": queue})
        oldest = await stores.queues.oldest(queue)
        age = (stores.clock() - oldest).total_seconds() if oldest else 0.0
        telemetry.queue_oldest_age.set(age, {"queue": queue})
    indexes = {
        "due": stores.due_index,
        "reminders": stores.reminder_index,
        "ends": stores.retention.index,
    }
    for name, index in indexes.items():
        telemetry.due_lag.set((await index.lag()).total_seconds(), {"index": name})
