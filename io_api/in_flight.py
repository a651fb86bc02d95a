"""How many messages this process has on their way to IO without an answer.

When IO stops answering, all of them end in doubt, so there are no more of them than the usual time of an
answer asks for. The limit starts at two and grows by one with each answer that comes while others wait for a
place. It sinks when fewer places are needed, and is one after a failure.
"""

import asyncio

LEAST = 2
MOST = 24


class InFlight:
    """A limit on messages without an answer; one for the process."""

    def __init__(self) -> None:
        self._limit = LEAST
        self._out = 0
        self._waiting = 0
        self._freed = asyncio.Event()

    async def take(self) -> None:
        """Take a place; waits until one is free."""
        await self.room()
        self._out += 1

    async def room(self) -> None:
        """Wait until a place is free."""
        self._waiting += 1
        try:
            while self._out >= self._limit:
                self._freed.clear()
                await self._freed.wait()
        finally:
            self._waiting -= 1

    def free(self) -> None:
        """Give the place back."""
        self._out -= 1
        self._freed.set()

    def answered(self) -> None:
        """A message was answered: one more place if others wait for one, one less if many are empty."""
        step = 1 if self._waiting else -1 if 2 * self._out < self._limit else 0
        self._limit = min(MOST, max(LEAST, self._limit + step))

    def failed(self) -> None:
        """A message got no answer: one at a time until another is answered."""
        self._limit = 1
