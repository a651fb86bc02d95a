"""The numbers of the page, kept for some seconds, so that a refresh costs nothing."""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from report.summary import summary, waiting
from storage.queues import QUEUES
from storage.stores import Stores

FRESH: Final = timedelta(seconds=10)


@dataclass(frozen=True)
class Selection:
    """The campaign and the service to show; None: all."""

    campaign: str | None = None
    service: str | None = None


@dataclass
class Overview:
    """Reads the numbers of a selection: those of `postino status`, and the age of the queues."""

    stores: Stores
    _kept: dict[Selection, dict[str, Any]] = field(default_factory=dict)
    _reading: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def of(self, selection: Selection) -> dict[str, Any]:
        """Return the numbers, not older than FRESH. Raises Unanswered."""
        async with self._reading:
            self._kept = {of: numbers for of, numbers in self._kept.items() if self._is_fresh(numbers)}
            if selection not in self._kept:
                self._kept[selection] = await _read(self.stores, selection)
            return self._kept[selection]

    def _is_fresh(self, numbers: dict[str, Any]) -> bool:
        read_at: datetime = numbers["read_at"]
        return timedelta(0) <= self.stores.clock() - read_at < FRESH


async def _read(stores: Stores, selection: Selection) -> dict[str, Any]:
    campaign, service = selection.campaign, selection.service
    read_at = stores.clock()
    every = await stores.counters.read()
    chosen = [
        one
        for one in every
        if campaign in (None, one.group.campaign) and service in (None, one.group.service)
    ]
    only = {"campaign": campaign, "service": service}
    return {
        **await summary(stores, chosen, campaign, service),
        **await waiting(stores, **{column: value for column, value in only.items() if value}),
        "oldest": {queue: await stores.queues.oldest(queue) for queue in QUEUES},
        "campaigns": sorted({one.group.campaign for one in every if one.group.campaign}),
        "services": sorted({one.group.service for one in every}),
        "read_at": read_at,
    }
