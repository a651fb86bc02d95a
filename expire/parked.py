"""Removes a parked message when an operator's time to decide is over."""

import logging
from datetime import datetime

from context import Context

log = logging.getLogger(__name__)


async def expire_parked(name: str, now: datetime, context: Context) -> datetime | None:
    """Remove a parked message, and return None; if it was parked again since, return its later end.

    `name`: queue and parked_id, with a colon between. The row of its request comes first, also if an operator
    has dropped the message: that row ends what the ledger has. Raises Changed, Unanswered.
    """
    queue, _, parked_id = name.partition(":")
    message = await context.parked.get(queue, parked_id)
    if message and (end := context.retention.parked_end(message)) > now:
        return end
    await context.retention.index.put(parked_id, now)
    if message:
        await context.parked.remove(message)
        log.info("parked message removed queue=%s parked_id=%s", queue, parked_id)
    return None
