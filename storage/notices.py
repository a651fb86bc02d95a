"""Records which requests carried a pagoPA notice, so that a creditor's settlement finds its messages.

Also keeps the settlement itself, for requests that come later.
"""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Final

from storage.cipher import Cipher
from storage.table import Table

TABLE: Final = "notices"
_SETTLED: Final = "@settled"  # not a request_id: those hold no @


class Notices:
    """Holds one row per request with a notice, in the partition of a keyed hash of the notice number."""

    def __init__(self, table: Table, cipher: Cipher) -> None:
        self._table = table
        self._cipher = cipher

    async def note(self, notice_number: str, request_id: str) -> None:
        """Record that a request carries the notice. Idempotent. Raises Unanswered."""
        await self._table.upsert(self._cipher.digest(notice_number.encode()), request_id, {})

    async def requests(self, notice_number: str) -> AsyncIterator[str]:
        """Yield the request_id of every request that carried the notice, under any key. Raises Unanswered."""
        for digest in self._cipher.digests(notice_number.encode()):
            async for row in self._table.rows("PartitionKey eq @digest", digest=digest):
                if row.key != _SETTLED:
                    yield row.key

    async def settle(self, named: str, paid_at: datetime) -> None:
        """Keep the settlement of a notice, or of a request that has not come yet. Raises Unanswered."""
        await self._table.upsert(self._cipher.digest(named.encode()), _SETTLED, {"paid_at": paid_at})

    async def settled_at(self, *named: str) -> datetime | None:
        """Return when a notice or a request was paid, if a creditor has said so. Raises Unanswered."""
        for name in named:
            for digest in self._cipher.digests(name.encode()):
                if row := await self._table.get(digest, _SETTLED):
                    return row.values["paid_at"]  # type: ignore[no-any-return]
        return None
