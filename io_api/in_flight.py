"""How many messages this process has on their way to IO without an answer.

When IO stops answering, all of them end in doubt, so there are no more of them than the usual time of an
answer asks for. The limit starts at one and grows by one with each answer that comes while a message whose
instant had come found no place. It sinks when fewer places are needed, and is one after a failure.

A POST that hangs holds its place for a minute. If IO is proved to answer meanwhile, the places that hang are
given to others, once: until a message is answered again, the proof is worth no more than that.
"""

import asyncio
import time
from collections.abc import Callable

LEAST = 1
MOST = 24
# When no place was taken or given back for so long, the messages on their way may hang.
HUNG_SECONDS = 10.0


class Place:
    """The right to have one message on its way."""


class InFlight:
    """A limit on messages without an answer; one for the process."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._limit = LEAST
        self._out: set[Place] = set()
        self._waiting = 0
        self._freed = asyncio.Event()
        self._moved_at = monotonic()
        self._may_pass_over = True

    def take(self) -> Place | None:
        """Take a place; None when all are taken."""
        if len(self._out) >= self._limit:
            return None
        place = Place()
        self._out.add(place)
        self._moved_at = self._monotonic()
        return place

    async def wanted(self) -> None:
        """Wait until a place is free that would have been taken: with the next answer there is one more."""
        self._waiting += 1
        try:
            await self.room()
        finally:
            self._waiting -= 1

    async def room(self) -> None:
        """Wait until a place is free."""
        while len(self._out) >= self._limit:
            self._freed.clear()
            await self._freed.wait()

    def free(self, place: Place) -> None:
        """Give the place back."""
        self._out.discard(place)
        self._moved_at = self._monotonic()
        self._freed.set()

    def answered(self) -> None:
        """A message was answered and gave its place back: one more if others wait, one less if empty."""
        step = 1 if self._waiting else -1 if len(self._out) < self._limit - 1 else 0
        self._limit = min(MOST, max(LEAST, self._limit + step))
        self._may_pass_over = True

    def failed(self) -> None:
        """A message got no answer: one at a time until another is answered."""
        self._limit = LEAST

    def take_probe(self) -> bool:
        """Whether the caller should find out if IO answers: all places hang. One caller is told so a time."""
        now = self._monotonic()
        hangs = len(self._out) >= self._limit and now - self._moved_at >= HUNG_SECONDS
        if hangs and self._may_pass_over:
            self._moved_at = now
            return True
        return False

    def pass_over(self) -> None:
        """IO answers: the messages that hang hold no place any more."""
        self._out.clear()
        self._limit = LEAST
        self._may_pass_over = False
        self._freed.set()
