"""The actions of operators: one row per action, written before it, each with the hash of the row before.

A row that was changed, removed or put in between breaks the chain, which `verify` finds. Whoever may write
the table can also compute a whole new chain: only a hash that was noted elsewhere shows that.
"""

import hashlib
import json
import secrets
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from storage.table import Row, Table

TABLE: Final = "audit"
CHAIN: Final = "chain"
# Rows about the chain: the newest link, and the link before the oldest row that is kept.
CONTROL: Final = "control"
HEAD, ANCHOR = (CONTROL, "head"), (CONTROL, "anchor")
LEGACY: Final = "PartitionKey lt @chain"  # partitions of before the chain are months: 202611
REASONS: Final = ("changed", "missing", "legacy")
"""Why a chain is not whole: a row was changed or put in, a row is missing, older rows differ."""
_ALWAYS: Final = datetime(2000, 1, 1, tzinfo=UTC)


class Link(NamedTuple):
    """A place in the chain: the number and the hash of a row. Number 0 is the beginning."""

    number: int
    digest: str


class Anchor(NamedTuple):
    """Where the kept rows begin: the link before the oldest, and the hash of older ones kept `since` then."""

    link: Link
    since: datetime
    legacy: str


class Verified(NamedTuple):
    """The rows that were verified and their ends.

    reason: one of REASONS; None for a whole chain. `broken`: the number of the first wrong row, if it has
    one.
    """

    rows: int
    first: int
    last: Link
    reason: str | None = None
    broken: int | None = None


