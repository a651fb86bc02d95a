"""The manual actions of operators: one row per action, with actor and target, written before the action."""

import secrets
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from typing import Any, Final

from storage.table import Table

TABLE: Final = "audit"


class Audit:
    """Appends rows, one partition per month. The Garante asks that administrators' accesses be kept.

    actor: the author of every recorded action.
    """

    def __init__(self, table: Table, actor: str, clock: Callable[[], datetime]) -> None:
        self._table = table
        self.actor = actor
        self._clock = clock

    async def record(self, action: str, target: str, **details: str) -> None:
        """Record an action. `target` is a request_id or parked_id. Raises Unanswered."""
        at = self._clock()
        values = {"at": at, "actor": self.actor, "action": action, "target": target, **details}
        await self._table.insert(f"{at:%Y%m}", f"{at:%d%H%M%S%f}-{secrets.token_hex(4)}", values)

    async def actions_on(self, target: str) -> AsyncIterator[dict[str, Any]]:
        """Yield every action on one request or parked message, oldest first. Scans the table."""
        async for row in self._table.rows("target eq @target", target=target):
            yield dict(row.values)
