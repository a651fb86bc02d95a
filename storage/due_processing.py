"""Handles the due rows of an index, oldest first, within the time budget of one invocation."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from storage.due_index import LEASE, DueEntry, DueIndex, Lease, LeaseLost

log = logging.getLogger(__name__)

# Enough to use the share of IO's limit left for due rows. Each row waits for its permit and for IO's answer.
CONCURRENCY = 24
# The tick finishes its last row before the platform ends the invocation after five minutes (host.json).
BUDGET = timedelta(seconds=240)
# Renew the lease when less than LEAST_LEASE is left, so that each row finishes within it and no two hosts
# handle the same row.
LONGEST_HANDLING = timedelta(seconds=45)
LEAST_LEASE = LEASE - timedelta(seconds=30)


async def process_due(
    due_index: DueIndex,
    handle: Callable[[DueEntry], Awaitable[None]],
    *,
    what: str,
    wait: Callable[[datetime], float],
    clock: Callable[[], datetime],
) -> None:
    """Run one tick: handle every row that is due. `what` names the work in the log.

    `wait` returns how many seconds to wait before the next row. A row that fails stays due. The failures are
    raised together at the end.
    """
    try:
        lease = await due_index.acquire()
    except LeaseLost:
        log.info("not %s: another host holds the lease", what)
        return
    await _Tick(lease, due_index, handle, what, wait, clock).run()


@dataclass
class _Tick:
    lease: Lease
    due_index: DueIndex
    handle: Callable[[DueEntry], Awaitable[None]]
    what: str
    wait: Callable[[datetime], float]
    clock: Callable[[], datetime]
    places: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(CONCURRENCY))
    running: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    handled: int = 0
    lag: timedelta = timedelta(0)
    left: int = 0
    oldest_left: DueEntry | None = None
    failures: list[Exception] = field(default_factory=list)

    async def run(self) -> None:
        try:
            await self._take_all()
        finally:
            await asyncio.gather(*self.running.values())
        await self._end()
        log.info(
            "%s handled=%d left=%d lag_days=%.2f",
            self.what, self.handled, self.left, self.lag / timedelta(days=1),
        )  # fmt: skip
        if self.failures:
            raise ExceptionGroup(f"messages that could not be {self.what} stay due", self.failures)

    async def _take_all(self) -> None:
        async with aclosing(self.due_index.due(self.lease.since)) as rows:
            async for due in rows:
                if due.request_id in self.running:  # a crash left two rows: the next tick takes the second
                    self._leave(due)
                    continue
                await self.places.acquire()
                if not await self._has_time():
                    self._leave(due)
                    return
                self._start(due)

    async def _has_time(self) -> bool:
        """Wait for as long as IO asks, and return whether one more row may be handled."""
        wait = self.wait(self.clock())
        if self.clock() + timedelta(seconds=wait) > self.lease.began_at + BUDGET:
            return False
        await asyncio.sleep(wait)
        return await self._holds_lease()

    async def _holds_lease(self) -> bool:
        if self.lease.ends_at - self.clock() >= LEAST_LEASE:
            return True
        try:
            self.lease = await self.due_index.renew(self.lease)
        except LeaseLost:
            return False
        return True

    def _start(self, due: DueEntry) -> None:
        self.handled += 1
        self.lag = max(self.lag, self.clock() - due.due_at)
        self.running[due.request_id] = asyncio.create_task(self._try(due))

    async def _try(self, due: DueEntry) -> None:
        try:
            async with asyncio.timeout(LONGEST_HANDLING.total_seconds()):
                await self.handle(due)
        except TimeoutError:
            log.warning("handling timed out, the row stays due request_id=%s", due.request_id)
            self._leave(due)
        except Exception as error:  # noqa: BLE001 - raised at the end; one message must not stop the others
            self.failures.append(error)
            self._leave(due)
        finally:
            del self.running[due.request_id]
            self.places.release()

    def _leave(self, due: DueEntry) -> None:
        self.left += 1
        self.oldest_left = min(self.oldest_left or due, due, key=lambda each: each.bucket)

    async def _end(self) -> None:
        try:
            await self.due_index.release(self.lease, self.oldest_left)
        except LeaseLost:
            log.warning("lease lost: another host took it during the tick")
