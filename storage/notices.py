"""Records which requests carried a pagoPA notice, so that a creditor's settlement finds its messages.

Also keeps the settlement itself, for requests that come later.
"""

from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Mapping
from datetime import datetime
from typing import Final

from storage.cipher import Cipher
from storage.table import Row, Table

TABLE: Final = "notices"
GUARD: Final = "@settled"  # not a request_id: those hold no @
NOTICE: Final = "@notice"


class Notices:
    """Holds the requests of each notice, in the partition of a keyed hash of the notice number.

    The first request or settlement of a notice inserts its guard row. `request_id` of the guard is the first
    request, `paid_at` the settlement. Each later request has a row of its own.
    """

    def __init__(self, table: Table, cipher: Cipher) -> None:
        self._table = table
        self._cipher = cipher

    async def note(self, notice_number: str, request_id: str) -> datetime | None:
        """Record that a request carries the notice. Return when a creditor said that the notice was paid.

        Idempotent. The record comes before the read, so that a settlement is read here or finds the record.
        Costs one transaction for the first request of an unpaid notice and three for any other, with one more
        for each former key of the hashes. Raises Unanswered.
        """
        first, *others = self._cipher.digests(notice_number.encode())
        if await self._table.write(first, GUARD, None, {"request_id": request_id}):
            return await self._paid_at(others)
        await self._table.upsert(first, request_id, {})
        return await self._paid_at([first, *others])

    async def requests(self, notice_number: str) -> AsyncIterator[str]:
        """Yield the request_id of every request that carried the notice, under any key. Raises Unanswered."""
        found: set[str] = set()
        for digest in self._cipher.digests(notice_number.encode()):
            async for row in self._table.rows("PartitionKey eq @digest", digest=digest):
                name = _name(row)
                if name and name not in found:
                    found.add(name)
                    yield name

    async def settle(self, notice_number: str, paid_at: datetime, told_at: datetime) -> None:
        """Keep the settlement of a notice, for the requests to come. Raises Unanswered."""
        settlement = {"paid_at": paid_at, "told_at": told_at}
        await self._table.merge(self._cipher.digest(notice_number.encode()), GUARD, settlement)

    def settlement_name(self, notice_number: str) -> str:
        """Return the name of a notice's settlement in the index of ends: a keyed hash."""
        return f"{NOTICE}:{self._cipher.digest(notice_number.encode())}"

    async def forget_settlement(self, digest: str, told_by: datetime) -> datetime | None:
        """Remove the settlement of a notice, and return None; one told later stays, and its time is returned.

        The notice's requests stay. Raises Changed, Unanswered.
        """
        guard = await self._table.get(digest, GUARD)
        if guard is None or (told_at := told(guard)) is None:
            return None
        if told_at > told_by:
            return told_at
        await self._strip(guard, "paid_at", "told_at")
        return None

    async def _strip(self, guard: Row, *columns: str) -> None:
        rest = {name: value for name, value in guard.values.items() if name not in columns}
        if rest:
            await self._table.replace(guard, rest)
        else:
            await self._table.delete_as_read(guard.partition, guard.key, guard.etag)

    async def of_requests(self, request_ids: Collection[str]) -> Mapping[str, bool]:
        """Return the keyed hash of each notice of these requests, and whether others carried it too.

        Scans the table. Raises Unanswered.
        """
        names: defaultdict[str, set[str]] = defaultdict(set)
        async for row in self._table.rows("", columns=["request_id"]):
            names[row.partition].update(filter(None, [_name(row)]))
        wanted = set(request_ids)
        return {digest: bool(found - wanted) for digest, found in names.items() if found & wanted}

    def is_one_of(self, notice_number: str, digests: Collection[str]) -> bool:
        """Return whether one of these keyed hashes is the notice's."""
        return any(digest in digests for digest in self._cipher.digests(notice_number.encode()))

    async def forget(
        self, digest: str, request_ids: Collection[str], *, keep_settlement: bool = False
    ) -> None:
        """Remove that these requests carried a notice, and the notice itself if no other did.

        The settlement of a notice that others carried stays, with `keep_settlement` any. Idempotent. Raises
        Changed if a settlement or a request came meanwhile, Unanswered.
        """
        rows = [row async for row in self._table.rows("PartitionKey eq @digest", digest=digest)]
        for row in rows:
            if row.key in request_ids:
                await self._table.delete(digest, row.key)
        left = [row for row in rows if _name(row) not in (None, *request_ids)]
        for guard in rows:
            is_kept = left or (keep_settlement and "paid_at" in guard.values)
            if guard.key == GUARD and not is_kept:
                await self._table.delete_as_read(digest, GUARD, guard.etag)
            elif guard.key == GUARD and _name(guard) in request_ids:
                kept = {name: value for name, value in guard.values.items() if name != "request_id"}
                await self._table.replace(guard, kept)

    async def _paid_at(self, digests: list[str]) -> datetime | None:
        for digest in digests:
            guard = await self._table.get(digest, GUARD)
            if guard and "paid_at" in guard.values:
                return guard.values["paid_at"]  # type: ignore[no-any-return]
        return None


def _name(row: Row) -> str | None:
    """Return the request that a row records; None for a guard that holds a settlement alone."""
    return row.values.get("request_id") if row.key == GUARD else row.key


def told(row: Row) -> datetime | None:
    """Return when the creditor told the settlement that a row holds; None if it holds none."""
    # An earlier version kept only the time of payment.
    told_at: datetime | None = row.values.get("told_at") or row.values.get("paid_at")
    return told_at
