"""How a campaign is spread over days and hours, as its first run decided."""

import json
from typing import Final, NamedTuple

from storage import campaigns
from storage.table import AlreadyThere, Table

TABLE: Final = campaigns.TABLE
_PARTITION: Final = "spreads"


class Kept(NamedTuple):
    """A spread as it is kept."""

    text: str
    bounds: tuple[int, ...]


class CampaignSpreads:
    """Holds one row per spread campaign.

    Of the spread it keeps a text, which names the first day, and the bounds that make its rows even.
    """

    def __init__(self, table: Table) -> None:
        self._table = table

    async def of(self, campaign: str) -> Kept | None:
        """Return the spread of a campaign; None if it has none. Raises Unanswered."""
        row = await self._table.get(_PARTITION, campaign)
        return Kept(row.values["spread"], tuple(json.loads(row.values["bounds"]))) if row else None

    async def keep(self, campaign: str, spread: Kept) -> Kept:
        """Keep the spread of a campaign, and return the one that counts: the first. Raises Unanswered."""
        try:
            values = {"spread": spread.text, "bounds": json.dumps(spread.bounds)}
            await self._table.insert(_PARTITION, campaign, values)
        except AlreadyThere:
            return await self.of(campaign) or spread
        return spread
