"""Counts a citizen's reminders on a day, across all messages and campaigns. A day has a few places."""

from datetime import date
from typing import Final

from storage.table import AlreadyThere, Table

TABLE: Final = "reminderdays"


class ReminderDays:
    """One row per place, in the partition of the citizen's keyed hash. Inserting the row takes the place."""

    def __init__(self, table: Table) -> None:
        self._table = table

    async def taken(self, recipient: str, day: date, most: int, *, reminder: str) -> int:
        """Return how many of the day's first `most` places other reminders have. Raises Unanswered."""
        holders = [await self._holder(recipient, _key(day, place)) for place in range(most)]
        return sum(holder not in (None, reminder) for holder in holders)

    async def take(self, recipient: str, day: date, most: int, *, reminder: str) -> bool:
        """Take one of the day's first `most` places, and return whether the reminder has one. Idempotent."""
        for place in range(most):
            try:
                await self._table.insert(recipient, _key(day, place), {"reminder": reminder})
            except AlreadyThere:
                if await self._holder(recipient, _key(day, place)) != reminder:
                    continue
            return True
        return False

    async def forget(self, recipient: str, before: date = date.max) -> int:
        """Remove every place of a citizen on the days before `before`; return how many. Raises Unanswered."""
        days = "PartitionKey eq @recipient and RowKey lt @before"
        found = self._table.rows(days, recipient=recipient, before=f"{before:%Y%m%d}")
        rows = [row async for row in found]
        for row in rows:
            await self._table.delete(recipient, row.key)
        return len(rows)

    async def _holder(self, recipient: str, key: str) -> str | None:
        row = await self._table.get(recipient, key)
        return row.values["reminder"] if row else None


def _key(day: date, place: int) -> str:
    return f"{day:%Y%m%d}-{place}"
