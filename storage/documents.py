"""The documents that citizens open: PDF files that the back office puts into the container `documents`."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import suppress
from typing import TYPE_CHECKING, Final, NamedTuple

from azure.core.exceptions import AzureError, ResourceExistsError, ResourceNotFoundError

from storage.table import unanswered

if TYPE_CHECKING:  # the client is imported only where documents are served (account.py): half a second
    from azure.storage.blob.aio import BlobServiceClient

CONTAINER: Final = "documents"
# In bytes. IO documents no limit, but its backend holds a document whole in memory and a phone downloads it
# (docs/decisions/0016).
LARGEST_DOCUMENT: Final = 50 * 1024 * 1024


class NoDocument(Exception):
    """The container holds no blob of this name (yet)."""


class Document(NamedTuple):
    """A document that is being read: its size in bytes, and its bytes in pieces."""

    size: int
    pieces: AsyncGenerator[bytes]


class Documents:
    """Reads documents in pieces, so that none is ever whole in memory."""

    def __init__(self, client: BlobServiceClient) -> None:
        self._container = client.get_container_client(CONTAINER)

    async def open(self, blob: str) -> Document:
        """Begin to read a document. Raises NoDocument, Unanswered; reading its pieces raises Unanswered."""
        try:
            stream = await self._container.download_blob(blob)
        except ResourceNotFoundError:
            raise NoDocument(NoDocument.__doc__) from None
        except AzureError as error:
            raise unanswered(error) from None
        return Document(stream.size, _pieces(stream.chunks()))

    async def put(self, blob: str, content: bytes) -> None:
        """Write a document, whatever was there. Creates the container. Raises Unanswered."""
        try:
            with suppress(ResourceExistsError):
                await self._container.create_container()
            await self._container.upload_blob(blob, content, overwrite=True)
        except AzureError as error:
            raise unanswered(error) from None

    async def delete(self, blob: str) -> None:
        """Remove a document if it exists. Raises Unanswered."""
        try:
            await self._container.delete_blob(blob)
        except ResourceNotFoundError:
            return
        except AzureError as error:
            raise unanswered(error) from None


async def _pieces(chunks: AsyncIterator[bytes]) -> AsyncGenerator[bytes]:
    try:
        async for chunk in chunks:
            yield chunk
    except AzureError as error:
        raise unanswered(error) from None
