"""A table that counts what Table storage bills: requests, pages of a query, rows and bytes."""

from collections.abc import AsyncIterator, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from storage.table import ETag, Row, Table

# A query returns at most this many rows; each further page is another transaction (Query Entities, REST API).
PAGE: Final = 1_000


@dataclass
class Bill:
    """Transactions, rows and bytes so far. Bytes are counted as the service counts an entity."""

    transactions: int = 0
    rows_read: int = 0
    rows_written: int = 0
    bytes_read: int = 0
    bytes_written: int = 0

    def read(self, row: Row) -> None:
        """Count a row read from the service."""
        self.rows_read += 1
        self.bytes_read += entity_bytes(row.partition, row.key, row.values)

    def write(self, partition: str, key: str, values: Mapping[str, Any]) -> None:
        """Count a row written to the service: one transaction."""
        self.transactions += 1
        self.rows_written += 1
        self.bytes_written += entity_bytes(partition, key, values)


class BilledTable(Table):
    """Does what `inner` does, and counts it on a bill."""

    def __init__(self, inner: Table, bill: Bill) -> None:
        self._inner = inner
        self._bill = bill

    async def get(self, partition: str, key: str) -> Row | None:
        self._bill.transactions += 1
        row = await self._inner.get(partition, key)
        if row:
            self._bill.read(row)
        return row

    async def insert(self, partition: str, key: str, values: Mapping[str, Any]) -> ETag:
        self._bill.write(partition, key, values)
        return await self._inner.insert(partition, key, values)

    async def replace(self, row: Row, values: Mapping[str, Any]) -> ETag:
        self._bill.write(row.partition, row.key, values)
        return await self._inner.replace(row, values)

    async def upsert(self, partition: str, key: str, values: Mapping[str, Any]) -> ETag:
        self._bill.write(partition, key, values)
        return await self._inner.upsert(partition, key, values)

    async def merge(self, partition: str, key: str, values: Mapping[str, Any]) -> ETag:
        self._bill.write(partition, key, values)
        return await self._inner.merge(partition, key, values)

    async def delete(self, partition: str, key: str) -> None:
        self._bill.write(partition, key, {})
        await self._inner.delete(partition, key)

    async def rows(
        self, condition: str, *, columns: Collection[str] = (), **parameters: str
    ) -> AsyncIterator[Row]:
        self._bill.transactions += 1
        answered = 0
        async for row in self._inner.rows(condition, columns=columns, **parameters):
            if answered and answered % PAGE == 0:
                self._bill.transactions += 1
            answered += 1
            self._bill.read(row)
            yield row


def entity_bytes(partition: str, key: str, values: Mapping[str, Any]) -> int:
    """Return an entity's size (Microsoft: "How the size of an entity is calculated", Table storage)."""
    properties = sum(8 + 2 * len(name) + _value_bytes(value) for name, value in values.items())
    return 4 + 2 * (len(partition) + len(key)) + properties


def _value_bytes(value: object) -> int:
    match value:
        case str():
            return 4 + 2 * len(value)
        case bytes():
            return 4 + len(value)
        case bool():
            return 1
        case int():
            return 4
        case datetime():
            return 8
        case _:
            raise TypeError(type(value).__name__)
