"""The institution's own system: requests and settlements go to its queues, outcomes come back."""

import asyncio
import contextlib
from collections.abc import Iterable

from azure.core.exceptions import ResourceExistsError
from azure.storage.queue.aio import QueueClient, QueueServiceClient

from contract.outcome import Outcome
from storage.queues import (
    INPUT_QUEUES,
    MESSAGE_OUTCOMES,
    MESSAGE_REQUESTS,
    MESSAGE_SETTLED,
    POISON_QUEUES,
    QUEUES,
)


class Institution:
    """Its connection to the queues, which are made if they are not there."""

    def __init__(self, connection_string: str) -> None:
        self._queues = QueueServiceClient.from_connection_string(connection_string)

    async def open(self) -> None:
        """Make the queues."""
        for name in QUEUES:
            with contextlib.suppress(ResourceExistsError):
                await self._queues.create_queue(name)

    async def put(self, bodies: Iterable[str]) -> None:
        """Ask for messages, in this order."""
        queue = self._queue(MESSAGE_REQUESTS)
        for body in bodies:
            await queue.send_message(body)

    async def settle(self, bodies: Iterable[str]) -> None:
        """Tell of notices that were paid."""
        queue = self._queue(MESSAGE_SETTLED)
        for body in bodies:
            await queue.send_message(body)

    async def outcomes(self) -> list[Outcome]:
        """The outcomes since the last time, read by the contract's model and taken off the queue."""
        queue = self._queue(MESSAGE_OUTCOMES)
        messages = [message async for message in queue.receive_messages(messages_per_page=32)]
        await asyncio.gather(*(queue.delete_message(message) for message in messages))
        return [Outcome.model_validate_json(message.content) for message in messages]

    async def left_behind(self) -> tuple[int, int]:
        """How many messages are in sight on the queues that the app works off, and how many come later."""
        in_sight = there = 0
        for queue in map(self._queue, (*INPUT_QUEUES, *POISON_QUEUES)):
            in_sight += len(await queue.peek_messages(max_messages=32))
            there += (await queue.get_queue_properties()).approximate_message_count or 0
        return in_sight, there - in_sight

    async def aclose(self) -> None:
        """Close the connections."""
        await self._queues.close()

    def _queue(self, name: str) -> QueueClient:
        return self._queues.get_queue_client(name)
