"""What IO fetches when a citizen opens a message: the newest version of each remote content, and the former.

One partition per remote content. Its row `current` is the version that IO gets; a correction keeps the former
version under its number.
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from typing import Any, Final

from contract.remote_content import RemoteContent
from storage.cipher import Cipher
from storage.table import AlreadyThere, Row, Table

TABLE: Final = "remotecontents"
_CURRENT: Final = "current"


@dataclass(frozen=True)
class KeptContent:
    """One version of a remote content. `recipient` is the keyed hash of the fiscal code. Times are UTC.

    undeclared: how many documents do not say that they are PDF/A; None if nobody has looked.
    """

    remote_content_id: str
    request_id: str
    recipient: str
    since: datetime
    version: int = 1
    attachments: int = 0
    undeclared: int | None = None
    sealed: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    row: Row | None = field(default=None, repr=False, compare=False)


class RemoteContents:
    """Keeps remote contents. Texts and names of documents are encrypted."""

    def __init__(self, table: Table, cipher: Cipher) -> None:
        self._table = table
        self._cipher = cipher

    async def keep(self, content: KeptContent, remote_content: RemoteContent) -> None:
        """Keep the first version, unless there is one. Idempotent. Raises Unanswered."""
        values = _values(self._sealed(content, remote_content))
        try:
            await self._table.insert(content.remote_content_id, _CURRENT, values)
        except AlreadyThere:
            return

    async def get(self, remote_content_id: str) -> KeptContent | None:
        """Return the current version, or None. Raises Unanswered."""
        row = await self._table.get(remote_content_id, _CURRENT)
        return _content(row) if row else None

    async def versions(self, remote_content_id: str) -> AsyncIterator[KeptContent]:
        """Yield every version, the current one last. Raises Unanswered."""
        async for row in self._table.rows("PartitionKey eq @id", id=remote_content_id):
            yield _content(row)

    async def correct(
        self,
        content: KeptContent,
        remote_content: RemoteContent,
        at: datetime,
        *,
        undeclared: int | None = None,
    ) -> KeptContent:
        """Replace a version that was read, and keep it under its number. Returns the new version.

        `undeclared` is as in KeptContent. Raises Changed if another correction came first, Unanswered.
        """
        assert content.row, "only what was read is corrected"
        await self._table.upsert(content.remote_content_id, f"{content.version:06}", _values(content))
        newer = replace(content, version=content.version + 1, since=at, undeclared=undeclared)
        after = self._sealed(newer, remote_content)
        etag = await self._table.replace(content.row, _values(after))
        return replace(after, row=Row(content.row.partition, content.row.key, _values(after), etag))

    async def forget(self, remote_content_id: str) -> None:
        """Remove every version. Idempotent. Raises Unanswered."""
        async for row in self._table.rows("PartitionKey eq @id", columns=["version"], id=remote_content_id):
            await self._table.delete(row.partition, row.key)

    def content_of(self, content: KeptContent) -> RemoteContent:
        """Return the remote content itself. Raises Undecipherable."""
        return RemoteContent.model_validate_json(self._cipher.open_properties("content", content.sealed))

    def is_for(self, content: KeptContent, fiscal_code: str) -> bool:
        """Return whether this person is the recipient. The time does not depend on the answer."""
        return self._cipher.matches(content.recipient, fiscal_code.encode())

    def _sealed(self, kept: KeptContent, content: RemoteContent) -> KeptContent:
        sealed = self._cipher.seal_properties("content", content.model_dump_json().encode())
        return replace(kept, attachments=len(content.attachments), sealed=sealed)


def _values(content: KeptContent) -> dict[str, Any]:
    columns = {item.name: getattr(content, item.name) for item in fields(content)}
    del columns["sealed"], columns["row"]
    return {name: value for name, value in (columns | {**content.sealed}).items() if value is not None}


def _content(row: Row) -> KeptContent:
    names = {item.name for item in fields(KeptContent)}
    columns = {name: value for name, value in row.values.items() if name in names}
    sealed = {name: value for name, value in row.values.items() if name.startswith("content")}
    return KeptContent(**columns, sealed=sealed, row=row)
