"""Campaigns whose reminders an operator has stopped."""

from collections.abc import AsyncIterator, Callable
from datetime import datetime
from typing import Any, Final

from storage.table import Table

TABLE: Final = "campaigns"
_STOPPED: Final = "stopped"


class Campaigns:
    """One row a stopped campaign."""

    def __init__(self, table: Table, clock: Callable[[], datetime]) -> None:
        self._table = table
        self._clock = clock

    async def is_stopped(self, campaign: str | None) -> bool:
        """Whether nobody is reminded of this campaign's messages; raises Unanswered."""
        return campaign is not None and await self._table.get(_STOPPED, campaign) is not None

    async def stop(self, campaign: str, by: str) -> None:
        """Let nobody be reminded of this campaign's messages; raises Unanswered."""
        await self._table.upsert(_STOPPED, campaign, {"at": self._clock(), "by": by})

    async def resume(self, campaign: str) -> None:
        """Let reminders that are still to come go on; raises Unanswered."""
        await self._table.delete(_STOPPED, campaign)

    async def stopped(self) -> AsyncIterator[dict[str, Any]]:
        """Every stopped campaign, with since when and by whom; raises Unanswered."""
        async for row in self._table.rows("PartitionKey eq @stopped", stopped=_STOPPED):
            yield {"campaign": row.key, **row.values}
