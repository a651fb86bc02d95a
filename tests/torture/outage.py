"""Hosts that send during hours of an outage of IO (errors, hangs, or a withdrawn right), in virtual time.

The product's own account runs here (rate limiter, keys, circuit breakers, calls in flight) over one shared
table whose operations fail at random. The seed decides IO's answers. A message that has to wait comes back
after the time that it was given.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from math import inf
from typing import cast

from pydantic import SecretStr

from io_api.account import CLAIM_SECONDS, IoAccount, Keys
from io_api.breakers import Breakers
from io_api.client import IoClient
from io_api.errors import InDoubt, Misconfigured, NotSent
from io_api.in_flight import InFlight
from io_api.models import MessageContent, NewMessage
from io_api.rate_limiter import RateLimiter
from io_api.suspension_store import PROBE_AFTER, SuspensionStore
from settings import RateLimit
from storage.table import Unanswered
from tests.fakes import FakeTable, Steps
from tests.torture.scenario import Report
from tests.virtual_time import VirtualLoop, run

SERVICE = "default"
KEYS = Keys(SecretStr("first"), SecretStr("second"))
LIMIT = RateLimit(75, 5)  # the other half of the calls are checks
MESSAGE = NewMessage(
    fiscal_code="RSSMRA80A01H501U", content=MessageContent(subject="Avviso di prova", markdown="Testo " * 20)
)
MESSAGES = 100
WORKERS = 16  # the number of messages that a host processes at once (host.json)
POLLING = 2.0  # the seconds after which a host looks again at the latest (host.json)
BEFORE = 2.0
USUAL, LONGEST, SELDOM = 900.0, 2 * 3600.0, 0.1
BACK_WITHIN = 60.0
LATENCY = 0.2
DOUBTS = {1: 5, 4: 10}
FAULT_RATE = 0.01
GIVE_UP = 4 * 3600.0
NO_RIGHT = "no right"
FAULTS = ("503", "hang", NO_RIGHT)


@dataclass
class Io:
    """IO, which accepts messages except during the outage."""

    loop: VirtualLoop
    fault: str
    out: tuple[float, float]
    accepted: list[float] = field(default_factory=list)
    refused: list[tuple[float, SecretStr]] = field(default_factory=list)

    @property
    def is_out(self) -> bool:
        return self.out[0] <= self.loop.time() < self.out[1]

    async def submit_message(self, message: NewMessage, *, key: SecretStr) -> str:
        await asyncio.sleep(LATENCY)
        if not self.is_out:
            self.accepted.append(self.loop.time())
            return f"M{len(self.accepted)}"
        if self.fault == NO_RIGHT:
            self.refused.append((self.loop.time(), key))
            raise Misconfigured(reason="no_valid_scopes", status=403)
        await asyncio.sleep(60 if self.fault == "hang" else 0)
        raise InDoubt(reason="timeout" if self.fault == "hang" else "server_error", status=503)

    async def answers_reads(self, *, key: SecretStr) -> bool:
        await asyncio.sleep(LATENCY)
        return not self.is_out

    async def answers_sends(self, *, key: SecretStr) -> bool:
        await asyncio.sleep(LATENCY)
        return not self.is_out


class OutageScenario:
    """One outage under a seed, with one host or with four."""

    def __init__(self, seed: int) -> None:
        random.seed(seed)  # the product's own jitter
        self.rng = random.Random(seed)
        self.hosts = self.rng.choice(tuple(DOUBTS))
        self.fault = FAULTS[seed % len(FAULTS)]
        longest = LONGEST if self.rng.random() < SELDOM else USUAL
        self.out = (BEFORE, BEFORE + self.rng.uniform(longest / 2, longest))
        self.report = Report()
        self.waiting = [0.0] * MESSAGES
        self.open = MESSAGES
        self.doubts = 0

    def run(self) -> Report:
        """Send all messages, and check the invariants."""
        run(self._run())
        return self.report

    async def _run(self) -> None:
        loop = cast(VirtualLoop, asyncio.get_running_loop())
        io = Io(loop, self.fault, self.out)
        # If the write that opens a circuit may fail, no bound holds for the calls that try each key.
        rate = 0.0 if self.fault == NO_RIGHT else FAULT_RATE
        table = FakeTable("io", FailingSteps(self.rng, self.report.faults, rate), loop.clock)
        accounts = [_account(io, table, loop) for _ in range(self.hosts)]
        with suppress(TimeoutError):
            async with asyncio.timeout(self.out[1] + GIVE_UP):
                await asyncio.gather(*(self._work(each, loop) for each in accounts for _ in range(WORKERS)))
        self._judge(io)

    async def _work(self, account: IoAccount, loop: VirtualLoop) -> None:
        """One of a host's workers: takes a message that is due, as the platform delivers them."""
        while self.open:
            due = min(self.waiting, default=inf)
            if due > loop.time():
                await asyncio.sleep(min(POLLING, due - loop.time()))
                continue
            self.waiting.remove(due)
            try:
                async with account.permit_to_send(SERVICE) as permit:
                    await account.submit_message(MESSAGE, service=SERVICE, permit=permit)
                self.open -= 1
            except InDoubt:
                self.doubts += 1
                self.open -= 1
            except (NotSent, Unanswered) as error:
                self.waiting.append(loop.time() + _wait(error))

    def _judge(self, io: Io) -> None:
        broken, end = self.report.broken, self.out[1]
        self.report.states["ACCEPTED"] += len(io.accepted)
        self.report.states["IN_DOUBT"] += self.doubts
        broken["lost"] += len(io.accepted) + self.doubts != MESSAGES
        broken["too many in doubt"] += self.doubts > DOUBTS[self.hosts]
        first = next((at for at in io.accepted if at >= end), inf)
        broken["not back within a minute"] += first > end + BACK_WITHIN
        broken["asked for what it refuses"] += len(io.refused) > self._refusals_at_most()
        # IO grants a right to the service, so its other key does not have the right either.
        known = self.out[0] + PROBE_AFTER.total_seconds()
        broken["tried with the other key"] += any(
            at < known and key == KEYS.secondary for at, key in io.refused
        )

    def _refusals_at_most(self) -> float:
        """Calls in flight when the right is withdrawn, and a probe of one or both keys every half minute."""
        return 5 * self.hosts + 1.5 * (self.out[1] - self.out[0]) / PROBE_AFTER.total_seconds()


class FailingSteps(Steps):
    """Steps that fail at random without an answer, with their effect or without it."""

    def __init__(self, rng: random.Random, faults: Counter[str], rate: float) -> None:
        super().__init__()
        self._rate = rate
        self._rng = rng
        self._faults = faults

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """One step of a fake."""
        fails = self._rng.random() < self._rate and self._rng.choice(("error_before", "error_after"))
        if fails:
            self._faults[fails] += 1
        if fails == "error_before":
            raise Unanswered
        yield
        if fails == "error_after":
            raise Unanswered


def _account(io: Io, table: FakeTable, loop: VirtualLoop) -> IoAccount:
    account = IoAccount(
        cast(IoClient, io),
        {SERVICE: KEYS},
        rate_limiter=RateLimiter(table, LIMIT, monotonic=loop.time),
        suspensions=SuspensionStore(table, loop.clock, monotonic=loop.time),
        breakers=Breakers(table, loop.clock, monotonic=loop.time),
    )
    account._in_flight = InFlight(CLAIM_SECONDS, loop.time)
    return account


def _wait(error: Exception) -> float:
    """The time until a message comes back, as in send_message/deferral.py."""
    return getattr(error, "retry_after", 30.0) * random.uniform(0.5, 1)
