"""The encrypted rows of all tables, by the key that decrypts them. A rotation encrypts them again."""

import re
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping
from typing import Any, Final, NamedTuple

from storage import campaign_secrets, campaigns, index_key, key_checks, ledger, parked, remote_contents
from storage.cipher import PROPERTY_BYTES, Cipher, Undecipherable
from storage.table import Row, Table

NO_KEY: Final = ""


class SealedTable(NamedTuple):
    """A table with encrypted rows. Each binary column of it is encrypted, or a piece of what is.

    `partition`: the only one that has such rows. `counted`: the columns that are enough to tell a row's key.
    """

    name: str
    partition: str = ""
    counted: tuple[str, ...] = ()


# A copy of an encrypted text goes from the ledger to the table of parked messages.
SEALED: Final = (
    SealedTable(key_checks.TABLE, partition=index_key.PARTITION),
    SealedTable(campaigns.TABLE, partition=campaign_secrets.PARTITION),
    SealedTable(ledger.TABLE, counted=("sealed_fiscal_code",)),
    SealedTable(remote_contents.TABLE),
    SealedTable(parked.TABLE),
)


class SealedRows:
    """Reads the encrypted rows, and encrypts them again with the first key of the ring."""

    def __init__(self, tables: Callable[[str], Table], cipher: Cipher) -> None:
        self._tables = {table.name: tables(table.name) for table in SEALED}
        self._cipher = cipher

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the keys of the ring, the first one first."""
        return self._cipher.names

    async def of(
        self, table: SealedTable, since: str = "", columns: Collection[str] = ()
    ) -> AsyncIterator[Row]:
        """Yield the rows of a table, by partition, from the partition `since` on. Raises Unanswered."""
        condition = "PartitionKey eq @since" if table.partition else "PartitionKey ge @since"
        rows = self._tables[table.name].rows(condition, columns=columns, since=table.partition or since)
        async for row in rows:
            yield row

    async def count(self, table: SealedTable) -> Counter[str]:
        """Return how many rows each key decrypts, by its name; NO_KEY: no key of the ring. Scans the table.

        A row with several encrypted texts counts for the key that comes last in the ring. Raises Unanswered.
        """
        names = [self._key_of(row) async for row in self.of(table, columns=table.counted)]
        return Counter(name for name in names if name is not None)

    def is_old(self, row: Row) -> bool:
        """Return whether a key other than the first decrypts something in the row."""
        return any(self._name_of(sealed) not in (self.names[0], NO_KEY) for _, sealed in _texts(row.values))

    async def reseal(self, table: SealedTable, row: Row) -> None:
        """Encrypt a row again if it is still as read. Raises Changed, Unanswered."""
        changed: dict[str, bytes] = {}
        for columns, sealed in _texts(row.values):
            if self._name_of(sealed) != NO_KEY:
                changed |= _pieces(columns, self._cipher.reseal(sealed))
        await self._tables[table.name].replace(row, {**row.values, **changed})

    def _key_of(self, row: Row) -> str | None:
        order = (*self.names, NO_KEY)
        found = [self._name_of(sealed) for _, sealed in _texts(row.values)]
        return max(found, key=order.index) if found else None

    def _name_of(self, sealed: bytes) -> str:
        try:
            return self._cipher.name_of(sealed)
        except Undecipherable:
            return NO_KEY


def _texts(values: Mapping[str, Any]) -> Iterator[tuple[list[str], bytes]]:
    """Yield each encrypted text of a row, with its columns: `sealed`, or body0, body1, ..."""
    columns: dict[str, list[str]] = {}
    for name in sorted((name for name in values if isinstance(values[name], bytes)), key=_natural):
        columns.setdefault(name.rstrip("0123456789"), []).append(name)
    for names in columns.values():
        yield names, b"".join(values[name] for name in names)


def _natural(name: str) -> int:
    return int(re.sub(r"\D", "", name) or 0)


def _pieces(columns: list[str], sealed: bytes) -> dict[str, bytes]:
    starts = range(0, len(sealed), PROPERTY_BYTES)
    return {name: sealed[at : at + PROPERTY_BYTES] for name, at in zip(columns, starts, strict=True)}
