"""One table of the storage account, with conditional writes. The first write creates a missing table."""

import re
from collections.abc import AsyncIterator, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Self
from urllib.parse import unquote

from azure.core.exceptions import (
    AzureError,
    DeserializationError,
    HttpResponseError,
    ResourceExistsError,
    ResourceModifiedError,
    ResourceNotFoundError,
)

from storage.table_service import TableClient

MOST_AT_ONCE: Final = 100
"""Rows of one batch (Azure Table storage REST API, "Performing entity group transactions")."""
_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z")


class AlreadyThere(Exception):
    """The row exists; read it before deciding anything."""


class Changed(Exception):
    """Another writer changed or removed the row after it was read, so this writer stops."""


class Unanswered(Exception):
    """The storage account gave no answer, so a write may have happened or not; try again, or read first.

    `status` is the HTTP status of a refusal, such as the 403 of a missing role.
    """

    def __init__(self, message: str = "", status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class ETag(str):
    """A row's ETag from the answer to a write, with the answer's Date in whole seconds."""

    date: datetime | None = None

    @classmethod
    def of(cls, written: Mapping[str, Any]) -> Self:
        """Build the ETag from what the SDK returns for a write."""
        etag = cls(written["etag"])
        etag.date = written["date"]
        return etag


@dataclass(frozen=True)
class Row:
    """A row and the ETag with which it was read."""

    partition: str
    key: str
    values: Mapping[str, Any]
    etag: str


class Table:
    """Reads and conditional writes on one table (Azure Table storage REST API, entity operations)."""

    def __init__(self, client: TableClient) -> None:
        self._client = client

    async def get(self, partition: str, key: str) -> Row | None:
        """Return one row, or None. Raises Unanswered."""
        with answers():
            try:
                return _row(await self._client.get_entity(partition, key))
            except ResourceNotFoundError:
                return None

    async def insert(self, partition: str, key: str, values: Mapping[str, Any]) -> ETag:
        """Write a new row and return its ETag. Raises AlreadyThere, Unanswered.

        The SDK repeats a write whose answer was lost, so AlreadyThere may mean our own row: read the row.
        """
        entity = {"PartitionKey": partition, "RowKey": key, **values}
        with answers():
            try:
                return ETag.of(await self._client.create_entity(entity))
            except ResourceNotFoundError:
                await self._create()
                return await self.insert(partition, key, values)

    async def replace(self, row: Row, values: Mapping[str, Any]) -> ETag:
        """Replace the row with these values if it is still as read. Returns the ETag.

        Raises Changed, Unanswered. As with `insert`, Changed may mean our own write.
        """
        entity = {"PartitionKey": row.partition, "RowKey": row.key, **values}
        with answers():
            written = await self._client.update_entity(entity, etag=row.etag)
        return ETag.of(written)

    async def write(
        self, partition: str, key: str, row: Row | None, values: Mapping[str, Any]
    ) -> ETag | None:
        """Write values if `row` is still as read (None: missing), and return the ETag.

        Returns None if another writer was faster. Raises Unanswered.
        """
        try:
            if row is None:
                return await self.insert(partition, key, values)
            return await self.replace(row, values)
        except (AlreadyThere, Changed):
            return None

    async def upsert(self, partition: str, key: str, values: Mapping[str, Any]) -> ETag:
        """Write the row, whatever was there, and return its ETag. Raises Unanswered."""
        entity = {"PartitionKey": partition, "RowKey": key, **values}
        with answers():
            try:
                written = await self._client.upsert_entity(entity)
            except ResourceNotFoundError:
                await self._create()
                return await self.upsert(partition, key, values)
        return ETag.of(written)

    async def merge(self, partition: str, key: str, values: Mapping[str, Any]) -> ETag:
        """Write these columns and keep the row's others; a missing row is inserted. Raises Unanswered."""
        entity = {"PartitionKey": partition, "RowKey": key, **values}
        with answers():
            try:
                written = await self._client.merge_entity(entity)
            except ResourceNotFoundError:
                await self._create()
                return await self.merge(partition, key, values)
        return ETag.of(written)

    async def upsert_all(self, partition: str, rows: Mapping[str, Mapping[str, Any]]) -> None:
        """Write at most MOST_AT_ONCE rows of a partition by key: all of them or none. Raises Unanswered."""
        entities = [{"PartitionKey": partition, "RowKey": key, **values} for key, values in rows.items()]
        with answers():
            try:
                await self._client.upsert_entities(entities)
            except ResourceNotFoundError:
                await self._create()
                await self.upsert_all(partition, rows)

    async def delete(self, partition: str, key: str) -> None:
        """Remove the row if it exists. Raises Unanswered."""
        with answers():
            await self._client.delete_entity(partition, key)

    async def delete_as_read(self, partition: str, key: str, etag: str) -> None:
        """Remove the row if it is still as read; a missing row is no error. Raises Changed, Unanswered."""
        with answers():
            await self._client.delete_entity(partition, key, etag=etag)

    async def rows(
        self, condition: str, *, columns: Collection[str] = (), **parameters: str
    ) -> AsyncIterator[Row]:
        """Yield every row that meets an OData condition, by partition and key; none if the table is missing.

        All rows meet an empty condition. With `columns`, the rows hold only these. Raises Unanswered.
        """
        select = ["PartitionKey", "RowKey", *columns] if columns else None
        with answers():
            try:
                async for entity in self._client.query_entities(
                    condition, select=select, parameters=parameters
                ):
                    yield _row(entity)
            except ResourceNotFoundError:
                return

    async def rows_from(self, partition: str, key: str) -> AsyncIterator[Row]:
        """Yield every row from this place on, by partition and key. Raises Unanswered.

        Two ranges, because an `or` of conditions would read the table from its beginning.
        """
        rest = "PartitionKey eq @partition and RowKey ge @key"
        async for row in self.rows(rest, partition=partition, key=key):
            yield row
        async for row in self.rows("PartitionKey ge @after", after=f"{partition} "):
            yield row

    async def _create(self) -> None:
        try:
            await self._client.create_table()
        except ResourceExistsError:
            return  # another worker created it at the same moment


class ReadOnlyTable(Table):
    """Reads a table, and makes believe that it writes: what its user finds out stays in the process."""

    def __init__(self, table: Table) -> None:
        super().__init__(table._client)

    async def write(
        self, partition: str, key: str, row: Row | None, values: Mapping[str, Any]
    ) -> ETag | None:
        """Write nothing."""
        return ETag("unwritten")

    async def delete_as_read(self, partition: str, key: str, etag: str) -> None:
        """Remove nothing."""


def written_between(etag: ETag) -> tuple[float, float]:
    """Return the earliest and latest moment of a write, by the storage account's clock.

    Both are in seconds since the epoch. The ETag is the row's Timestamp (Azure Table storage REST API,
    "Understanding the Table service data model"). An ETag is opaque by its documentation, so another form is
    no error. The Date of the answer then serves, which lacks the fraction of the second. Raises Unanswered if
    neither gives the time.
    """
    found = _TIMESTAMP.search(unquote(etag))
    if found:
        with suppress(ValueError):  # the match only looks like a time
            at = datetime.fromisoformat(found[0]).timestamp()
            return at, at
    if etag.date is None:
        raise Unanswered("The storage account's answer gives no time: neither its ETag nor its Date has one.")
    return etag.date.timestamp(), etag.date.timestamp() + 1


@contextmanager
def answers() -> Iterator[None]:
    """Translate the storage SDK's exceptions into AlreadyThere, Changed and Unanswered."""
    try:
        yield
    except ResourceExistsError:
        raise AlreadyThere(AlreadyThere.__doc__) from None
    except (ResourceModifiedError, ResourceNotFoundError):
        raise Changed(Changed.__doc__) from None
    except (AzureError, DeserializationError) as error:
        raise unanswered(error) from None


def unanswered(error: AzureError | DeserializationError) -> Unanswered:
    """Return the error for an answer that says nothing of the row or blob; the status is kept."""
    status = error.status_code if isinstance(error, HttpResponseError) else None
    return Unanswered(f"The storage account gave no answer ({type(error).__name__}).", status)


def _row(entity: Any) -> Row:
    values = {name: value for name, value in entity.items() if name not in ("PartitionKey", "RowKey")}
    return Row(entity["PartitionKey"], entity["RowKey"], values, entity.metadata["etag"])
