"""Encrypts all rows again with the first key, in ticks that go on where the one before ended or crashed."""

import logging
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from storage.key_rotation import Rotation
from storage.sealed_rows import SEALED, SealedTable
from storage.stores import Stores
from storage.table import Changed, Row

log = logging.getLogger(__name__)

# The platform ends an invocation after five minutes (host.json).
BUDGET: Final = timedelta(seconds=240)
# A crash repeats the reading of as many rows, and of those of one partition. The storage account returns as
# many rows in an answer (Azure Table storage REST API, "Query timeout and pagination").
PAGE: Final = 1000


async def rotate_keys(stores: Stores) -> None:
    """Run one tick. Two hosts may: each row and the progress are written only if still as read."""
    rotation = await stores.key_rotation.current()
    if rotation is None or rotation.ended_at:
        return
    if rotation.target != stores.sealed_rows.names[0]:
        await _wait(rotation, stores)
        return
    if stores.clock() < rotation.not_before:
        return
    try:
        await _Tick(rotation, stores, stores.clock() + BUDGET).run()
    except Changed:
        log.info("another host has gone on with the rotation of keys")


async def _wait(rotation: Rotation, stores: Stores) -> None:
    """Wait for the new key to be first again. Behind the present pass, rows of another may come meanwhile."""
    log.warning("the rotation of keys waits: ENCRYPTION_KEYS does not begin with %s", rotation.target)
    if rotation.is_clean:
        with suppress(Changed):
            await stores.key_rotation.save(rotation, is_clean=False)


@dataclass
class _Tick:
    """Writes one row at a time: more would keep the sends of the same process waiting."""

    rotation: Rotation
    stores: Stores
    ends_at: datetime
    read: int = 0
    resealed: int = 0

    async def run(self) -> None:
        for table in self._tables():
            if not await self._take(table):
                return
        await self._save("", "")
        await (self._end() if self.rotation.is_clean else self._begin_again())

    def _tables(self) -> Iterator[SealedTable]:
        """Yield the tables of this pass that are still to be read to their end."""
        names = [table.name for table in SEALED]
        yield from SEALED[names.index(self.rotation.table) if self.rotation.table else 0 :]

    async def _take(self, table: SealedTable) -> bool:
        """Encrypt the rows of a table again. Return whether there was time for all."""
        since = self.rotation.partition if self.rotation.table == table.name else ""
        await self._save(table.name, since)
        async for row in self.stores.sealed_rows.of(table, since):
            self.read += 1
            if self.stores.sealed_rows.is_old(row):
                await self._reseal(table, row)
            is_over = self.stores.clock() >= self.ends_at
            if is_over or self.read == PAGE:
                await self._save(table.name, row.partition)
            if is_over:
                return False
        return True

    async def _reseal(self, table: SealedTable, row: Row) -> None:
        """Encrypt a row again. First note that this pass does not end the rotation."""
        if self.rotation.is_clean:
            self.rotation = await self.stores.key_rotation.save(self.rotation, is_clean=False)
        with suppress(Changed):  # whoever has written or removed it meanwhile: the next pass reads it again
            await self.stores.sealed_rows.reseal(table, row)
            self.resealed += 1

    async def _save(self, table: str, partition: str) -> None:
        """Note where to go on. Every row before that place has been handled in this pass."""
        spent = self.resealed + -(-self.read // PAGE)
        self.rotation = await self.stores.key_rotation.save(
            self.rotation,
            table=table,
            partition=partition,
            resealed=self.rotation.resealed + self.resealed,
            transactions=self.rotation.transactions + spent,
        )
        log.info("rows encrypted again rows=%d read=%d table=%s", self.resealed, self.read, table)
        self.read = self.resealed = 0

    async def _begin_again(self) -> None:
        self.rotation = await self.stores.key_rotation.next_pass(self.rotation)

    async def _end(self) -> None:
        """Every row is of the first key: the others are not needed any more."""
        for name in await self.stores.key_checks.noted():
            if name != self.rotation.target:
                await self.stores.key_checks.forget(name)
        now = self.stores.clock()
        self.rotation = await self.stores.key_rotation.save(self.rotation, ended_at=now)
        log.info("rotation of keys has ended rows=%d", self.rotation.resealed)
