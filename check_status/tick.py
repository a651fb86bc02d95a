"""One tick of the timer: looks at what is due, oldest first, for as long as an invocation may take."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from contextlib import aclosing
from datetime import datetime, timedelta
from typing import Any

from check_status.follow import follow
from check_status.gate import Gate
from io_api.account import IoAccount
from storage.due_index import LEASE, DueEntry, DueIndex, OutOfTurn, Turn
from storage.ledger import Ledger
from storage.outcomes import Outcomes

log = logging.getLogger(__name__)

# Enough for what IO's limit leaves to them, each of which waits for its turn and for its answer.
CONCURRENT_LOOKS = 24
# With the last look the tick ends before the platform ends it after five minutes (host.json).
BUDGET = timedelta(seconds=240)
# The turn is prolonged in time for every look to end within it, so that no two hosts look at one message.
LONGEST_LOOK = timedelta(seconds=45)
LEAST_LEASE = LEASE - timedelta(seconds=30)


async def follow_due(
    *,
    ledger: Ledger,
    io: IoAccount,
    due_index: DueIndex,
    outcomes: Outcomes,
    clock: Callable[[], datetime],
) -> None:
    """One tick. A message whose look fails stays due; the failures are raised together at the end."""
    gate = Gate()

    async def look(due: DueEntry) -> None:
        await follow(
            due, gate=gate, ledger=ledger, io=io, due_index=due_index, outcomes=outcomes, clock=clock
        )

    try:
        turn = await due_index.begin()
    except OutOfTurn:
        log.info("not followed: another host is at it")
        return
    await _Tick(turn, look, gate, due_index, clock).run()


class _Tick:
    def __init__(
        self,
        turn: Turn,
        look: Callable[[DueEntry], Coroutine[Any, Any, None]],
        gate: Gate,
        due_index: DueIndex,
        clock: Callable[[], datetime],
    ) -> None:
        self._turn = turn
        self._look = look
        self._gate = gate
        self._due_index = due_index
        self._clock = clock
        self._places = asyncio.Semaphore(CONCURRENT_LOOKS)
        self._looks: dict[str, asyncio.Task[None]] = {}
        self._made = 0
        self._behind = timedelta(0)
        self._left = 0
        self._oldest_left: DueEntry | None = None
        self._failures: list[Exception] = []

    async def run(self) -> None:
        try:
            await self._take_all()
        finally:
            await asyncio.gather(*self._looks.values())
        await self._end()
        log.info(
            "followed looks=%d left=%d days_behind=%.2f",
            self._made, self._left, self._behind / timedelta(days=1),
        )  # fmt: skip
        if self._failures:
            raise ExceptionGroup("messages that could not be followed stay due", self._failures)

    async def _take_all(self) -> None:
        async with aclosing(self._due_index.due(self._turn.since)) as rows:
            async for due in rows:
                if due.request_id in self._looks:  # a death left two rows; the second look is the next tick's
                    self._leave(due)
                    continue
                await self._places.acquire()
                if not await self._has_time():
                    self._leave(due)
                    return
                self._start(due)

    async def _has_time(self) -> bool:
        """Whether one more look may begin, after the wait that IO asks for."""
        wait = self._gate.wait(self._clock())
        if self._clock() + timedelta(seconds=wait) > self._turn.began_at + BUDGET:
            return False
        await asyncio.sleep(wait)
        return await self._has_turn()

    async def _has_turn(self) -> bool:
        if self._turn.ends_at - self._clock() >= LEAST_LEASE:
            return True
        try:
            self._turn = await self._due_index.go_on(self._turn)
        except OutOfTurn:
            return False
        return True

    def _start(self, due: DueEntry) -> None:
        self._made += 1
        self._behind = max(self._behind, self._clock() - due.due_at)
        self._looks[due.request_id] = asyncio.create_task(self._try(due))

    async def _try(self, due: DueEntry) -> None:
        try:
            async with asyncio.timeout(LONGEST_LOOK.total_seconds()):
                await self._look(due)
        except TimeoutError:
            log.warning("look cut off, it stays due request_id=%s", due.request_id)
            self._leave(due)
        except Exception as error:  # noqa: BLE001 - raised at the end; one message must not stop the others
            self._failures.append(error)
            self._leave(due)
        finally:
            del self._looks[due.request_id]
            self._places.release()

    def _leave(self, due: DueEntry) -> None:
        self._left += 1
        self._oldest_left = min(self._oldest_left or due, due, key=lambda each: each.bucket)

    async def _end(self) -> None:
        try:
            await self._due_index.end(self._turn, self._oldest_left)
        except OutOfTurn:
            log.warning("another host took the turn while this one was at it")
