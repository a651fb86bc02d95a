"""What IO fetches when a citizen opens a message: the newest version of each remote content, and the former.

One partition per remote content. Its row `current` is the version that IO gets; a correction keeps the former
version under its number. One more partition per document, by the keyed hash of its blob's name, has a row for
each remote content that refers to it, so that a shared document is removed with the last of them.
"""

import logging
from collections.abc import AsyncIterator, Collection, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from typing import Any, Final

from contract.remote_content import RemoteContent
from storage.cipher import Cipher, Undecipherable
from storage.documents import Documents
from storage.table import AlreadyThere, Changed, Row, Table

log = logging.getLogger(__name__)

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
        """Keep the first version, unless there is one. Idempotent. Raises Unanswered.

        The references come first: no document of a content that IO could fetch is without one.
        """
        await self._refer(content.remote_content_id, remote_content)
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
        await self._refer(content.remote_content_id, remote_content)
        await self._table.upsert(content.remote_content_id, _number(content), _values(content))
        newer = replace(content, version=content.version + 1, since=at, undeclared=undeclared)
        after = self._sealed(newer, remote_content)
        try:
            etag = await self._table.replace(content.row, _values(after))
        except Changed:
            await self._undo(content.remote_content_id, remote_content)
            raise
        return replace(after, row=Row(content.row.partition, content.row.key, _values(after), etag))

    async def _undo(self, remote_content_id: str, content: RemoteContent) -> None:
        """Remove what a correction wrote, if the content was forgotten meanwhile. Its documents stay."""
        if await self.get(remote_content_id) is None:
            for blob in sorted({attachment.blob for attachment in content.attachments}):
                await self._release(blob, remote_content_id, None)
            await self.forget(remote_content_id)

    async def of_recipients(self, recipients: Collection[str]) -> set[str]:
        """Return the remote contents of these keyed hashes. Scans the table. Raises Unanswered."""
        rows = self._table.rows("", columns=["recipient"])
        return {row.partition async for row in rows if row.values.get("recipient") in recipients}

    async def forget(
        self,
        remote_content_id: str,
        documents: Documents | None = None,
        *,
        needed: Collection[str] = (),
    ) -> None:
        """Remove every version and, given `documents`, each document to which no other content refers.

        `needed`: documents that stay, because requests that nobody has examined yet name them. Without
        `documents` all stay, as of a message that was never sent: the back office may still need them.
        Idempotent, also after a crash anywhere: the current version goes first, so that IO gets nothing
        more, and is numbered like the former ones, which name the documents and go last. Raises Unanswered.
        """
        if current := await self.get(remote_content_id):
            await self._table.upsert(remote_content_id, _number(current), _values(current))
            await self._table.delete(remote_content_id, _CURRENT)
        former = [version async for version in self.versions(remote_content_id)]
        for blob in sorted({blob for version in former for blob in self._blobs(version)}):
            await self._release(blob, remote_content_id, None if blob in needed else documents)
        for version in former:
            await self._table.delete(remote_content_id, _number(version))

    def content_of(self, content: KeptContent) -> RemoteContent:
        """Return the remote content itself. Raises Undecipherable."""
        return RemoteContent.model_validate_json(self._cipher.open_properties("content", content.sealed))

    @property
    def can_tell(self) -> bool:
        """Whether `is_for` can answer: the index key has been read."""
        return self._cipher.has_index_key

    def is_for(self, content: KeptContent, fiscal_code: str) -> bool:
        """Return whether this person is the recipient. The time does not depend on the answer."""
        return self._cipher.matches(content.recipient, fiscal_code.encode())

    async def _refer(self, remote_content_id: str, content: RemoteContent) -> None:
        for blob in sorted({attachment.blob for attachment in content.attachments}):
            await self._table.upsert(self._partitions(blob)[0], remote_content_id, {})

    async def _release(self, blob: str, remote_content_id: str, documents: Documents | None) -> None:
        """Remove the reference, then the document if that was the last: the later of two sees that."""
        for partition in self._partitions(blob):
            await self._table.delete(partition, remote_content_id)
        if documents:
            await self.remove_document(blob, documents)

    async def remove_document(self, blob: str, documents: Documents) -> None:
        """Remove a document, unless a remote content refers to it. Raises Unanswered."""
        if not await self._is_referred_to(blob):
            await documents.delete(blob)

    async def _is_referred_to(self, blob: str) -> bool:
        for partition in self._partitions(blob):
            async for _ in self._table.rows("PartitionKey eq @blob", blob=partition):
                return True
        return False

    def _partitions(self, blob: str) -> list[str]:
        """Return the partitions of a document's references, one for each key of the hashes."""
        return [f"document-{digest}" for digest in self._cipher.digests(blob.encode())]

    def _blobs(self, kept: KeptContent) -> list[str]:
        try:
            return [attachment.blob for attachment in self.content_of(kept).attachments]
        except Undecipherable:  # its key was given up, so nobody can name its documents any more
            log.error("documents of a lost key are not removed request_id=%s", kept.request_id)
            return []

    def _sealed(self, kept: KeptContent, content: RemoteContent) -> KeptContent:
        sealed = self._cipher.seal_properties("content", content.model_dump_json().encode())
        return replace(kept, attachments=len(content.attachments), sealed=sealed)


def _number(content: KeptContent) -> str:
    return f"{content.version:06}"


def _values(content: KeptContent) -> dict[str, Any]:
    columns = {item.name: getattr(content, item.name) for item in fields(content)}
    del columns["sealed"], columns["row"]
    return {name: value for name, value in (columns | {**content.sealed}).items() if value is not None}


def _content(row: Row) -> KeptContent:
    names = {item.name for item in fields(KeptContent)}
    columns = {name: value for name, value in row.values.items() if name in names}
    sealed = {name: value for name, value in row.values.items() if name.startswith("content")}
    return KeptContent(**columns, sealed=sealed, row=row)
