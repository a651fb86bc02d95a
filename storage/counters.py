"""The counters: how many requests have each fact, by campaign and service, kept as steps happen.

Each process adds what it has tallied to a row of the group. See docs/decisions/0017-counters.md.
"""

import asyncio
import json
import logging
import secrets
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from storage.table import Row, Table, Unanswered
from storage.tally import UNCERTAIN, Group, Sums, Tally

log = logging.getLogger(__name__)

TABLE: Final = "counters"
FLUSH_SECONDS: Final = 5.0
# A group has at most this many rows besides its correction. Two processes on one row only cost a retry.
SHARDS = 16
TRIES = 4
# A row remembers the newest flush of this many processes, to know its own write again if the answer was lost.
WRITERS = 16
HEARTBEAT = timedelta(minutes=1)
SILENT = 3 * HEARTBEAT

_CORRECTION: Final = "correction"
_HOSTS: Final = "@hosts"
_RECOUNT: Final = ("@recount", "all")


class Batch(NamedTuple):
    """Sums that this process writes once, under the number of the flush."""

    sequence: int
    sums: Sums


class Counted(NamedTuple):
    """The counters of a group, and when they were last rebuilt; None: never."""

    group: Group
    sums: Sums
    rebuilt_at: datetime | None


class LostHost(NamedTuple):
    """A process that ended without a word: what it noted after `seen_at` was perhaps not written."""

    name: str
    seen_at: datetime


@dataclass
class Counters:
    """Writes what this process tallies, and reads the sums of all. `clock` gives the time in UTC."""

    table: Table
    tally: Tally
    clock: Callable[[], datetime]
    _writer: str = field(default_factory=lambda: secrets.token_hex(4))
    _shard: int = field(default_factory=lambda: secrets.randbelow(SHARDS))
    _flushes: int = 0
    _beaten_at: datetime | None = None
    _rows: dict[Group, Row] = field(default_factory=dict)
    _unsent: dict[Group, Sums] = field(default_factory=dict)
    _batches: dict[Group, Batch] = field(default_factory=dict)
    _writing: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def keep_writing(self) -> None:
        """Write every few seconds what was tallied, until cancelled. An outage only delays that."""
        while True:
            try:
                await self._beat()
                await self.flush()
            except Unanswered as error:
                log.warning("counters not written, tried again later: %s", error)
            await asyncio.sleep(FLUSH_SECONDS)

    async def close(self) -> None:
        """Write the rest at the end of the process; give up after a few seconds."""
        try:
            async with asyncio.timeout(FLUSH_SECONDS):
                await self.flush()
                if self._beaten_at:
                    await self.table.delete(_HOSTS, self._writer)
        except (Unanswered, TimeoutError) as error:
            log.warning("counters not written at the end: %s", type(error).__name__)

    async def flush(self) -> None:
        """Write what was tallied. What storage does not take stays for the next flush. Raises Unanswered."""
        async with self._writing:
            while self._collect():
                failures = [failure for group in [*self._batches] if (failure := await self._try(group))]
                if failures:
                    raise failures[-1]

    async def read(self, campaign: str | None = None, service: str | None = None) -> list[Counted]:
        """Return the counters of every group, or of a campaign's, or a service's. Raises Unanswered."""
        by_group: dict[Group, list[Row]] = defaultdict(list)
        for row in await self.rows(campaign):
            if service in (None, row.values["service"]):
                by_group[Group.of(row.values)].append(row)
        return [_counted(group, rows) for group, rows in sorted(by_group.items(), key=_by_name)]

    async def rows(self, campaign: str | None = None) -> list[Row]:
        """Return the rows of every group, or of a campaign's. Raises Unanswered."""
        condition, parameters = (
            ("PartitionKey eq @at", {"at": _partition(campaign)}) if campaign else ("", {})
        )
        found = [row async for row in self.table.rows(condition, **parameters)]
        return [row for row in found if not row.partition.startswith("@")]

    async def correct(self, group: Group, truth: Sums, live: Sums, uncertain: int, at: datetime) -> None:
        """Write the correction that makes the group's rows add up to `truth`. `live`: their sum without it.

        `uncertain`: how many steps came during the scan, and count perhaps twice or never. Raises Unanswered.
        """
        numbers = Counter(truth.numbers)
        numbers.subtract(live.numbers)
        numbers[UNCERTAIN] = uncertain - live.numbers[UNCERTAIN]
        sums = Sums(numbers, truth.first_at, truth.last_at, truth.accepted_at)
        key = f"{group.service} {_CORRECTION}"
        await self.table.upsert(_partition(group.campaign), key, _values(group, sums) | {"rebuilt_at": at})

    async def recounted(self, at: datetime) -> None:
        """Note that every group was rebuilt, and forget the processes lost before. Raises Unanswered."""
        for host in await self.lost():
            if host.seen_at < at:
                await self.table.delete(_HOSTS, host.name)
        await self.table.upsert(*_RECOUNT, {"at": at})

    async def recounted_at(self) -> datetime | None:
        """Return when every group was last rebuilt; None: never. Raises Unanswered."""
        row = await self.table.get(*_RECOUNT)
        return row.values["at"] if row else None

    async def lost(self) -> list[LostHost]:
        """Return the processes that ended without a word since the last rebuild. Raises Unanswered."""
        silent_since = self.clock() - SILENT
        rows = [row async for row in self.table.rows("PartitionKey eq @hosts", hosts=_HOSTS)]
        return [LostHost(row.key, row.values["at"]) for row in rows if row.values["at"] < silent_since]

    def _collect(self) -> bool:
        """Make a batch for each group that has none; return whether there is anything to write."""
        for group, sums in self.tally.take().items():
            self._unsent.setdefault(group, Sums()).add(sums)
        self._flushes += 1
        for group in self._unsent.keys() - self._batches.keys():
            self._batches[group] = Batch(self._flushes, self._unsent.pop(group))
        return bool(self._batches)

    async def _try(self, group: Group) -> Unanswered | None:
        """Write the batch of a group, and return why that failed."""
        try:
            await self._write(group, self._batches[group])
        except Unanswered as error:
            return error
        del self._batches[group]
        return None

    async def _write(self, group: Group, batch: Batch) -> None:
        """Add a batch to this process's row of the group, unless the row has it already."""
        partition, key = _partition(group.campaign), f"{group.service} {self._shard:02}"
        for _ in range(TRIES):
            row = self._rows.pop(group, None) or await self.table.get(partition, key)
            written = json.loads(row.values["written"]) if row else {}
            if written.get(self._writer, 0) >= batch.sequence:
                return
            values = _values(group, Sums.total([_sums_in(row), batch.sums] if row else [batch.sums]))
            values["written"] = json.dumps(_newest(written, self._writer, batch.sequence))
            if etag := await self.table.write(partition, key, row, values):
                self._rows[group] = Row(partition, key, values, etag)
                return
        raise Unanswered("Other processes were faster at each try.")

    async def _beat(self) -> None:
        now = self.clock()
        if self._beaten_at is None or now - self._beaten_at >= HEARTBEAT:
            await self.table.upsert(_HOSTS, self._writer, {"at": now})
            self._beaten_at = now


