"""The parked table: messages from poison queues, kept with their reason until an operator decides."""

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from typing import Any, Final

from contract.violations import Violation
from storage.cipher import Cipher
from storage.table import AlreadyThere, Row, Table

TABLE: Final = "parked"


@dataclass(frozen=True)
class ParkedMessage:
    """One parked message. `queue` is where the message came from and goes back to.

    `parked_id` is the request_id if the ledger holds the request. Otherwise `parked_id` is made of a keyed
    hash of the body, so that the same body is parked once. Times are UTC. `times` counts how often the
    message came.
    """

    queue: str
    parked_id: str
    reason: str
    first_at: datetime
    last_at: datetime
    times: int = 1
    attempts: int = 0
    request_id: str | None = None
    service: str | None = None
    campaign: str | None = None
    http_status: int | None = None
    traceparent: str | None = None
    violations: tuple[Violation, ...] = ()
    sealed_body: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    etag: str | None = field(default=None, repr=False, compare=False)  # of the row as read


class Parked:
    """Keeps parked messages, one partition per queue. Bodies are encrypted."""

    def __init__(self, table: Table, cipher: Cipher) -> None:
        self._table = table
        self._cipher = cipher

    def id_of(self, body: str) -> str:
        """Return the parked_id of a body that has no ledger entry."""
        return f"body-{self._cipher.digest(body.encode())[:32]}"

    async def keep(self, message: ParkedMessage, body: str) -> ParkedMessage:
        """Park a message with its body, like `keep_sealed`."""
        sealed_body = self._cipher.seal_properties("body", body.encode())
        return await self.keep_sealed(replace(message, sealed_body=sealed_body))

    async def keep_sealed(self, message: ParkedMessage) -> ParkedMessage:
        """Park a message, or count up one that is parked already, unless its `last_at` is the same.

        Returns the message as kept.
        """
        try:
            await self._table.insert(message.queue, message.parked_id, _values(message))
        except AlreadyThere:
            there = await self.get(message.queue, message.parked_id)
            if there:
                times = there.times + (there.last_at != message.last_at)
                message = replace(message, first_at=there.first_at, times=max(message.times, times))
            await self._table.upsert(message.queue, message.parked_id, _values(message))
        return message

    async def get(self, queue: str, parked_id: str) -> ParkedMessage | None:
        """Return one parked message, or None."""
        row = await self._table.get(queue, parked_id)
        return parked_of(row) if row else None

    async def find(self, an_id: str) -> list[ParkedMessage]:
        """Return the messages with this parked_id or request_id."""
        return [
            parked_of(row) async for row in self._table.rows("RowKey eq @id or request_id eq @id", id=an_id)
        ]

    async def all(self) -> AsyncIterator[ParkedMessage]:
        """Yield every parked message, by queue."""
        async for row in self._table.rows(""):
            yield parked_of(row)

    async def headers(self, **equal: str) -> AsyncIterator[ParkedMessage]:
        """Yield messages whose columns equal these values, by queue, without bodies. Raises Unanswered."""
        condition = " and ".join(f"{column} eq @{column}" for column in equal)
        columns = [item.name for item in fields(ParkedMessage) if item.name not in ("sealed_body", "etag")]
        async for row in self._table.rows(condition, columns=columns, **equal):
            yield parked_of(row)

    async def remove(self, message: ParkedMessage) -> None:
        """Remove a parked message if its row is still as read. Raises Changed, Unanswered.

        A message that was parked again meanwhile is another one, which no operator has seen.
        """
        assert message.etag, "only what was read is removed"
        await self._table.delete_as_read(message.queue, message.parked_id, message.etag)

    def body_of(self, message: ParkedMessage) -> str:
        """Return the body as it came. Raises Undecipherable."""
        return self._cipher.open_properties("body", message.sealed_body).decode()


def _values(message: ParkedMessage) -> dict[str, Any]:
    columns = {item.name: getattr(message, item.name) for item in fields(message)}
    body, _ = columns.pop("sealed_body"), columns.pop("etag")
    columns["violations"] = json.dumps([violation.model_dump() for violation in message.violations])
    return {name: value for name, value in (columns | body).items() if value is not None}


def parked_of(row: Row) -> ParkedMessage:
    """Return the parked message that a row holds."""
    names = {item.name for item in fields(ParkedMessage)}
    columns = {name: value for name, value in row.values.items() if name in names}
    body = {name: value for name, value in row.values.items() if name.startswith("body")}
    violations = json.loads(row.values["violations"])
    columns["violations"] = tuple(Violation(**violation) for violation in violations)
    return ParkedMessage(**columns, sealed_body=body, etag=row.etag)