class Audit:
    """Appends rows and removes none but the oldest. The Garante asks to keep them for six months.

    actor: the author of every recorded action.
    """

    def __init__(self, table: Table, actor: str, clock: Callable[[], datetime]) -> None:
        self._table = table
        self.actor = actor
        self._clock = clock
        self._newest: Link | None = None

    async def record(self, action: str, target: str, **details: str) -> None:
        """Record an action. `target` is a request_id, a parked_id or the like. Raises Unanswered.

        The insert of the next number decides between operators who record at the same moment. The head only
        saves the search for that number: it may lag behind, after a crash.
        """
        who = {"actor": self.actor, "mark": secrets.token_hex(8)}  # the mark tells equal actions apart
        values = {"at": self._clock(), **who, "action": action, "target": target, **details}
        before = self._newest or await self._head()
        while not (newest := await self._append(before, values)):
            ahead = await self._link(before.number + 1)
            before = max(ahead, await self._head(), key=_number)
        self._newest = newest
        await self._move_head(newest)

    async def rows(self) -> AsyncIterator[dict[str, Any]]:
        """Yield every action, oldest first, with its `number`; None for those before the chain."""
        async for row in self._table.rows(LEGACY, chain=CHAIN):
            yield {"number": None, **row.values}
        async for row in self._table.rows("PartitionKey eq @chain", chain=CHAIN):
            yield {"number": int(row.key), **row.values}

    async def actions_on(self, target: str) -> AsyncIterator[dict[str, Any]]:
        """Yield every action on one request or parked message, oldest first. Scans the table."""
        async for row in self._table.rows("target eq @target", target=target):
            yield dict(row.values)

    async def verify(self, noted: Link | None = None) -> Verified:
        """Check every row against the one before it, and against a link that was noted. Raises Unanswered."""
        head, anchor = await self._head(), await self._anchor()
        marks = [head, noted or head]
        before, rows = anchor.link, 0
        if anchor.legacy != await self._legacy(anchor.since):
            return Verified(0, before.number + 1, before, "legacy")
        async for row in self._table.rows("PartitionKey eq @chain", chain=CHAIN):
            if int(row.key) <= anchor.link.number:  # its removal was interrupted
                continue
            if reason := _wrong(before, row, marks):
                return Verified(rows, anchor.link.number + 1, before, reason, before.number + 1)
            before, rows = Link(int(row.key), row.values["digest"]), rows + 1
        # Only the first row may be without a head: its operator crashed in between.
        is_head_gone = rows > 1 and await self._table.get(*HEAD) is None
        is_short = is_head_gone or before.number < max(mark.number for mark in marks)
        ending = ("missing", before.number + 1) if is_short else (None, None)
        return Verified(rows, anchor.link.number + 1, before, *ending)

    async def forget_before(self, at: datetime) -> int:
        """Remove the rows before an instant, and return how many. The chain then begins after them.

        The anchor moves first: a crash leaves rows before the anchor, which the next call removes. Raises
        Unanswered.
        """
        old = [row async for row in self._table.rows(LEGACY, chain=CHAIN) if row.values["at"] < at]
        link = (await self._anchor()).link
        async for row in self._table.rows("PartitionKey eq @chain", chain=CHAIN):
            if row.values["at"] >= at and int(row.key) > link.number:
                break
            old.append(row)
            link = max(link, Link(int(row.key), row.values["digest"]), key=_number)
        await self._table.upsert(*ANCHOR, _values(Anchor(link, at, await self._legacy(at))))
        for row in old:
            await self._table.delete(row.partition, row.key)
        return len(old)

    async def _append(self, before: Link, values: Mapping[str, Any]) -> Link | None:
        """Insert a row after `before`. Return its link; None if another operator's row has that place."""
        link = Link(before.number + 1, _digest(before, values))
        row = {**values, "digest": link.digest}
        if await self._table.write(CHAIN, _key(link.number), None, row):
            return link
        return link if await self._link(link.number) == link else None  # our own, whose answer was lost

    async def _link(self, number: int) -> Link:
        row = await self._table.get(CHAIN, _key(number))
        assert row, "the newest rows are never removed"
        return Link(number, row.values["digest"])

    async def _head(self) -> Link:
        """Return the newest link that is known: the head may lag behind the rows that retention removed."""
        row, anchor = await self._table.get(*HEAD), await self._anchor()
        head = Link(row.values["number"], row.values["digest"]) if row else anchor.link
        return max(head, anchor.link, key=_number)

    async def _move_head(self, link: Link) -> None:
        """Move the head forward, unless another operator has moved it further."""
        row = await self._table.get(*HEAD)
        while row is None or row.values["number"] < link.number:
            if await self._table.write(*HEAD, row, {"number": link.number, "digest": link.digest}):
                return
            row = await self._table.get(*HEAD)

    async def _anchor(self) -> Anchor:
        """Return where the kept rows begin. The first call begins the chain, after the rows of before it."""
        row = await self._table.get(*ANCHOR)
        if row:
            values = row.values
            return Anchor(Link(values["number"], values["digest"]), values["since"], values["legacy"])
        legacy = await self._legacy(_ALWAYS)
        await self._table.write(*ANCHOR, None, _values(Anchor(Link(0, legacy), _ALWAYS, legacy)))
        return await self._anchor()

    async def _legacy(self, since: datetime) -> str:
        """Return the hash of the rows of before the chain."""
        hashed = hashlib.sha256()
        async for row in self._table.rows(LEGACY, chain=CHAIN):
            if row.values["at"] >= since:
                hashed.update(_canonical([row.partition, row.key, row.values]))
        return hashed.hexdigest()


def _wrong(before: Link, row: Row, marks: Iterable[Link]) -> str | None:
    number, values = int(row.key), {**row.values}
    if number != before.number + 1:
        return "missing"
    link = Link(number, values.pop("digest", ""))
    is_marked = any(mark.number == number and mark != link for mark in marks)
    return "changed" if link.digest != _digest(before, values) or is_marked else None


def _digest(before: Link, values: Mapping[str, Any]) -> str:
    content = [before.number + 1, before.digest, dict(values)]
    return hashlib.sha256(_canonical(content)).hexdigest()


def _canonical(content: Iterable[Any]) -> bytes:
    return json.dumps(content, default=_instant, sort_keys=True, separators=(",", ":")).encode()


def _instant(value: Any) -> str:
    assert isinstance(value, datetime)
    return value.astimezone(UTC).isoformat(timespec="microseconds")


def _values(anchor: Anchor) -> dict[str, Any]:
    link = {"number": anchor.link.number, "digest": anchor.link.digest}
    return link | {"since": anchor.since, "legacy": anchor.legacy}


def _number(link: Link) -> int:
    return link.number


def _key(number: int) -> str:
    return f"{number:012}"
