"""Campaigns whose reminders an operator has stopped."""

from collections.abc import AsyncIterator, Callable
from datetime import datetime
from typing import Any, Final

from storage.table import Table

TABLE: Final = "campaigns"
_STOPPED: Final = "stopped"


class Campaigns:
    """Holds one row per stopped campaign."""

    def __init__(self, table: Table, clock: Callable[[], datetime]) -> None:
        self._table = table
        self._clock = clock

    async def is_stopped(self, campaign: str | None) -> bool:
        """Return whether the reminders of this campaign's messages are stopped. Raises Unanswered."""
        return campaign is not None and await self._table.get(_STOPPED, campaign) is not None

    async def stop(self, campaign: str, by: str) -> None:
        """Stop the reminders of this campaign's messages. Raises Unanswered."""
        await self._table.upsert(_STOPPED, campaign, {"at": self._clock(), "by": by})

    async def resume(self, campaign: str) -> None:
        """Allow the reminders that are still to come. Raises Unanswered."""
        await self._table.delete(_STOPPED, campaign)

    async def stopped(self) -> AsyncIterator[dict[str, Any]]:
        """Yield every stopped campaign, with the time and the author of the stop. Raises Unanswered."""
        async for row in self._table.rows("PartitionKey eq @stopped", stopped=_STOPPED):
            yield {"campaign": row.key, **row.values}
