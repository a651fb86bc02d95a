"""Measures what waits; the platform's own depth of queues is of the whole account, and of an hour ago."""

from collections.abc import Callable, Mapping
from datetime import datetime

import telemetry
from storage.due_index import DueIndex
from storage.queues import QUEUES, Queues


async def measure_backlog(
    queues: Queues, indexes: Mapping[str, DueIndex], clock: Callable[[], datetime]
) -> None:
    """Tell depth and oldest age of each queue, and how late the oldest row of each index is.

    Costs two calls to storage a queue and two an index.
    """
    for queue in QUEUES:
        telemetry.queue_depth.set(await queues.depth(queue), {"queue": queue})
        oldest = await queues.oldest(queue)
        age = (clock() - oldest).total_seconds() if oldest else 0.0
        telemetry.queue_oldest_age.set(age, {"queue": queue})
    for name, index in indexes.items():
        telemetry.due_lag.set((await index.lag()).total_seconds(), {"index": name})
