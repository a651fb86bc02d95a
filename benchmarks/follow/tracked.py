"""A due index of any size: rows that are not due yet, eight bytes each, in order."""

from array import array
from bisect import bisect_left
from collections.abc import AsyncIterator, Collection, Mapping
from datetime import datetime, timedelta
from heapq import merge
from itertools import islice
from typing import Any

from storage.table import ETag, Row, Table
from tests.fakes import FakeTable

SHARDS = 16


class TrackedTable(Table):
    """Holds `count` rows due after `start`, evenly over sixty days, and the rows written meanwhile.

    A row is a number: minutes after the start, shard, second and the number of its message.
    """

    def __init__(self, count: int, start: datetime) -> None:
        self._start = start
        self._rows = _packed(count)
        self._written = FakeTable("due")

    def cleared(self) -> "TrackedTable":
        """Remove the written rows and return the table."""
        self._written = FakeTable("due")
        return self

    async def get(self, partition: str, key: str) -> Row | None:
        return await self._written.get(partition, key)

    async def insert(self, partition: str, key: str, values: Mapping[str, Any]) -> ETag:
        return await self._written.insert(partition, key, values)

    async def replace(self, row: Row, values: Mapping[str, Any]) -> ETag:
        return await self._written.replace(row, values)

    async def upsert(self, partition: str, key: str, values: Mapping[str, Any]) -> ETag:
        return await self._written.upsert(partition, key, values)

    async def delete(self, partition: str, key: str) -> None:
        if (partition, key) not in self._written.rows_by_key:
            raise KeyError("a tick removes only what is due")
        await self._written.delete(partition, key)

    async def rows(
        self, condition: str, *, columns: Collection[str] = (), **parameters: str
    ) -> AsyncIterator[Row]:
        written = [row async for row in self._written.rows(condition, **parameters)]
        first, last = (self._place(parameters[name]) for name in ("since", "until"))
        tracked = (self._row(number) for number in islice(self._rows, first, last))
        for row in merge(written, tracked, key=lambda row: (row.partition, row.key)):
            yield row

    def _place(self, bucket: str) -> int:
        """Return the position at which the rows of a minute begin."""
        if len(bucket) < 12:
            return 0
        at = datetime.strptime(f"{bucket}+0000", "%Y%m%d%H%M%z")
        return bisect_left(self._rows, (at - self._start) // timedelta(minutes=1) << 34)

    def _row(self, packed: int) -> Row:
        at = self._start + timedelta(minutes=packed >> 34)
        shard, second, number = packed >> 30 & 15, packed >> 24 & 63, packed & 0xFFFFFF
        return Row(f"{at:%Y%m%d%H%M}-{shard:x}", f"{second:02}-m-{number:08}", {}, "1")


def _packed(count: int) -> array[int]:
    """Return the rows as numbers. `start` is a whole minute; the first rows are due half an hour after it."""
    rows, minutes = array("q"), 60 * 24 * 60
    for minute in range(minutes):
        numbers = range(count * minute // minutes, count * (minute + 1) // minutes)
        due = (minute + 30 << 34 | n % SHARDS << 30 | n % 60 << 24 | n for n in numbers)
        rows.extend(sorted(due))
    return rows
