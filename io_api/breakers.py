"""The circuit breakers of IO's backends, shared by all workers.

Different programs behind IO's gateway serve profiles, messages and their status, so each kind of call has its
own breaker, for all services of the account. A failure that says nothing about the message (no connection, a
timeout, a 5xx, an answer that is not in IO's words) counts here and never on the message.

A failed read does no harm. The breaker of reads opens after ten failures in a row, and one real call probes
the backend.

A failed POST may have created its message, so few POSTs may fail. The breaker opens after three failures in a
row, and a safe probe decides: a GET of a message that does not exist, then a POST that IO must refuse. If IO
answers both, sending goes on; after five failures in a row, only if IO did not answer both at the probe
before. Otherwise sending goes on as a trial, at growing intervals, provided that IO answers the GET. Failures
count on until a message is answered, so the next one opens the breaker again.

A slow IO answers in the end, and an IO that fails one call in ten answers in between. Neither fails so often
in a row. If that happens by chance, IO answers the safe probe at once.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Final

from pydantic import BaseModel, ConfigDict

from io_api.errors import Suspended
from storage.table import Row, Table, Unanswered

log = logging.getLogger(__name__)

PARTITION: Final = "breakers"
COLUMN: Final = "breaker"
REASON: Final = "io_unavailable"

READ_FAILURES = 10
"""This many failed reads in a row open the breaker. Random failures of one read in ten never open it."""
SEND_FAILURES = 3
SURE_FAILURES = 5
REFRESH_SECONDS = 1.0
SHARE_SECONDS = 5.0
# A safe probe costs two calls. With these values, sending is back to its full rate within a minute of IO's
# recovery, unless it must wait for a trial.
PROBE_AFTER = timedelta(seconds=2)
LONGEST_INTERVAL = timedelta(seconds=20)
WAIT_SECONDS = 20.0
# A trial is a real message that may end in doubt: the first after 30 s, each later one after ten times the
# previous wait.
TRIAL_AFTER = timedelta(seconds=30)
TRIAL_GROWTH = 10
MOST_GROWTHS = 4


class Evidence(Enum):
    """The result of a safe probe of the backend that takes messages."""

    DEAD = auto()
    HALF = auto()  # the backend answers reads, but no POST
    ALIVE = auto()


class Breaker(BaseModel):
    """One row: how many calls failed in a row, and since when no call is made.

    probe_at: when the next probe may be made. trial_at: when a real message may be tried without proof.
    alive: whether IO answered the last safe probe.
    """

    model_config = ConfigDict(frozen=True)

    failures: int = 0
    opened_at: datetime | None = None
    probe_at: datetime | None = None
    probes: int = 0
    trial_at: datetime | None = None
    trials: int = 0
    alive: bool = False

    def after_failure(self, now: datetime, limit: int) -> "Breaker":
        """Count one more failure. At the limit the breaker opens, and its first probe is due at once."""
        failures = self.failures + 1
        if failures < limit or self.opened_at:
            return self.model_copy(update={"failures": failures})
        return Breaker(
            failures=failures,
            opened_at=now,
            probe_at=now,
            trial_at=now + TRIAL_AFTER * TRIAL_GROWTH ** min(self.trials, MOST_GROWTHS),
            trials=self.trials,
            alive=self.alive,
        )

    def probing(self, now: datetime) -> "Breaker":
        """Return the breaker with a probe under way. The interval to the next probe grows."""
        distance = min(LONGEST_INTERVAL, PROBE_AFTER * 2 ** min(self.probes, 10))
        return self.model_copy(update={"probe_at": now + distance, "probes": self.probes + 1})

    def after_evidence(self, evidence: Evidence, now: datetime) -> "Breaker":
        """Return the breaker after a safe probe: closed if sending may go on."""
        alive = evidence is Evidence.ALIVE
        tried = self.trial_at is not None and self.trial_at <= now and evidence is not Evidence.DEAD
        if tried or (alive and (self.failures < SURE_FAILURES or not self.alive)):
            return Breaker(failures=self.failures, trials=self.trials + tried, alive=alive)
        return self.model_copy(update={"alive": alive})

    @property
    def is_sound(self) -> bool:
        """Whether the newest call succeeded."""
        return self == Breaker()


class Breakers:
    """Reads and writes the rows of the breakers. `clock` gives the time in UTC."""

    def __init__(
        self, table: Table, clock: Callable[[], datetime], *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._table = table
        self._clock = clock
        self._monotonic = monotonic
        self._known: dict[str, tuple[Breaker, float]] = {}
        self._reading = asyncio.Lock()

    async def current(self, operation: str) -> Breaker:
        """Return the breaker of a kind of call, at most a second old. Raises Unanswered."""
        if self._is_old(operation):
            async with self._reading:
                if self._is_old(operation):
                    asked_at = self._monotonic()
                    _, breaker = await self._read(operation)
                    self._known[operation] = breaker, asked_at
        return self._known[operation][0]

    async def is_open(self, operation: str) -> bool:
        """Return whether the breaker is open, even if a probe is due. Raises Unanswered."""
        return (await self.current(operation)).opened_at is not None

    async def error_if_open(self, operation: str) -> Suspended | None:
        """Return why no call is made now, or None if calls are made or a probe is due. Raises Unanswered."""
        breaker = await self.current(operation)
        is_due = breaker.probe_at is not None and breaker.probe_at <= self._clock()
        return None if breaker.opened_at is None or is_due else backend_unavailable()

    async def take_probe(self, operation: str) -> bool:
        """Return whether the caller may make the due probe: one of all workers may. Raises Unanswered."""
        known = await self.current(operation)
        if known.probe_at is None or known.probe_at > self._clock():
            return False

        def take(breaker: Breaker) -> Breaker | None:
            return breaker.probing(self._clock()) if breaker.probe_at == known.probe_at else None

        return await self._change(operation, take)

    async def record_evidence(self, operation: str, evidence: Evidence) -> bool:
        """Record what a safe probe showed; return whether sending goes on. Raises Unanswered."""
        await self._change(
            operation, lambda one: one.after_evidence(evidence, self._clock()) if one.opened_at else None
        )
        return not await self.is_open(operation)

    async def record_failure(self, operation: str, *, limit: int) -> None:
        """Record a failed call whose failure says nothing about its message. Never fails."""
        before = self._known.get(operation, (Breaker(), 0.0))[0]
        local = before.after_failure(self._clock(), limit)
        self._known[operation] = local, self._monotonic()  # this process stops before the row is written
        await self._share(operation, lambda one: one.after_failure(self._clock(), limit))
        after = self._known[operation][0]
        if after.opened_at and not before.opened_at:
            log.warning("breaker opened operation=%s failures=%d", operation, after.failures)

    async def record_success(self, operation: str) -> None:
        """Record an answered call. Costs a write only after failures. Never fails."""
        known, _ = self._known.get(operation, (Breaker(), 0.0))
        if known.is_sound:
            return
        await self._share(operation, lambda one: None if one.is_sound else Breaker())
        if known.opened_at or known.failures >= SEND_FAILURES:
            log.info("breaker closed operation=%s", operation)

    def _is_old(self, operation: str) -> bool:
        _, known_at = self._known.get(operation, (Breaker(), float("-inf")))
        return self._monotonic() - known_at > REFRESH_SECONDS

    async def _read(self, operation: str) -> tuple[Row | None, Breaker]:
        row = await self._table.get(PARTITION, operation)
        return row, Breaker.model_validate_json(row.values[COLUMN]) if row else Breaker()

    async def _share(self, operation: str, decide: Callable[[Breaker], Breaker | None]) -> None:
        """Change the row, or give up after SHARE_SECONDS: a slow write must not lose IO's answer."""
        try:
            async with asyncio.timeout(SHARE_SECONDS):
                await self._change(operation, decide)
        except (TimeoutError, Unanswered) as error:
            log.warning("breaker state not shared reason=%s", type(error).__name__)

    async def _change(self, operation: str, decide: Callable[[Breaker], Breaker | None]) -> bool:
        """Write what `decide` returns for the row (None: nothing). Retry while other workers write first."""
        while True:
            row, breaker = await self._read(operation)
            after = decide(breaker)
            values = {COLUMN: after.model_dump_json()} if after else {}
            if after is None or await self._table.write(PARTITION, operation, row, values):
                self._known[operation] = after or breaker, self._monotonic()
                return after is not None


def backend_unavailable(reason: str = REASON) -> Suspended:
    """Return the error for a backend that does not answer, or answers too slowly for one more call."""
    error = Suspended(reason=reason)
    error.retry_after = WAIT_SECONDS
    return error
