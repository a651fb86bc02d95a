"""Which requests carried a pagoPA notice: how a creditor's word about a notice finds its messages."""

from collections.abc import AsyncIterator
from typing import Final

from storage.cipher import Cipher
from storage.table import Table

TABLE: Final = "notices"


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
                yield row.key
