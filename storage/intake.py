"""Takes queue messages for the functions.

A message about which nothing can be decided goes back to its queue for later, as a copy. The platform counts
failed deliveries, and no failure of storage or the keyring may count against a message.
"""

import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Final, Protocol

import telemetry
from storage.cipher import Undecipherable
from storage.queues import POISON_QUEUES, Queues, fits
from storage.readiness import NotReady, Readiness
from storage.table import Unanswered

log = logging.getLogger(__name__)

MARK: Final = "\t \t"
"""Prefix of a copy's body, because its first delivery may have crashed anywhere. JSON ignores the blanks."""
# The delay that host.json (visibilityTimeout) sets for the platform's own retries.
RETRY_AFTER = timedelta(seconds=30)


class PutBack(Unanswered):
    """Storage does not accept the result, so the body that goes back to the queue carries it."""

    def __init__(self, body: str) -> None:
        super().__init__("storage does not accept the result; the queue message carries it")
        self.body = body


class QueueMessage(Protocol):
    """The message that the platform delivers (azure.functions.QueueMessage)."""

    @property
    def dequeue_count(self) -> int | None: ...

    def get_body(self) -> bytes: ...


type Handler = Callable[[str, bool], Awaitable[None]]
"""Handles a body; the flag says whether the body was delivered before."""


class Intake:
    """Passes messages to their handlers, and puts back those about which nothing can be decided."""

    def __init__(self, readiness: Readiness, queues: Queues) -> None:
        self._readiness = readiness
        self._queues = queues

    async def take(self, function: str, queue: str, message: QueueMessage, handle: Handler) -> None:
        """Pass a message to its handler. Raises the errors that the message itself causes.

        On a poison queue every failed message is put back, because the copy does not expire after seven days
        as the platform's does.
        """
        text = message.get_body().decode()
        body = text.removeprefix(MARK)
        redelivered = text != body or (message.dequeue_count or 1) > 1
        with telemetry.processing(function, queue, body.encode()):
            try:
                await self._readiness.check()
                await handle(body, redelivered)
            except Exception as error:
                if not await self._is_excused(error) and queue not in POISON_QUEUES:
                    raise
                await self._put_back(queue, error.body if isinstance(error, PutBack) else body, error)

    async def _is_excused(self, error: Exception) -> bool:
        if isinstance(error, Unanswered | Undecipherable):
            self._readiness.recheck()
        if isinstance(error, Undecipherable):  # if the keyring is complete, the row is damaged
            return not await self._readiness.holds()
        return isinstance(error, NotReady | Unanswered)

    async def _put_back(self, queue: str, body: str, error: Exception) -> None:
        is_known = isinstance(error, NotReady | Unanswered)
        delay = self._readiness.wait() if is_known else RETRY_AFTER
        marked = MARK + body
        await self._queues.put(queue, marked if fits(marked) else body, delay=delay)
        log.warning(
            "put back queue=%s seconds=%.0f reason=%s",
            queue, delay.total_seconds(), type(error).__name__, exc_info=None if is_known else error,
        )  # fmt: skip
