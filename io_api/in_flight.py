"""The limit on messages in flight: those that this process sent to IO and that have no answer yet.

When IO stops answering, every message in flight ends in doubt. The process therefore keeps no more in flight
than the usual time of an answer requires.

The limit starts at one. Each answer raises the limit by one while a message waits for a place (by the number
waiting if IO is slow). A round ends after as many answers as the limit allows messages. The limit then falls
to the places that were needed, or grows by half if IO is slow and more messages wait. A failure sets the
limit to one. A message is claimed a moment before it needs a place, and only if it will find one.

A POST that hangs holds its place for a minute. If a probe proves meanwhile that IO answers, the hung places
are written off and one more message may go. This is allowed again only after IO answers a message.
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
RECHECK_SECONDS = 1.0
# Assumed answer time before the first answer, and the lower bound of any assumed answer time.
FIRST_ANSWER_SECONDS, SHORTEST_ANSWER_SECONDS = 0.1, 0.02


class InFlight:
    """The limit on messages without an answer; one for the process.

    Any hashable object may stand for a message. A message is claimed `lead_seconds` before it takes a place.
    """

    def __init__(self, lead_seconds: float, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._lead_seconds = lead_seconds
        self._monotonic = monotonic
        self._limit = LEAST
        self._waiting_to_claim = 0
        self._claimed: set[Hashable] = set()
        self._in_flight: dict[Hashable, float] = {}  # message: since when, oldest first
        self._most_in_flight = 0  # in this round of answers
        self._answers = 0  # of this round
        self._answer_seconds = FIRST_ANSWER_SECONDS
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._changed = asyncio.Event()
        self._changed_at = monotonic()
        self._may_release_hung = True

    async def wait_for_room(self) -> None:
        """Wait until a place is free and one more message may be claimed."""
        self._waiting_to_claim += 1
        try:
            while not (self._free_places and self._admits):
                self._changed.clear()
                await self._changed.wait()
        finally:
            self._waiting_to_claim -= 1

    def admit(self, message: Hashable) -> bool:
        """Claim a message that will find a place or be the first to wait. Return whether it was claimed."""
        if admits := self._admits:
            self._claimed.add(message)
        return admits

    def take(self, message: Hashable) -> bool:
        """Take a place if one is free. Return whether the message has one."""
        if not self._free_places:
            return False
        self._claimed.discard(message)
        self._in_flight[message] = self._changed_at = self._monotonic()
        self._most_in_flight = max(self._most_in_flight, len(self._in_flight))
        return True

    async def wait_for_place(self) -> None:
        """Wait for a free place at the message's slot. While messages wait, an answer raises the limit."""
        notified: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(notified)
        try:
            while not notified.done() and not self._free_places:
                await asyncio.wait((notified,), timeout=RECHECK_SECONDS)
        finally:
            with suppress(ValueError):  # `_share` has removed a message that it notified
                self._waiting.remove(notified)

    def free(self, message: Hashable) -> None:
        """Give back the message's claim and place."""
        self._claimed.discard(message)
        if self._in_flight.pop(message, None) is not None:
            self._changed_at = self._monotonic()
        self._share()

    def answered(self, message: Hashable) -> None:
        """Record an answer. The message still holds its place; the limit grows if others wait for theirs."""
        self._answer_seconds = self._monotonic() - self._in_flight.get(message, self._changed_at)
        self._answers += 1
        more = len(self._waiting) if self._is_slow else min(1, len(self._waiting))
        self._limit = min(MOST, self._limit + more)
        if self._answers >= self._limit:
            self._limit = self._needed()
            self._answers, self._most_in_flight = 0, len(self._in_flight)
        self._may_release_hung = True

    def _needed(self) -> int:
        # While IO is slow, hardly any message is claimed, so few can show that more places are needed.
        if self._is_slow and self._waiting_to_claim and self._most_in_flight >= self._limit:
            return min(MOST, self._limit + max(1, self._limit // 2))
        return max(LEAST, min(self._limit, self._most_in_flight))

    def failed(self) -> None:
        """Record a message without an answer. Allow one at a time until another is answered."""
        self._limit, self._answers, self._most_in_flight = LEAST, 0, 0

    def take_probe(self) -> bool:
        """Return whether all places hang and the caller should probe IO. One caller at a time gets True."""
        now = self._monotonic()
        hangs = len(self._in_flight) >= self._limit and now - self._changed_at >= HUNG_SECONDS
        if hangs and self._may_release_hung:
            self._changed_at = now
            return True
        return False

    def release_hung(self) -> None:
        """Free the places of the messages that hang, because IO answers, and set the limit to one."""
        self._in_flight.clear()
        self._limit = LEAST
        self._may_release_hung = False
        self._changed_at = self._monotonic()
        self._share()

    @property
    def _is_slow(self) -> bool:
        return self._answer_seconds > self._lead_seconds

    @property
    def _free_places(self) -> int:
        return max(0, self._limit - len(self._in_flight))

    @property
    def _admits(self) -> bool:
        oldest = next(iter(self._in_flight.values()), self._monotonic())
        answer = max(SHORTEST_ANSWER_SECONDS, self._answer_seconds, self._monotonic() - oldest)
        will_be_free = self._limit * self._lead_seconds / answer
        return len(self._claimed) < self._free_places + will_be_free + 1

    def _share(self) -> None:
        for _ in range(min(self._free_places, len(self._waiting))):
            self._waiting.popleft().set_result(None)
        self._changed.set()
