"""How many messages this process has on their way to IO without an answer.

When IO stops answering, all of them end in doubt, so there are no more of them than the usual time of an
answer asks for. The limit starts at one and grows by one with each answer that comes while a message whose
instant had come found no place; by as many as found none if IO is slow. After a round of answers, as many as
the limit, it sinks to what was needed, or grows by half if IO is slow and more messages wait. It is one after
a failure. Messages are claimed a moment before they need a place, no more of them than will find one.

A POST that hangs holds its place for a minute. If IO is proved to answer meanwhile, the places that hang are
given to others, once: until a message is answered again, the proof is worth no more than that.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Hashable
from contextlib import suppress

LEAST = 1
MOST = 24
# When no place was taken or given back for so long, the messages on their way may hang.
HUNG_SECONDS = 10.0
# A message that was told of a free place may not take it: the others look for themselves, too.
LOOK_AGAIN_SECONDS = 1.0
# What is reckoned with before the first answer, and at least.
FIRST_ANSWER_SECONDS, SHORTEST_ANSWER_SECONDS = 0.1, 0.02


class InFlight:
    """A limit on messages without an answer; one for the process.

    A message is any object that stands for it; it is claimed `lead_seconds` before it takes its place.
    """

    def __init__(self, lead_seconds: float, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._lead_seconds = lead_seconds
        self._monotonic = monotonic
        self._limit = LEAST
        self._outside = 0
        self._claimed: set[Hashable] = set()
        self._out: dict[Hashable, float] = {}  # since when, oldest first
        self._most_out = 0  # in this round of answers
        self._answers = 0  # of this round
        self._answer_seconds = FIRST_ANSWER_SECONDS
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._moved = asyncio.Event()
        self._moved_at = monotonic()
        self._may_release_hung = True

    async def room(self) -> None:
        """Wait until a place is free and one more message may be claimed."""
        self._outside += 1
        try:
            while not (self._free_places and self._admits):
                self._moved.clear()
                await self._moved.wait()
        finally:
            self._outside -= 1

    def claim(self, message: Hashable) -> bool:
        """Whether this message may be claimed: there will be a place, or it is the first to wait for one."""
        if admits := self._admits:
            self._claimed.add(message)
        return admits

    def take(self, message: Hashable) -> bool:
        """Take a place if one is free."""
        if not self._free_places:
            return False
        self._claimed.discard(message)
        self._out[message] = self._moved_at = self._monotonic()
        self._most_out = max(self._most_out, len(self._out))
        return True

    async def wanted(self) -> None:
        """Wait until a place is free that would have been taken: with the next answer there is one more."""
        told: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(told)
        try:
            while not told.done() and not self._free_places:
                await asyncio.wait((told,), timeout=LOOK_AGAIN_SECONDS)
        finally:
            with suppress(ValueError):  # it was taken out when it was told
                self._waiting.remove(told)

    def free(self, message: Hashable) -> None:
        """The message needs no place any more."""
        self._claimed.discard(message)
        if self._out.pop(message, None) is not None:
            self._moved_at = self._monotonic()
        self._share()

    def answered(self, message: Hashable) -> None:
        """A message was answered, and holds its place still: one more if others wait for theirs."""
        self._answer_seconds = self._monotonic() - self._out.get(message, self._moved_at)
        self._answers += 1
        more = len(self._waiting) if self._is_slow else min(1, len(self._waiting))
        self._limit = min(MOST, self._limit + more)
        if self._answers >= self._limit:
            self._limit = self._needed()
            self._answers, self._most_out = 0, len(self._out)
        self._may_release_hung = True

    def _needed(self) -> int:
        # For an IO that is slow hardly anybody is claimed who could show that more places are needed.
        if self._is_slow and self._outside and self._most_out >= self._limit:
            return min(MOST, self._limit + max(1, self._limit // 2))
        return max(LEAST, min(self._limit, self._most_out))

    def failed(self) -> None:
        """A message got no answer: one at a time until another is answered."""
        self._limit, self._answers, self._most_out = LEAST, 0, 0

    def take_probe(self) -> bool:
        """Whether the caller should find out if IO answers: all places hang. One caller is told so a time."""
        now = self._monotonic()
        hangs = len(self._out) >= self._limit and now - self._moved_at >= HUNG_SECONDS
        if hangs and self._may_release_hung:
            self._moved_at = now
            return True
        return False

    def release_hung(self) -> None:
        """IO answers: the messages that hang hold no place any more."""
        self._out.clear()
        self._limit = LEAST
        self._may_release_hung = False
        self._moved_at = self._monotonic()
        self._share()

    @property
    def _is_slow(self) -> bool:
        return self._answer_seconds > self._lead_seconds

    @property
    def _free_places(self) -> int:
        return max(0, self._limit - len(self._out))

    @property
    def _admits(self) -> bool:
        oldest = next(iter(self._out.values()), self._monotonic())
        answer = max(SHORTEST_ANSWER_SECONDS, self._answer_seconds, self._monotonic() - oldest)
        will_be_free = self._limit * self._lead_seconds / answer
        return len(self._claimed) < self._free_places + will_be_free + 1

    def _share(self) -> None:
        for _ in range(min(self._free_places, len(self._waiting))):
            self._waiting.popleft().set_result(None)
        self._moved.set()
