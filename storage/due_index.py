"""The due index: whose lease it is next, found by time and never by a scan of what is tracked."""

import hashlib
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from storage.table import Row, Table

TABLE: Final = "due"
REMINDERS_TABLE: Final = "reminders"

# One host works through the index at a time. A host that dies holds the others up for this long at most.
LEASE = timedelta(seconds=90)
# No row is put behind the watermark: what has been due for longer than this is put for now, and the
# watermark stays twice as far behind now. An invocation ends after five minutes (host.json), so that it
# cannot write so late. A message redelivered after ten minutes is still put in its old place.
LATEST_PUT = timedelta(minutes=15)
MARGIN = 2 * LATEST_PUT
# Should a write be that late all the same, the index is read from its start once a day.
SWEEP = timedelta(days=1)

_START = "0"
_MINUTE = "%Y%m%d%H%M"
_CONTROL = ("control", "lease")  # sorts behind every minute


class LeaseLost(Exception):
    """The lease is over, or somebody else's: another host may be at work on the same rows."""


@dataclass(frozen=True)
class DueEntry:
    """A row: `bucket` is a minute (YYYYMMDDHHMM, UTC) and a shard, `key` a second and a request_id."""

    bucket: str
    key: str

    @property
    def request_id(self) -> str:
        """Whose lease it is."""
        return self.key[3:]

    @property
    def due_at(self) -> datetime:
        """Since when, to the second."""
        return datetime.fromisoformat(f"{self.bucket[:8]}T{self.bucket[8:12]}{self.key[:2]}Z")


@dataclass(frozen=True)
class Lease:
    """The right to work through the index until `ends_at`; `since` is the minute from which rows may be."""

    row: Row
    since: str
    began_at: datetime
    ends_at: datetime


class DueIndex:
    """One row a request, in the partition of the minute in which it is due. Times come from `clock` (UTC).

    A row of its own, the control row, holds the watermark, a minute before which there are no rows, so that
    a reader passes by what was removed long ago; and the lease of the host whose lease it is to read.
    """

    def __init__(self, table: Table, clock: Callable[[], datetime]) -> None:
        self._table = table
        self._clock = clock

    async def put(self, request_id: str, due_at: datetime) -> DueEntry:
        """Note when a request is due, now if that is long past; noting the same twice changes nothing."""
        now = self._clock()
        at = due_at if due_at > now - LATEST_PUT else now
        entry = DueEntry(f"{at:{_MINUTE}}-{_shard(request_id)}", f"{at:%S}-{request_id}")
        await self._table.upsert(entry.bucket, entry.key, {})
        return entry

    async def remove(self, entry: DueEntry) -> None:
        """Forget a row that has been dealt with."""
        await self._table.delete(entry.bucket, entry.key)

    async def due(self, since: str = _START) -> AsyncGenerator[DueEntry]:
        """What is due by now, the oldest minute first: one range of partitions, from the minute `since`.

        Rows of this very minute that are not due yet are read along.
        """
        now = self._clock()
        until = f"{now + timedelta(minutes=1):{_MINUTE}}"
        condition = "PartitionKey ge @since and PartitionKey lt @until"
        async for row in self._table.rows(condition, since=since, until=until):
            entry = DueEntry(row.partition, row.key)
            if entry.due_at <= now:
                yield entry

    async def lag(self) -> timedelta:
        """For how long the oldest row has been due; zero when nothing is."""
        row = await self._table.get(*_CONTROL)
        async for entry in self.due(row.values["watermark"] if row else _START):
            return self._clock() - entry.due_at
        return timedelta(0)

    async def last_run(self) -> datetime | None:
        """When a host last worked through the index, or still will have by then; None: never."""
        row = await self._table.get(*_CONTROL)
        return row.values["lease_until"] if row else None

    async def acquire(self) -> Lease:
        """Take the lease; raises LeaseLost when another host has it."""
        now = self._clock()
        row = await self._table.get(*_CONTROL)
        if row and row.values["lease_until"] > now:
            raise LeaseLost(LeaseLost.__doc__)
        watermark, swept_at = _START, now
        if row and row.values["swept_at"] > now - SWEEP:
            watermark, swept_at = row.values["watermark"], row.values["swept_at"]
        values = {"watermark": watermark, "swept_at": swept_at, "lease_until": now + LEASE}
        return Lease(await self._write(row, values), watermark, now, now + LEASE)

    async def renew(self, lease: Lease) -> Lease:
        """The same lease for longer; raises LeaseLost when it was lost meanwhile."""
        ends_at = self._clock() + LEASE
        row = await self._write(lease.row, {**lease.row.values, "lease_until": ends_at})
        return Lease(row, lease.since, lease.began_at, ends_at)

    async def release(self, lease: Lease, oldest_left: DueEntry | None) -> None:
        """Give the lease back, `oldest_left` being the oldest row that was left; raises LeaseLost."""
        watermark = f"{lease.began_at - MARGIN:{_MINUTE}}"
        if oldest_left:
            watermark = min(watermark, oldest_left.bucket[:12])
        values = {**lease.row.values, "watermark": watermark, "lease_until": self._clock()}
        await self._write(lease.row, values)

    async def _write(self, row: Row | None, values: dict[str, object]) -> Row:
        etag = await self._table.write(*_CONTROL, row, values)
        if etag is None:
            raise LeaseLost(LeaseLost.__doc__)
        return Row(*_CONTROL, values, etag)


def _shard(request_id: str) -> str:
    # 16 partitions a minute: one takes 2,000 rows a second (Azure Table scalability targets).
    return hashlib.sha256(request_id.encode()).hexdigest()[0]
