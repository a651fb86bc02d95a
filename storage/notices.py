"""Which requests carried a pagoPA notice: how a creditor's word about a notice finds its messages.

And the word itself, for requests that come after it.
"""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Final

from storage.cipher import Cipher
from storage.table import Table

TABLE: Final = "notices"
_SETTLED: Final = "@settled"  # no request_id: those have no @


class Notices:
    """One row a request with a notice, in the partition of a keyed hash of the notice's number."""

    def __init__(self, table: Table, cipher: Cipher) -> None:
        self._table = table
        self._cipher = cipher

    async def note(self, notice_number: str, request_id: str) -> None:
        """Write down that a request carries the notice; twice changes nothing. Raises Unanswered."""
        await self._table.upsert(self._cipher.digest(notice_number.encode()), request_id, {})

    async def requests(self, notice_number: str) -> AsyncIterator[str]:
        """The request_id of every request that carried the notice, under whichever key; raises Unanswered."""
        for digest in self._cipher.digests(notice_number.encode()):
            async for row in self._table.rows("PartitionKey eq @digest", digest=digest):
                if row.key != _SETTLED:
                    yield row.key

    async def settle(self, named: str, paid_at: datetime) -> None:
        """Keep the creditor's word on a notice, or on a request that has not come yet. Raises Unanswered."""
        await self._table.upsert(self._cipher.digest(named.encode()), _SETTLED, {"paid_at": paid_at})

    async def settled_at(self, *named: str) -> datetime | None:
        """When a notice or a request was paid, as far as a creditor has said so; raises Unanswered."""
        for name in named:
            for digest in self._cipher.digests(name.encode()):
                if row := await self._table.get(digest, _SETTLED):
                    return row.values["paid_at"]  # type: ignore[no-any-return]
        return None
