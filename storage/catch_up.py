"""The catch-up: walks through all that is kept, a little at each tick, to find what has no row in the index.

That is what an earlier version kept, what was kept under longer periods, and what a fault has lost. A pass
begins when the periods change, and thirty days after the last one began, or at its end if that is later.
"""

from collections.abc import AsyncIterator, Mapping
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from storage.table import Row, Table

# One page of Table storage.
MOST_ROWS: Final = 1000
EVERY: Final = timedelta(days=30)
_PLACE: Final = ("control", "catch-up")


class Place(NamedTuple):
    """Where a pass is: the next row of `table` is at or after `partition` and `key`. No table: it is over."""

    periods: str
    began_at: datetime
    table: str
    partition: str = ""
    key: str = ""
    row: Row | None = None

    @property
    def is_over(self) -> bool:
        """Whether the pass has walked through every table."""
        return self.table == ""


class CatchUp:
    """Keeps the place of the pass beside the index. `tables`: what it walks through, in order, by name."""

    def __init__(self, index: Table, tables: Mapping[str, Table]) -> None:
        self._index = index
        self._tables = tables

    async def place(self, periods: str, now: datetime) -> Place:
        """Return where to go on: at the beginning if the periods have changed, or a month after a pass began.

        A pass that takes longer than a month is not interrupted, so that it reaches the last rows.
        """
        row = await self._index.get(*_PLACE)
        if row and row.values["periods"] == periods:
            place = Place(**row.values, row=row)
            if not place.is_over or now - place.began_at < EVERY:
                return place
        return Place(periods, now, next(iter(self._tables)), row=row)

    async def rows(self, place: Place) -> AsyncIterator[Row]:
        """Yield the rows of the place's table from there on. Raises Unanswered."""
        async for row in self._tables[place.table].rows_from(place.partition, place.key):
            yield row

    def after(self, place: Place) -> Place:
        """Return the beginning of the next table, or the end of the pass."""
        names = [*self._tables, ""]
        return place._replace(table=names[names.index(place.table) + 1], partition="", key="")

    async def keep(self, place: Place) -> None:
        """Keep the place for the next tick, unless another host was faster. Raises Unanswered."""
        values = {
            "periods": place.periods,
            "began_at": place.began_at,
            "table": place.table,
            "partition": place.partition,
            "key": place.key,
        }
        await self._index.write(*_PLACE, place.row, values)
