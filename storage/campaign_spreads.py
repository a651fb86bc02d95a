"""How a campaign is spread over days and hours, as its first run decided."""

from typing import Final

from storage import campaigns
from storage.table import AlreadyThere, Table

TABLE: Final = campaigns.TABLE
_PARTITION: Final = "spreads"
_COLUMN: Final = "spread"


class CampaignSpreads:
    """Holds one row per spread campaign: the spread as a text, which names its first day."""

    def __init__(self, table: Table) -> None:
        self._table = table

    async def of(self, campaign: str) -> str | None:
        """Return the spread of a campaign; None if it has none. Raises Unanswered."""
        row = await self._table.get(_PARTITION, campaign)
        return str(row.values[_COLUMN]) if row else None

    async def keep(self, campaign: str, spread: str) -> str:
        """Keep the spread of a campaign, and return the one that counts: the first. Raises Unanswered."""
        try:
            await self._table.insert(_PARTITION, campaign, {_COLUMN: spread})
        except AlreadyThere:
            return await self.of(campaign) or spread
        return spread
