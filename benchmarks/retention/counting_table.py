"""A table in memory that counts transactions, with its rows in order: a query costs what it returns."""

from bisect import bisect_left, insort
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import count
from typing import Any

from benchmarks.follow.bill import PAGE
from storage.table import AlreadyThere, Changed, ETag, Row, Table

# Inserting into a list moves what comes after it, so the keys are in pieces of at most twice this length.
PIECE = 500
END = "\uffff"

type Key = tuple[str, str]


@dataclass
class Transactions:
    """The transactions of several tables: each call is one, and each further page of a query."""

    done: int = 0


class CountingTable(Table):
    """Has the conditional writes of Table storage, and the queries of retention.

    These are ranges of partitions, or of rows in one partition. Not a FakeTable, whose steps and checks cost
    more than the work of a million transactions.
    """

    def __init__(self, transactions: Transactions, clock: Callable[[], datetime]) -> None:
        self.kept: dict[Key, Row] = {}
        self._transactions = transactions
        self._clock = clock
        self._pieces: list[list[Key]] = [[]]
        self._etags = count()

    async def get(self, partition: str, key: str) -> Row | None:
        self._transactions.done += 1
        return self.kept.get((partition, key))

    async def insert(self, partition: str, key: str, values: Mapping[str, Any]) -> ETag:
        self._transactions.done += 1
        if (partition, key) in self.kept:
            raise AlreadyThere(AlreadyThere.__doc__)
        return self._put((partition, key), values)

    async def replace(self, row: Row, values: Mapping[str, Any]) -> ETag:
        self._transactions.done += 1
        self._check(row.partition, row.key, row.etag)
        return self._put((row.partition, row.key), values)

    async def upsert(self, partition: str, key: str, values: Mapping[str, Any]) -> ETag:
        self._transactions.done += 1
        return self._put((partition, key), values)

    async def merge(self, partition: str, key: str, values: Mapping[str, Any]) -> ETag:
        self._transactions.done += 1
        there = self.kept.get((partition, key))
        return self._put((partition, key), {**(there.values if there else {}), **values})

    async def delete(self, partition: str, key: str) -> None:
        self._transactions.done += 1
        self._drop((partition, key))

    async def delete_as_read(self, partition: str, key: str, etag: str) -> None:
        self._transactions.done += 1
        self._check(partition, key, etag)
        self._drop((partition, key))

    async def rows(
        self, condition: str, *, columns: Collection[str] = (), **parameters: str
    ) -> AsyncIterator[Row]:
        self._transactions.done += 1
        for number, key in enumerate(self._between(*_range(condition, parameters))):
            self._transactions.done += bool(number) and number % PAGE == 0
            row = self.kept[key]
            yield replace(row, values={name: row.values[name] for name in columns}) if columns else row

    def _check(self, partition: str, key: str, etag: str) -> None:
        there = self.kept.get((partition, key))
        if there is None or there.etag != etag:
            raise Changed(Changed.__doc__)

    def _put(self, at: Key, values: Mapping[str, Any]) -> ETag:
        if at not in self.kept:
            number = self._piece_of(at)
            insort(self._pieces[number], at)
            if len(piece := self._pieces[number]) > 2 * PIECE:
                self._pieces[number : number + 1] = [piece[:PIECE], piece[PIECE:]]
        etag = ETag(next(self._etags))
        etag.date = self._clock()
        self.kept[at] = Row(*at, dict(values), etag)
        return etag

    def _drop(self, at: Key) -> None:
        if self.kept.pop(at, None):
            number = self._piece_of(at)
            piece = self._pieces[number]
            del piece[bisect_left(piece, at)]
            if not piece and len(self._pieces) > 1:
                del self._pieces[number]

    def _piece_of(self, at: Key) -> int:
        """Return the number of the piece that holds the key, or would."""
        number = bisect_left(self._pieces, at, key=lambda piece: piece[-1] if piece else at)
        return min(number, len(self._pieces) - 1)

    def _between(self, first: Key, last: Key) -> Iterator[Key]:
        """Yield the keys from `first` on and before `last`, also while rows are written and removed."""
        while True:
            piece = self._pieces[self._piece_of(first)]
            keys = piece[bisect_left(piece, first) : bisect_left(piece, last)]
            if not keys:
                return
            yield from (key for key in keys if key in self.kept)
            first = (keys[-1][0], keys[-1][1] + "\0")


def _range(condition: str, parameters: Mapping[str, str]) -> tuple[Key, Key]:
    """Return the first key of the rows that meet a condition, and the key before which they end."""
    first, last = ("", ""), (END, END)
    for comparison in condition.split(" and "):
        column, operator, name = comparison.split()
        value = parameters[name.removeprefix("@")]
        match column, operator:
            case "PartitionKey", "eq":
                first, last = (value, ""), (value, END)
            case "PartitionKey", "ge":
                first = (value, "")
            case "PartitionKey", "lt":
                last = (value, "")
            case "RowKey", "ge":
                first = (first[0], value)
            case "RowKey", "lt":
                last = (last[0], value)
    return first, last
