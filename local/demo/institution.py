"""The institution's own system: it puts documents, requests and settlements, and takes outcomes."""

import asyncio
import contextlib
from collections.abc import Iterable

from azure.core.exceptions import ResourceExistsError
from azure.storage.blob.aio import BlobServiceClient
from azure.storage.queue.aio import QueueClient, QueueServiceClient

from contract.outcome import Outcome
from local.demo.document import Document
from storage.documents import CONTAINER
from storage.queues import (
    INPUT_QUEUES,
    MESSAGE_OUTCOMES,
    MESSAGE_REQUESTS,
    MESSAGE_SETTLED,
    POISON_QUEUES,
    QUEUES,
)


class Institution:
    """The institution's connection to queues and documents. `open` creates the missing queues."""

    def __init__(self, connection_string: str) -> None:
        self._queues = QueueServiceClient.from_connection_string(connection_string)
        self._blobs = BlobServiceClient.from_connection_string(connection_string)

    async def open(self) -> None:
        """Create the queues."""
        for name in QUEUES:
            with contextlib.suppress(ResourceExistsError):
                await self._queues.create_queue(name)

    async def store(self, documents: Iterable[Document]) -> None:
        """Put documents where the app reads them."""
        container = self._blobs.get_container_client(CONTAINER)
        with contextlib.suppress(ResourceExistsError):
            await container.create_container()
        for document in documents:
            await container.upload_blob(document.blob, document.content)

    async def put(self, bodies: Iterable[str]) -> None:
        """Request messages, in this order."""
        queue = self._queue(MESSAGE_REQUESTS)
        for body in bodies:
            await queue.send_message(body)

    async def settle(self, bodies: Iterable[str]) -> None:
        """Report paid notices."""
        queue = self._queue(MESSAGE_SETTLED)
        for body in bodies:
            await queue.send_message(body)

    async def outcomes(self) -> list[Outcome]:
        """Take the new outcomes off the queue, and read them with the contract's model."""
        queue = self._queue(MESSAGE_OUTCOMES)
        messages = [message async for message in queue.receive_messages(messages_per_page=32)]
        await asyncio.gather(*(queue.delete_message(message) for message in messages))
        return [Outcome.model_validate_json(message.content) for message in messages]

    async def left_behind(self) -> tuple[int, int]:
        """Return how many messages on the app's queues are visible, and how many become visible later."""
        in_sight = there = 0
        for queue in map(self._queue, (*INPUT_QUEUES, *POISON_QUEUES)):
            in_sight += len(await queue.peek_messages(max_messages=32))
            there += (await queue.get_queue_properties()).approximate_message_count or 0
        return in_sight, there - in_sight

    async def aclose(self) -> None:
        """Close the connections."""
        await self._queues.close()
        await self._blobs.close()

    def _queue(self, name: str) -> QueueClient:
        return self._queues.get_queue_client(name)
