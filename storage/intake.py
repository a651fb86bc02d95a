"""Takes queue messages for the functions.

A message about which nothing can be decided goes back to its queue for later, as a copy: the platform counts
what fails, and nothing that storage or the keyring does counts against a message.
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
"""Goes before the body of a copy, whose first delivery may have died anywhere; blanks to who reads JSON."""
# As host.json has it for what fails on the platform's own account.
COME_BACK = timedelta(seconds=30)


class PutBack(Unanswered):
    """Storage does not take what was done: the body goes back to the queue and carries it."""

    def __init__(self, body: str) -> None:
        super().__init__("the queue carries what storage does not take")
        self.body = body


class QueueMessage(Protocol):
    """What the platform hands over (azure.functions.QueueMessage)."""

    @property
    def dequeue_count(self) -> int | None: ...

    def get_body(self) -> bytes: ...


type Handler = Callable[[str, bool], Awaitable[None]]
"""What a function does with a body, and whether it was delivered before."""


class Intake:
    """Has messages handled, and puts back what cannot be decided."""

    def __init__(self, readiness: Readiness, queues: Queues) -> None:
        self._readiness = readiness
        self._queues = queues

    async def take(self, function: str, queue: str, message: QueueMessage, handle: Handler) -> None:
        """Have a message handled; raises what the message itself is to blame for.

        On a poison queue nothing is: what was put back does not end after seven days, as the platform's copy.
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
        if isinstance(error, Undecipherable):  # a damaged row, if the keyring is whole
            return not await self._readiness.holds()
        return isinstance(error, NotReady | Unanswered)

    async def _put_back(self, queue: str, body: str, error: Exception) -> None:
        is_known = isinstance(error, NotReady | Unanswered)
        delay = self._readiness.wait() if is_known else COME_BACK
        marked = MARK + body
        await self._queues.put(queue, marked if fits(marked) else body, delay=delay)
        log.warning(
            "put back queue=%s seconds=%.0f reason=%s",
            queue, delay.total_seconds(), type(error).__name__, exc_info=None if is_known else error,
        )  # fmt: skip
