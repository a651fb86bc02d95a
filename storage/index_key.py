"""The index key: makes the keyed hashes of fiscal codes, notices and contents (docs/decisions/0024).

Made once at random, and kept encrypted in the table of the keyring. A rotation encrypts it again and does not
change it, so that every hash stays valid.
"""

import secrets
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from storage.cipher import Cipher
from storage.key_checks import COLUMN
from storage.table import AlreadyThere, Row, Table

PARTITION: Final = "index"
BYTES: Final = 32


class IndexKey:
    """Gives the cipher its index key. `hashed`: the tables that hold keyed hashes.

    An account that was used before there was an index key also keeps, after it, the keys of its older hashes.
    """

    def __init__(self, table: Table, cipher: Cipher, hashed: Sequence[Table]) -> None:
        self._table = table
        self._cipher = cipher
        self._hashed = hashed

    @property
    def is_read(self) -> bool:
        """Whether the cipher has the index key."""
        return self._cipher.has_index_key

    async def read(self) -> None:
        """Read the index key, if it was made. Writes nothing. Raises Undecipherable, Unanswered."""
        if row := await self._table.get(PARTITION, PARTITION):
            self._use(row)

    async def make(self) -> None:
        """Make the index key, unless it was read or another host made it. Raises Undecipherable, Unanswered.

        Every host uses what the table holds, never what it has made itself.
        """
        if self.is_read:
            return
        new = b"".join([secrets.token_bytes(BYTES), *await self._former()])
        with suppress(AlreadyThere):  # another host was faster, or the answer of the first attempt was lost
            await self._table.insert(PARTITION, PARTITION, {COLUMN: self._cipher.seal(new)})
        await self.read()

    async def forget(self) -> None:
        """Give the index key up, and with it every keyed hash that was made with it. Raises Unanswered."""
        await self._table.delete(PARTITION, PARTITION)

    async def _former(self) -> Sequence[bytes]:
        for table in self._hashed:
            async for _ in table.rows("", columns=["request_id"]):
                return self._cipher.former_hash_keys
        return ()

    def _use(self, row: Row) -> None:
        keys = self._cipher.open(row.values[COLUMN])
        self._cipher.index_by([keys[at : at + BYTES] for at in range(0, len(keys), BYTES)])
