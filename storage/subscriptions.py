"""The register of subscribers: who can be reached, for each service, by IO's subscriptions feed.

Each change is a row, in one of 256 partitions of its service, under the keyed hash of IO's hash and the day
of the change. The newest row of a person decides. So it makes no difference in which order the rows are
written, how often, or by how many hosts. One more row for each service says how far its feed was taken.

IO's hash alone would name its citizen to anyone who enumerates fiscal codes.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from itertools import batched, product
from typing import Any, Final, NamedTuple

from storage.cipher import Cipher
from storage.table import MOST_AT_ONCE, Row, Table

TABLE: Final = "subscriptions"
FEEDS: Final = "feeds"
FIRST_DAY: Final = date(2020, 3, 24)
"""The first day of the feed (IO's guide, get-subscriptions-feed)."""
DAY: Final = timedelta(days=1)
# Batches on their way to storage, of MOST_AT_ONCE rows each.
BATCHES: Final = 16


class Feed(NamedTuple):
    """How far a service's feed was taken.

    through: the last day that the register holds, in UTC; None before the first.
    refused_at: since when IO does not give the feed to the service. ask_at: when to ask again.
    """

    service: str
    through: date | None = None
    refused_at: datetime | None = None
    ask_at: datetime | None = None
    row: Row | None = None

    @property
    def next_day(self) -> date:
        """The day to take next."""
        return self.through + DAY if self.through else FIRST_DAY

    @property
    def ready_at(self) -> datetime:
        """The instant from which IO gives the next day."""
        return midnight(self.next_day + DAY)


class Change(NamedTuple):
    """A person's newest change: reachable from this day on, or not."""

    day: date
    subscribed: bool


class Subscriptions:
    """Reads and writes the register."""

    def __init__(self, table: Table, cipher: Cipher) -> None:
        self._table = table
        self._cipher = cipher

    async def feed(self, service: str) -> Feed:
        """Return how far a service's feed was taken. Raises Unanswered."""
        row = await self._table.get(FEEDS, service)
        if row is None:
            return Feed(service)
        through = row.values.get("through")
        return Feed(
            service,
            date.fromisoformat(through) if through else None,
            row.values.get("refused_at"),
            row.values.get("ask_at"),
            row,
        )

    async def take(
        self, feed: Feed, day: date, subscribed: Collection[str], unsubscribed: Collection[str]
    ) -> bool:
        """Add a day, by IO's hashes, and then note how far the feed was taken. A crash repeats the day.

        Return False if another host noted something first. Raises Unanswered.
        """
        changes = {**dict.fromkeys(subscribed, True), **dict.fromkeys(unsubscribed, False)}
        for batches in batched(self._batches(feed.service, day, changes), BATCHES, strict=False):
            await asyncio.gather(*(self._table.upsert_all(*batch) for batch in batches))
        return await self._note(feed, {"through": day.isoformat()})

    async def refuse(self, feed: Feed, refused_at: datetime, ask_at: datetime) -> bool:
        """Note that IO does not give the feed to the service, and when to ask again. Raises Unanswered."""
        through = {"through": feed.through.isoformat()} if feed.through else {}
        return await self._note(feed, {**through, "refused_at": refused_at, "ask_at": ask_at})

    async def last_change(self, service: str, io_hash: str) -> Change | None:
        """Return a person's newest change; None if the feed never named the person. Raises Unanswered."""
        found = [
            Change(date.fromisoformat(row.key.partition(".")[2]), row.values["subscribed"])
            for digest in self._cipher.digests(bytes.fromhex(io_hash))
            async for row in self._changes(service, digest)
        ]
        return max(found, default=None)

    def _changes(self, service: str, digest: str) -> AsyncIterator[Row]:
        return self._table.rows(
            "PartitionKey eq @partition and RowKey ge @first and RowKey lt @after",
            partition=_partition(service, digest),
            first=f"{digest}.",
            after=f"{digest}/",
        )

    async def forget(self, io_hash: str) -> int:
        """Remove a person's changes in every service, and return how many. Raises Unanswered."""
        digests = self._cipher.digests(bytes.fromhex(io_hash))
        services = [row.key async for row in self._table.rows("PartitionKey eq @feeds", feeds=FEEDS)]
        removed = 0
        for service, digest in product(services, digests):
            async for row in self._changes(service, digest):
                await self._table.delete(row.partition, row.key)
                removed += 1
        return removed

    async def begin_again(self) -> None:
        """Note that no day was taken: the register's hashes are found no more. Raises Unanswered.

        Its rows stay, without a use.
        """
        async for row in self._table.rows("PartitionKey eq @feeds", feeds=FEEDS):
            await self._table.delete(row.partition, row.key)

    async def _note(self, feed: Feed, values: Mapping[str, Any]) -> bool:
        return await self._table.write(FEEDS, feed.service, feed.row, values) is not None

    def _batches(
        self, service: str, day: date, changes: Mapping[str, bool]
    ) -> Iterator[tuple[str, dict[str, dict[str, bool]]]]:
        """Yield the rows of a day in batches, each with its partition."""
        partitions: defaultdict[str, dict[str, dict[str, bool]]] = defaultdict(dict)
        for io_hash, subscribed in changes.items():
            digest = self._cipher.digest(bytes.fromhex(io_hash))
            partitions[_partition(service, digest)][f"{digest}.{day}"] = {"subscribed": subscribed}
        for partition, rows in partitions.items():
            for batch in batched(rows.items(), MOST_AT_ONCE, strict=False):
                yield partition, dict(batch)


def midnight(day: date) -> datetime:
    """Return the beginning of a day, in UTC."""
    return datetime.combine(day, time(), UTC)


def _partition(service: str, digest: str) -> str:
    return f"{service}.{digest[:2]}"
