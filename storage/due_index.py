"""The due index: which message is to be looked at next, found by time and never by a scan of the ledger."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from storage.table import Table

TABLE: Final = "due"


@dataclass(frozen=True)
class DueEntry:
    """A message that is due: `bucket` is a minute (YYYYMMDDHHMM, UTC), `key` its second and request_id."""

    bucket: str
    key: str

    @property
    def request_id(self) -> str:
        """Whose turn it is."""
        return self.key[3:]


class DueIndex:
    """One row a followed message, in the partition of the minute in which it is due."""

    def __init__(self, table: Table) -> None:
        self._table = table

    async def put(self, request_id: str, due_at: datetime) -> DueEntry:
        """Note when to look at a message; noting the same twice changes nothing."""
        entry = DueEntry(f"{due_at:%Y%m%d%H%M}", f"{due_at:%S}-{request_id}")
        await self._table.upsert(entry.bucket, entry.key, {})
        return entry

    async def due(self, now: datetime) -> AsyncIterator[DueEntry]:
        """What is due by now, oldest first. A range of partitions: costs what is due, not what is tracked."""
        condition = "PartitionKey lt @bucket or PartitionKey eq @bucket and RowKey lt @key"
        later = now + timedelta(seconds=1)
        async for row in self._table.rows(condition, bucket=f"{later:%Y%m%d%H%M}", key=f"{later:%S}-"):
            yield DueEntry(row.partition, row.key)

    async def remove(self, entry: DueEntry) -> None:
        """Forget a row that has been dealt with."""
        await self._table.delete(entry.bucket, entry.key)
