"""The rate limiter: gives each call to IO its slot, from the rate budget that all workers share."""

import asyncio
import contextlib
import random
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import telemetry
from io_api.answers import Answer
from io_api.errors import RateLimited
from io_api.rate_budget import LATEST, Budget, Feedback, Priority, Slot
from settings import RateLimit
from storage.storage_clock import StorageClock
from storage.table import Row, Table

TABLE: Final = "ioaccount"
PARTITION: Final = "account"
BUDGET: Final = "budget"
CLOCK: Final = "clock"

MAX_WAIT_SECONDS = 60.0
"""The longest wait for a slot before RateLimited. An invocation lasts five minutes at most (host.json)."""
# The next chunk is reserved while the last one is still in use.
AHEAD_SECONDS = 1.0
# After a 429 or an answer with no calls left, wait this long: IO would refuse calls.
FULL_SECONDS = 0.25
# A process that got no slot, because other calls go first, tries again after this.
RETRY_SECONDS = 0.2
# A worker that loses the race for the row tries again after this, at most.
LONGEST_JITTER_SECONDS = 0.03


class RateLimiter:
    """Gives each call its slot. One for all services, because IO counts the calls of the account.

    Reserves for all waiting calls of this process at once. If the answer to a write is lost, at most one
    chunk of slots is wasted.
    """

    def __init__(
        self,
        table: Table,
        limit: RateLimit,
        *,
        max_wait_seconds: float = MAX_WAIT_SECONDS,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._table = table
        self._limit = limit
        self._max_wait_seconds = max_wait_seconds
        self._monotonic = monotonic
        self._clock = StorageClock(monotonic)
        self._waiting: dict[Priority, deque[asyncio.Future[Slot]]] = {one: deque() for one in Priority}
        self._reserving: asyncio.Task[None] | None = None
        self._feedback = Feedback()
        self._full_until = 0.0
        self._last_at = 0.0  # the last slot that this process got

    def observe(self, answer: Answer) -> None:
        """Learn from an answer of IO how much of the limit is left."""
        left, feedback = answer.calls_left, self._feedback
        if left is not None:
            telemetry.io_utilisation.record(max(0.0, 1 - left / self._limit.calls))
        if answer.status == 429 or left is not None:
            is_full = not left  # a 429 that does not say, or no call left
            self._full_until = self._monotonic() + (FULL_SECONDS if is_full else 0)
        if answer.status == 429:
            longest = max(feedback.retry_after, answer.retry_after)
            self._feedback = feedback._replace(refused=True, retry_after=longest)
        elif left is not None:
            least = left if feedback.least_left is None else min(left, feedback.least_left)
            self._feedback = feedback._replace(least_left=least)
        else:
            self._feedback = feedback._replace(answered=True)

    async def reserve(self, priority: Priority) -> "Permit":
        """Wait until the call has its own slot, and return the permit for it. The slot lies in the future.

        Raises RateLimited or Unanswered.
        """
        asked_at = self._monotonic()
        slot = await self._next_slot(priority)
        still = max(0.0, slot.at - self._clock.now())
        waited = self._monotonic() - asked_at + still
        telemetry.io_permit_wait.record(waited, {"priority": priority.name.lower()})
        return Permit(self, slot)

    async def budget(self) -> Budget:
        """Return the account's current budget. Raises Unanswered."""
        return self._budget_in(await self._table.get(PARTITION, BUDGET))

    async def wait_until(self, slot: Slot, *, before: float = 0.0) -> bool:
        """Wait until the slot, or until `before` seconds ahead of it. Return whether the slot is usable.

        A slot is not usable if it was missed, or if IO has just answered that the window is full.
        """
        await asyncio.sleep(slot.at - before - self._clock.now())
        return self.is_in_time(slot) and self._monotonic() >= self._full_until

    def is_in_time(self, slot: Slot) -> bool:
        """Return whether the slot was not missed."""
        return self._clock.now() - slot.at <= LATEST * self._limit.seconds

    async def _next_slot(self, priority: Priority) -> Slot:
        waiter: asyncio.Future[Slot] = asyncio.get_running_loop().create_future()
        self._waiting[priority].append(waiter)
        if self._reserving is None or self._reserving.done():
            self._reserving = asyncio.create_task(self._reserve_for_all())
        try:
            async with asyncio.timeout(self._max_wait_seconds):
                return await waiter
        except TimeoutError:
            raise RateLimited(reason="budget_spent") from None
        finally:
            with contextlib.suppress(ValueError):  # removed when it got its slot
                self._waiting[priority].remove(waiter)

    async def _reserve_for_all(self) -> None:
        """Reserve slots as long as calls wait for one. A failure here fails every waiting call."""
        try:
            while self._wants():
                await self._reserve_chunk()
        except Exception as error:  # noqa: BLE001 - passed to every waiting call
            for waiter in self._waiters():
                waiter.set_exception(error)

    async def _reserve_chunk(self) -> None:
        if self._clock.is_known:
            await asyncio.sleep(self._last_at - AHEAD_SECONDS - self._clock.now())
        else:
            await self._learn_the_time()
        slots = await self._written_slots()
        if slots is None:
            await asyncio.sleep(random.uniform(0, LONGEST_JITTER_SECONDS))
        elif slots:
            self._assign(slots)
        else:
            await asyncio.sleep(RETRY_SECONDS)

    async def _written_slots(self) -> list[Slot] | None:
        """Return the slots reserved for the calls that wait here, or None if another worker wrote first."""
        row = await self._table.get(PARTITION, BUDGET)
        now, feedback = self._clock.now(), self._feedback
        budget, slots = (
            self._budget_in(row).adjusted(self._safe_limit, feedback, now).reserve(self._wants(), now)
        )
        if slots and slots[0].at - now > self._max_wait_seconds:
            raise _spent(slots[0].at - now)
        if slots and not await self._write(row, budget):
            return None
        if slots and self._feedback is feedback:
            self._feedback = Feedback()
        return slots

    def _budget_in(self, row: Row | None) -> Budget:
        limit = self._safe_limit
        return Budget.of(row.values, limit) if row else Budget.full(limit)

    @property
    def _safe_limit(self) -> RateLimit:
        """The limit over a longer window, which also holds earlier calls that may leave late."""
        return self._limit._replace(seconds=self._limit.seconds + self._clock.late)

    async def _write(self, row: Row | None, budget: Budget) -> bool:
        values, sent = budget.values(), self._monotonic()
        etag = await self._table.write(PARTITION, BUDGET, row, values)
        if etag:
            self._clock.learn(etag, sent=sent, received=self._monotonic())
        return etag is not None

    async def _learn_the_time(self) -> None:
        for _ in range(2):  # the first answer is delayed by the time to connect
            sent = self._monotonic()
            etag = await self._table.upsert(PARTITION, CLOCK, {})
            self._clock.learn(etag, sent=sent, received=self._monotonic())

    def _assign(self, slots: list[Slot]) -> None:
        self._last_at = slots[-1].at
        for slot in slots:
            waiting = self._waiting[slot.priority]
            while waiting and not _served(waiting.popleft(), slot):
                pass

    def _wants(self) -> dict[Priority, int]:
        return {priority: len(waiters) for priority, waiters in self._waiting.items() if waiters}

    def _waiters(self) -> list[asyncio.Future[Slot]]:
        return [waiter for waiters in self._waiting.values() for waiter in waiters if not waiter.done()]


@dataclass(eq=False)
class Permit:
    """One call's right to leave at its slot."""

    _rate_limiter: RateLimiter
    _slot: Slot

    async def wait_until_near(self, seconds: float) -> None:
        """Wait until `seconds` before the slot."""
        await self._rate_limiter.wait_until(self._slot, before=seconds)

    def is_in_time(self) -> bool:
        """Return whether the slot was not missed."""
        return self._rate_limiter.is_in_time(self._slot)

    async def wait_until_due(self) -> None:
        """Wait until the slot. Another slot replaces one that is not usable. Raises as `reserve` does."""
        while not await self._rate_limiter.wait_until(self._slot):
            self._slot = await self._rate_limiter._next_slot(self._slot.priority)


def _served(waiter: asyncio.Future[Slot], slot: Slot) -> bool:
    if waiter.done():  # the waiting call gave up at this moment
        return False
    waiter.set_result(slot)
    return True


def _spent(wait: float) -> RateLimited:
    error = RateLimited(reason="budget_spent")
    error.retry_after = wait
    return error