def live_sums(rows: Iterable[Row]) -> dict[Group, Sums]:
    """Return the sums of every group, without its correction."""
    sums: dict[Group, Sums] = defaultdict(Sums)
    for row in rows:
        sums[Group.of(row.values)].add(Sums() if "rebuilt_at" in row.values else _sums_in(row))
    return sums


def _counted(group: Group, rows: Iterable[Row]) -> Counted:
    rows = list(rows)
    rebuilt = [row.values["rebuilt_at"] for row in rows if "rebuilt_at" in row.values]
    return Counted(group, Sums.total(map(_sums_in, rows)), max(rebuilt, default=None))


def _by_name(item: tuple[Group, Any]) -> tuple[str, str]:
    return item[0].campaign or "", item[0].service


def _partition(campaign: str | None) -> str:
    return "none" if campaign is None else f"campaign {campaign}"


def _values(group: Group, sums: Sums) -> dict[str, Any]:
    numbers = {fact: number for fact, number in sorted(sums.numbers.items()) if number}
    values = {
        **group._asdict(),
        "numbers": json.dumps(numbers),
        "first_at": sums.first_at,
        "last_at": sums.last_at,
        "accepted_at": sums.accepted_at,
    }
    return {name: value for name, value in values.items() if value is not None}


def _sums_in(row: Row) -> Sums:
    value = row.values.get
    return Sums(
        Counter(json.loads(row.values["numbers"])), value("first_at"), value("last_at"), value("accepted_at")
    )


def _newest(written: Mapping[str, int], writer: str, sequence: int) -> dict[str, int]:
    """Return the number of the newest flush by process, of the processes that wrote last."""
    others = [(name, number) for name, number in written.items() if name != writer]
    return dict([*others[1 - WRITERS :], (writer, sequence)])
