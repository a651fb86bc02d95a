"""How often a citizen was reminded on a day, of whatever message and campaign: a few places a day."""

from datetime import date
from typing import Final

from storage.table import AlreadyThere, Table

TABLE: Final = "reminderdays"


class ReminderDays:
    """One row a place, in the partition of the citizen's keyed hash. Whoever inserts it has it."""

    def __init__(self, table: Table) -> None:
        self._table = table

    async def taken(self, recipient: str, day: date, most: int, *, reminder: str) -> int:
        """How many of the day's first `most` places other reminders have; raises Unanswered."""
        holders = [await self._holder(recipient, _key(day, place)) for place in range(most)]
        return sum(holder not in (None, reminder) for holder in holders)

    async def take(self, recipient: str, day: date, most: int, *, reminder: str) -> bool:
        """Whether the reminder has one of the day's first `most` places; taken twice it is the same one."""
        for place in range(most):
            try:
                await self._table.insert(recipient, _key(day, place), {"reminder": reminder})
            except AlreadyThere:
                if await self._holder(recipient, _key(day, place)) != reminder:
                    continue
            return True
        return False

    async def _holder(self, recipient: str, key: str) -> str | None:
        row = await self._table.get(recipient, key)
        return row.values["reminder"] if row else None


def _key(day: date, place: int) -> str:
    return f"{day:%Y%m%d}-{place}"
