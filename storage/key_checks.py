"""The keys that have encrypted something: one row per key, which only that key decrypts."""

from typing import Final

from storage.cipher import Cipher, Undecipherable
from storage.table import AlreadyThere, Row, Table

TABLE: Final = "keys"
PARTITION: Final = "keys"
COLUMN: Final = "sealed"


class KeyChecks:
    """Checks that the keyring is complete. A key that is replaced instead of added makes rows unreadable."""

    def __init__(self, table: Table, cipher: Cipher) -> None:
        self._table = table
        self._cipher = cipher

    async def missing(self) -> list[str]:
        """Return the names of keys that have encrypted something and are not in the ring.

        Raises Unanswered.
        """
        return [row.key for row in await self._rows() if not self._opens(row.values[COLUMN])]

    async def noted(self) -> list[str]:
        """Return the names of the keys that have encrypted something. Raises Unanswered."""
        return [row.key for row in await self._rows()]

    async def note(self) -> None:
        """Record that the first key of the ring encrypts from now on. Raises Unanswered."""
        name = self._cipher.first_name
        if await self._table.get(PARTITION, name):
            return
        try:
            await self._table.insert(PARTITION, name, {COLUMN: self._cipher.seal(name.encode())})
        except AlreadyThere:
            return  # another worker was faster

    async def forget(self, name: str) -> None:
        """Go on without a key, and without everything that only this key decrypts. Raises Unanswered."""
        await self._table.delete(PARTITION, name)

    async def _rows(self) -> list[Row]:
        return [row async for row in self._table.rows("PartitionKey eq @partition", partition=PARTITION)]

    def _opens(self, sealed: bytes) -> bool:
        try:
            self._cipher.open(sealed)
        except Undecipherable:
            return False
        return True
