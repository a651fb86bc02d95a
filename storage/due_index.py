"""The due index: finds due requests by time, and never by a scan of all tracked requests."""

import hashlib
from collections.abc import AsyncGenerator, Callable, Collection
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from storage.table import Row, Table, written_between

TABLE: Final = "due"
REMINDERS_TABLE: Final = "reminders"
ENDS_TABLE: Final = "ends"

# One host works through the index at a time. A crashed host delays the others by this much at most.
LEASE = timedelta(seconds=90)
# No row may be written before the watermark. A due time more than LATEST_PUT ago is written as now, and the
# watermark stays twice LATEST_PUT behind. An invocation lasts five minutes at most (host.json), so no write
# is late enough to land before it. A message redelivered after ten minutes is still written in its old place.
LATEST_PUT = timedelta(minutes=15)
MARGIN = 2 * LATEST_PUT
# As a safeguard against such a late write, the whole index is read once a day.
SWEEP = timedelta(days=1)

_START = "0"
_MINUTE = "%Y%m%d%H%M"
_CONTROL = ("control", "lease")  # sorts after every minute
_TIME = ("control", "time")


class LeaseLost(Exception):
    """The lease has expired or another host holds it, so another host may be working on the same rows."""


class DueEntry(NamedTuple):
    """A row: `bucket` is a minute (YYYYMMDDHHMM, UTC) and a shard, `key` is a second and a request_id."""

    bucket: str
    key: str

    @property
    def request_id(self) -> str:
        """The request that is due; in the index of ends also another name, which begins with @."""
        return self.key[3:]

    @property
    def due_at(self) -> datetime:
        """When the request became due, to the second."""
        return datetime.fromisoformat(f"{self.bucket[:8]}T{self.bucket[8:12]}{self.key[:2]}Z")


class Lease(NamedTuple):
    """A host's right to work through the index until `ends_at`. No row is before the minute `since`."""

    row: Row
    since: str
    began_at: datetime
    ends_at: datetime


class DueIndex:
    """Holds one row per request, in one of the 16 partitions of the minute in which the request is due.

    `clock` gives the time in UTC. A row of its own, the control row, holds the watermark and the lease of the
    host that reads. No row is before the minute of the watermark, so a reader skips what was removed long
    ago.
    """

    def __init__(self, table: Table, clock: Callable[[], datetime]) -> None:
        self._table = table
        self._clock = clock

    async def put(self, request_id: str, due_at: datetime) -> DueEntry:
        """Put a row for when a request is due, or for now if that is long past.

        Repeating changes nothing, unless the time is long past: each repeat then puts one more row.
        """
        now = self._clock()
        at = due_at if due_at > now - LATEST_PUT else now
        entry = DueEntry(f"{at:{_MINUTE}}-{_shard(request_id)}", f"{at:%S}-{request_id}")
        await self._table.upsert(entry.bucket, entry.key, {})
        return entry

    async def remove(self, entry: DueEntry) -> None:
        """Remove a row that has been handled."""
        await self._table.delete(entry.bucket, entry.key)

    async def forget(self, request_ids: Collection[str]) -> int:
        """Remove every row of these requests, and return how many. Scans the index. Raises Unanswered."""
        rows = self._table.rows("PartitionKey lt @control", control=_CONTROL[0])
        entries = (DueEntry(row.partition, row.key) async for row in rows)
        found = [entry async for entry in entries if entry.request_id in request_ids]
        for entry in found:
            await self.remove(entry)
        return len(found)

    async def reschedule(self, entry: DueEntry, next_at: datetime | None) -> None:
        """Put the next row of a request, then remove this one. None: the request is due no more."""
        if next_at and await self.put(entry.request_id, next_at) == entry:
            return
        await self.remove(entry)

    async def due(self, since: str = _START) -> AsyncGenerator[DueEntry]:
        """Yield what is due by now, oldest minute first: one range of partitions, from the minute `since`.

        The query also reads, without yielding them, rows of the current minute that are not due yet.
        """
        now = self._clock()
        until = f"{now + timedelta(minutes=1):{_MINUTE}}"
        condition = "PartitionKey ge @since and PartitionKey lt @until"
        async for row in self._table.rows(condition, since=since, until=until):
            entry = DueEntry(row.partition, row.key)
            if entry.due_at <= now:
                yield entry

    async def lag(self) -> timedelta:
        """Return how long the oldest row has been due; zero if no row is due."""
        row = await self._table.get(*_CONTROL)
        async for entry in self.due(row.values["watermark"] if row else _START):
            return self._clock() - entry.due_at
        return timedelta(0)

    async def storage_time(self) -> datetime:
        """Return the storage account's own time, in UTC. Costs a write. Raises Unanswered."""
        earliest, _ = written_between(await self._table.upsert(*_TIME, {}))
        return datetime.fromtimestamp(earliest, UTC)

    async def last_lease_end(self) -> datetime | None:
        """Return when the last lease on the index ended or will end; None if there was none."""
        row = await self._table.get(*_CONTROL)
        return row.values["lease_until"] if row else None

    async def acquire(self) -> Lease:
        """Take the lease. Raises LeaseLost if another host holds it."""
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
        """Extend the lease. Raises LeaseLost if the lease was lost meanwhile."""
        ends_at = self._clock() + LEASE
        row = await self._write(lease.row, {**lease.row.values, "lease_until": ends_at})
        return Lease(row, lease.since, lease.began_at, ends_at)

    async def release(self, lease: Lease, oldest_left: DueEntry | None) -> None:
        """Give the lease back. `oldest_left` is the oldest row that was left. Raises LeaseLost."""
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
    # 16 partitions per minute; one partition takes 2,000 rows per second (Azure Table scalability targets).
    return hashlib.sha256(request_id.encode()).hexdigest()[0]
