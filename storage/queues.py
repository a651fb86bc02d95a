"""The queues of the storage account. Their names are defined here and nowhere else."""

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Final

from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError
from azure.storage.queue import QueueMessage
from azure.storage.queue.aio import QueueClient, QueueServiceClient

from storage.table import answers

MESSAGE_REQUESTS: Final = "message-requests"
MESSAGE_SENDS: Final = "message-sends"
# Queues of their own for requests with priority "bulk", so that no other request waits behind them.
MESSAGE_REQUESTS_BULK: Final = "message-requests-bulk"
MESSAGE_SENDS_BULK: Final = "message-sends-bulk"
MESSAGE_SETTLED: Final = "message-settled"
MESSAGE_OUTCOMES: Final = "message-outcomes"

# Bodies travel in XML. XML cannot carry these characters (XML 1.0, 2.2 Char), so JSON escapes replace them.
_UNCARRIED: Final = {code: f"\\u{code:04x}" for code in (0xFFFE, 0xFFFF)}
# Put Message and Update Message allow at most seven days of invisibility (Azure Queue REST API).
LONGEST_DELAY = timedelta(days=7)

# A message of a queue holds at most 64 KiB (Azure Queue REST API, Put Message).
LONGEST_BODY: Final = 64 * 1024

# A queue is read through within this time: 20,000 messages take half a minute.
SIFTED_WITHIN: Final = timedelta(minutes=2)
# As many as one call returns (Get Messages), and as many calls at a time.
BATCH: Final = 32


def fits(body: str) -> bool:
    """Return whether a queue takes a body of this length. A put of a longer body can never succeed."""
    return len(body.encode()) <= LONGEST_BODY


def requests_queue(priority: str | None) -> str:
    """Return the queue on which requests of this priority wait for their recipient check."""
    return MESSAGE_REQUESTS_BULK if priority == "bulk" else MESSAGE_REQUESTS


def sends_queue(priority: str | None) -> str:
    """Return the queue on which requests of this priority wait to be sent."""
    return MESSAGE_SENDS_BULK if priority == "bulk" else MESSAGE_SENDS


def poison(queue: str) -> str:
    """Return the queue where the platform puts messages that failed too often on `queue`."""
    return f"{queue}-poison"


REQUEST_QUEUES: Final = (MESSAGE_REQUESTS, MESSAGE_REQUESTS_BULK)
SEND_QUEUES: Final = (MESSAGE_SENDS, MESSAGE_SENDS_BULK)
BULK_QUEUES: Final = (MESSAGE_REQUESTS_BULK, MESSAGE_SENDS_BULK)
INPUT_QUEUES: Final = (MESSAGE_REQUESTS, MESSAGE_SENDS, *BULK_QUEUES, MESSAGE_SETTLED)
POISON_QUEUES: Final = tuple(map(poison, INPUT_QUEUES))
QUEUES: Final = (*INPUT_QUEUES, *POISON_QUEUES, MESSAGE_OUTCOMES)


class Queues:
    """Puts messages on queues. A missing queue is created at the first put."""

    def __init__(self, client: QueueServiceClient) -> None:
        self._client = client

    async def put(self, queue: str, body: str, *, delay: timedelta = timedelta(0)) -> None:
        """Put a message that never expires, invisible for `delay` (at most LONGEST_DELAY).

        The body is JSON, or a body that a queue carried before. JSON itself escapes every control character.
        Raises Unanswered.
        """
        body = body.translate(_UNCARRIED)
        seconds = round(min(delay, LONGEST_DELAY).total_seconds())
        client = self._client.get_queue_client(queue)
        with answers():
            try:
                await client.send_message(body, visibility_timeout=max(0, seconds), time_to_live=-1)
            except ResourceNotFoundError:
                await self._create(queue)
                await self.put(queue, body, delay=delay)

    async def depth(self, queue: str) -> int:
        """Return about how many messages a queue holds, including hidden ones; 0 if the queue is missing.

        Raises Unanswered.
        """
        with answers():
            try:
                properties = await self._client.get_queue_client(queue).get_queue_properties()
            except ResourceNotFoundError:
                return 0
        return properties.approximate_message_count or 0

    async def oldest(self, queue: str) -> datetime | None:
        """Return when the next message was put; None if no message is visible. Raises Unanswered."""
        with answers():
            try:
                messages = await self._client.get_queue_client(queue).peek_messages()
            except ResourceNotFoundError:
                return None
        return messages[0].inserted_on if messages else None

    async def sift(self, queue: str, is_unwanted: Callable[[str], bool]) -> tuple[list[str], int]:
        """Remove the messages with unwanted bodies. Return these bodies, and how many messages are hidden.

        A queue shows its messages only to a reader that takes them: each counts as delivered once more, and
        comes back at the end. Nobody can read messages that are hidden: delayed, or being handled. Raises
        Unanswered.
        """
        client, depth = self._client.get_queue_client(queue), await self.depth(queue)
        read: dict[str, QueueMessage] = {}
        removed: list[str] = []
        with answers():
            while len(read) < depth + BATCH and (batch := await _batch(client, read)):
                for message in batch:
                    read[message.id] = message
                    if is_unwanted(message.content):
                        await client.delete_message(message)
                        removed.append(read.pop(message.id).content)
            await _put_back(client, read.values())
        return removed, max(0, depth - len(read) - len(removed))

    async def _create(self, queue: str) -> None:
        try:
            await self._client.create_queue(queue)
        except ResourceExistsError:
            return  # another worker created it at the same moment


async def _batch(client: QueueClient, read: Iterable[str]) -> list[QueueMessage]:
    """Return the next messages that are not read yet; none at the end of the queue."""
    hold = round(SIFTED_WITHIN.total_seconds())
    try:
        batch = client.receive_messages(messages_per_page=BATCH, max_messages=BATCH, visibility_timeout=hold)
        return [message async for message in batch if message.id not in read]
    except ResourceNotFoundError:  # no such queue
        return []


async def _put_back(client: QueueClient, messages: Iterable[QueueMessage]) -> None:
    places = asyncio.Semaphore(BATCH)

    async def one(message: QueueMessage) -> None:
        async with places:
            with suppress(ResourceNotFoundError):  # it came back by itself, and was handled
                await client.update_message(message.id, message.pop_receipt, visibility_timeout=0)

    await asyncio.gather(*map(one, messages))
