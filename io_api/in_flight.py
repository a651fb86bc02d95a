"""The limit on messages in flight: those that this process sent to IO and that have no answer yet.

When IO stops answering, every message in flight ends in doubt. The process therefore keeps no more in flight
than the usual time of an answer requires.

The limit starts at one. An answer raises the limit by one if a message at its slot found no place, or by the
number of such messages if IO is slow. A round is as many answers as the limit. After a round the limit falls
to the places that were needed, or grows by half if IO is slow and more messages wait. A failure sets the
limit to one. A message is claimed a moment before it needs a place, and only if it will find one.

A POST that hangs holds its place for a minute. If a probe proves meanwhile that IO answers, other messages
get the places that hang, once: until IO answers a message again, the proof allows no more than that.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Hashable
from contextlib import suppress

LEAST = 1
MOST = 24
# If no place was taken or given back for this long, the messages in flight may hang.
HUNG_SECONDS = 10.0
# A message that was notified of a free place may not take it, so the others also check at this interval.
LOOK_AGAIN_SECONDS = 1.0
# The time of an answer that is assumed before the first one, and the least that is ever assumed.
FIRST_ANSWER_SECONDS, SHORTEST_ANSWER_SECONDS = 0.1, 0.02


class InFlight:
    """The limit on messages without an answer; one for the process.

    Any hashable object may stand for a message. A message is claimed `lead_seconds` before it takes a place.
    """

    def __init__(self, lead_seconds: float, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._lead_seconds = lead_seconds
        self._monotonic = monotonic
        self._limit = LEAST
        self._outside = 0
        self._claimed: set[Hashable] = set()
        self._out: dict[Hashable, float] = {}  # message: since when, oldest first
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
        """Claim a message that will find a place or be the first to wait. Return whether it was claimed."""
        if admits := self._admits:
            self._claimed.add(message)
        return admits

    def take(self, message: Hashable) -> bool:
        """Take a place if one is free. Return whether the message has one."""
        if not self._free_places:
            return False
        self._claimed.discard(message)
        self._out[message] = self._moved_at = self._monotonic()
        self._most_out = max(self._most_out, len(self._out))
        return True

    async def wanted(self) -> None:
        """Wait for a free place at the message's slot. While messages wait, an answer raises the limit."""
        told: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(told)
        try:
            while not told.done() and not self._free_places:
                await asyncio.wait((told,), timeout=LOOK_AGAIN_SECONDS)
        finally:
            with suppress(ValueError):  # `_share` has removed a message that it notified
                self._waiting.remove(told)

    def free(self, message: Hashable) -> None:
        """Give back the message's claim and place."""
        self._claimed.discard(message)
        if self._out.pop(message, None) is not None:
            self._moved_at = self._monotonic()
        self._share()

    def answered(self, message: Hashable) -> None:
        """Record an answer. The message still holds its place; the limit grows if others wait for theirs."""
        self._answer_seconds = self._monotonic() - self._out.get(message, self._moved_at)
        self._answers += 1
        more = len(self._waiting) if self._is_slow else min(1, len(self._waiting))
        self._limit = min(MOST, self._limit + more)
        if self._answers >= self._limit:
            self._limit = self._needed()
            self._answers, self._most_out = 0, len(self._out)
        self._may_release_hung = True

    def _needed(self) -> int:
        # While IO is slow, hardly any message is claimed, so few can show that more places are needed.
        if self._is_slow and self._outside and self._most_out >= self._limit:
            return min(MOST, self._limit + max(1, self._limit // 2))
        return max(LEAST, min(self._limit, self._most_out))

    def failed(self) -> None:
        """Record a message without an answer. Allow one at a time until another is answered."""
        self._limit, self._answers, self._most_out = LEAST, 0, 0

    def take_probe(self) -> bool:
        """Return whether all places hang and the caller should probe IO. One caller at a time gets True."""
        now = self._monotonic()
        hangs = len(self._out) >= self._limit and now - self._moved_at >= HUNG_SECONDS
        if hangs and self._may_release_hung:
            self._moved_at = now
            return True
        return False

    def release_hung(self) -> None:
        """Free the places of the messages that hang, because IO answers."""
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
