"""The rotation of keys: how far it has come, in one row that all hosts share."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timedelta
from typing import Any, Final

from storage.table import Changed, Row, Table

PARTITION: Final = "rotation"
# A process may still write what it read before a row was encrypted again, or have another first key. An
# invocation lasts five minutes at most (host.json), a host that stops has ten; a command may take longer.
QUIET: Final = timedelta(minutes=30)


@dataclass(frozen=True)
class Rotation:
    """A rotation towards the key named `target`. Times are UTC.

    It goes through all tables, and again after QUIET, until a pass finds no row of another key: `is_clean` as
    long as the present pass has found none. The pass goes on at `table` and `partition`. `resealed`: rows
    encrypted again so far; `transactions`: what that has cost, at least.
    """

    target: str
    began_at: datetime
    not_before: datetime
    passes: int = 1
    is_clean: bool = False  # the first pass never is: hosts of the old ring may still be stopping
    table: str = ""
    partition: str = ""
    resealed: int = 0
    transactions: int = 0
    ended_at: datetime | None = None
    row: Row | None = field(default=None, repr=False, compare=False)


class KeyRotation:
    """Holds the newest rotation. `clock` gives the time in UTC."""

    def __init__(self, table: Table, clock: Callable[[], datetime]) -> None:
        self._table = table
        self._clock = clock

    async def current(self) -> Rotation | None:
        """Return the rotation that runs, or the last one that has ended, or None. Raises Unanswered."""
        row = await self._table.get(PARTITION, PARTITION)
        return Rotation(**row.values, row=row) if row else None

    async def begin(self, target: str) -> Rotation:
        """Begin a rotation, or return the one towards this key that runs. Raises Unanswered."""
        while True:
            there = await self.current()
            if there and there.target == target and there.ended_at is None:
                return there
            now = self._clock()
            new = Rotation(target=target, began_at=now, not_before=now, row=there.row if there else None)
            with suppress(Changed):
                return await self.save(new)

    async def save(self, rotation: Rotation, **changes: Any) -> Rotation:
        """Write a rotation with these changes. Raises Changed if another host has written it, Unanswered."""
        after = replace(rotation, **changes)
        after = replace(after, transactions=after.transactions + 1)
        values = _values(after)
        etag = await self._table.write(PARTITION, PARTITION, rotation.row, values)
        if etag is None:
            raise Changed(Changed.__doc__)
        return replace(after, row=Row(PARTITION, PARTITION, values, etag))

    async def next_pass(self, rotation: Rotation) -> Rotation:
        """Begin a pass that ends the rotation if it finds nothing. Raises Changed, Unanswered."""
        return await self.save(
            rotation,
            passes=rotation.passes + 1,
            is_clean=True,
            not_before=self._clock() + QUIET,
            table="",
            partition="",
        )


def _values(rotation: Rotation) -> dict[str, Any]:
    columns = {item.name: getattr(rotation, item.name) for item in fields(rotation) if item.name != "row"}
    return {name: value for name, value in columns.items() if value is not None}
