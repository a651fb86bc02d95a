"""Lives of a few messages, followed by several hosts that crash, stall and lose answers at any step.

The ticks are the product's own, on an event loop. Every access to a table, a queue or IO is a step. At a
step, other hosts may run first, and the step may fail with or without its effect, take minutes, or crash its
host.
"""

import asyncio
import json
import random
from collections import Counter
from collections.abc import AsyncIterator, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from check_status.follow import follow_due
from context import Context
from io_api.account import IoAccount
from io_api.errors import PaymentLookupFailed, RateLimited, Unavailable, Unreachable
from io_api.models import MessageStatus
from io_api.rate_budget import Priority
from storage.due_index import DueEntry
from storage.due_processing import LONGEST_HANDLING
from storage.ledger import State, Step, entry_of
from storage.queues import MESSAGE_OUTCOMES, MESSAGE_SENDS
from storage.table import ETag, Row, Unanswered
from tests.fakes import Died, FakeClock, FakeQueues, FakeTable, seen
from tests.samples import KEYS, a_cipher, a_request, payment

TICK = timedelta(minutes=5)
# The last poll comes at the earliest a twentieth before the horizon, so events until then must be known.
SURE = timedelta(days=56)
NEVER = timedelta(days=1_000)
QUIET = (Died, Unanswered, ExceptionGroup, BaseExceptionGroup)


@dataclass(frozen=True)
class Life:
    """The fate of a message at IO, by its age."""

    request_id: str
    advanced: bool
    has_payment: bool
    outcome: str
    delivered: timedelta
    read: timedelta
    paid: timedelta
    hidden: timedelta  # until then IO answers UNAVAILABLE

    def status(self, age: timedelta) -> MessageStatus:
        """IO's answer for a message of this age."""
        if age < self.delivered:
            return seen("ACCEPTED")
        if self.outcome != "PROCESSED" or not self.advanced:
            return seen(self.outcome)
        read = "UNAVAILABLE" if age < self.hidden else "READ" if age >= self.read else "UNREAD"
        paid = ("PAID" if age >= self.paid else "NOT_PAID") if self.has_payment else None
        return seen("PROCESSED", read, paid)

    def must_be_known(self) -> set[str]:
        """The words that the history must contain at the end."""
        words = {"ACCEPTED", self.outcome}
        if self.outcome == "PROCESSED" and self.advanced:
            words |= {"READ"} if max(self.read, self.hidden) < SURE else set()
            words |= {"PAID"} if self.has_payment and self.paid < SURE else set()
        return words


@dataclass
class Fire:
    """The faults to inject, at `rate` of the steps; `faults` counts them.

    A host that stalls for longer than its lease continues beside the next host, with stale knowledge.
    `suspended` is True once that has happened.
    """

    rng: random.Random
    clock: FakeClock
    rate: float
    faults: int = 0
    suspended: bool = False

    def stall(self) -> None:
        """Make a step take long."""
        seconds = self.rng.choice((1, 4, 250))
        self.clock.advance(seconds=seconds)
        self.suspended |= seconds > LONGEST_HANDLING.total_seconds()

    def draws(self, *kinds: str) -> str | None:
        """Draw one of these kinds, or none."""
        if self.rng.random() >= self.rate:
            return None
        self.faults += 1
        return self.rng.choice(kinds)


class Host:
    """A process; once it is dead, none of its tasks does anything."""

    def __init__(self) -> None:
        self.dead = False


HOST: ContextVar[Host] = ContextVar("host")


@contextmanager
def _may_fail(fire: Fire) -> Iterator[None]:
    kind = fire.draws("die_before", "die_after", "lost_before", "lost_after", "stall")
    if kind == "stall":
        fire.stall()
    _fail(kind, "before")
    yield
    _fail(kind, "after")


def _fail(kind: str | None, when: str) -> None:
    if kind == f"die_{when}":
        HOST.get().dead = True
    if HOST.get().dead:
        raise Died
    if kind == f"lost_{when}":
        raise Unanswered()


class BurningTable(FakeTable):
    """A table whose every operation is a step, before which other tasks may run."""

    def __init__(self, name: str, fire: Fire) -> None:
        super().__init__(name)
        self._fire = fire

    async def get(self, partition: str, key: str) -> Row | None:
        await _others(self._fire)
        with _may_fail(self._fire):
            return await super().get(partition, key)

    async def insert(self, partition: str, key: str, values: Mapping[str, Any]) -> ETag:
        await _others(self._fire)
        with _may_fail(self._fire):
            return await super().insert(partition, key, values)

    async def replace(self, row: Row, values: Mapping[str, Any]) -> ETag:
        await _others(self._fire)
        with _may_fail(self._fire):
            return await super().replace(row, values)

    async def upsert(self, partition: str, key: str, values: Mapping[str, Any]) -> ETag:
        await _others(self._fire)
        with _may_fail(self._fire):
            return await super().upsert(partition, key, values)

    async def delete(self, partition: str, key: str) -> None:
        await _others(self._fire)
        with _may_fail(self._fire):
            await super().delete(partition, key)

    async def rows(
        self, condition: str, *, columns: Collection[str] = (), **parameters: str
    ) -> AsyncIterator[Row]:
        async for row in super().rows(condition, columns=columns, **parameters):
            await _others(self._fire)
            with _may_fail(self._fire):
                pass
            yield row


class BurningQueues(FakeQueues):
    """Queues whose every `put` is a step."""

    def __init__(self, fire: Fire) -> None:
        super().__init__(fire.clock)
        self._fire = fire

    async def put(self, queue: str, body: str, *, delay: timedelta = timedelta(0)) -> None:
        await _others(self._fire)
        with _may_fail(self._fire):
            await super().put(queue, body, delay=delay)


async def _others(fire: Fire) -> None:
    for _ in range(fire.rng.randint(0, 3)):
        await asyncio.sleep(0)


class BurningIo(IoAccount):
    """IO with these lives; `looks` counts the polls that IO answered, by request_id."""

    def __init__(self, fire: Fire, world: "Following") -> None:
        self._fire = fire
        self._world = world
        self.looks: Counter[str] = Counter()

    async def get_message(
        self, fiscal_code: str, message_id: str, *, service: str, priority: Priority = Priority.POLL
    ) -> MessageStatus:
        await _others(self._fire)
        with _may_fail(self._fire):
            self._raise(self._fire.draws("unavailable", "payment", "unreachable", "limited"))
            self.looks[message_id] += 1
            self._world.look(message_id)
            life = self._world.lives[message_id]
            return life.status(self._fire.clock() - self._world.accepted_at[message_id])

    def _raise(self, kind: str | None) -> None:
        limited = RateLimited(reason="rate_limited", status=429)
        limited.retry_after = 0
        errors = {
            "unavailable": Unavailable(reason="timeout"),
            "payment": PaymentLookupFailed(reason="payment_lookup_failed", status=500),
            "unreachable": Unreachable(reason="unreachable"),
            "limited": limited,
        }
        if kind:
            raise errors[kind]


@dataclass
class Following:
    """The world of one seed; `broken` counts the violated invariants."""

    seed: int
    rate: float
    messages: int = 6
    broken: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)
        self.clock = FakeClock()
        self.fire = Fire(self.rng, self.clock, 0)
        self.ledger_table = BurningTable("ledger", self.fire)
        self.due_table = BurningTable("due", self.fire)
        self.queues = BurningQueues(self.fire)
        self.io = BurningIo(self.fire, self)
        tables = {"ledger": self.ledger_table, "due": self.due_table, "reminders": self.due_table}
        self.context = Context.on(
            lambda name: tables.get(name) or FakeTable(name),
            self.queues,
            a_cipher(KEYS[:1]),
            self.clock,
            io=self.io,
            policies={},
            most_per_day=2,
            documents=None,
            configuration_ids={},
            feed_services=(),
        )
        self.ledger = self.context.ledger
        self.lives = {life.request_id: life for life in map(self._life, range(self.messages))}
        self.accepted_at: dict[str, datetime] = {}

    async def run(self, ticks_at_most: int = 2_000) -> None:
        """Accept the messages while the hosts tick, and continue until no message is followed any more."""
        HOST.set(Host())
        waiting = list(self.lives)
        for _ in range(ticks_at_most):
            if waiting:
                await self._accept(waiting.pop())
            await self._burn()
            await self._quiet()
            if not waiting and not self.rows():
                break
            self._pass_time(bool(waiting))
        else:
            self.broken["followed for ever"] += 1
        self._judge()

    def rows(self) -> list[DueEntry]:
        """The due index, oldest first."""
        return [DueEntry(*at) for at in sorted(self.due_table.rows_by_key) if at[0] != "control"]

    def look(self, request_id: str) -> None:
        """Check a poll that reached IO: a message whose end is known must not be polled."""
        self.broken["asked after the end"] += self._is_over(request_id) and not self.fire.suspended

    async def _burn(self) -> None:
        """Several hosts tick at the same moment, with faults."""
        self.fire.rate, self.fire.suspended = self.rate, False
        for _ in range(self.rng.randint(1, 3)):
            await asyncio.gather(*(self._tick() for _ in range(self.rng.randint(1, 3))))
            self.clock.advance(seconds=self.rng.choice((1, 30, 120)))
        self.fire.rate, self.fire.suspended = 0, False

    async def _tick(self) -> None:
        HOST.set(Host())
        with suppress(*QUIET):
            await follow_due(self.context)

    async def _quiet(self) -> None:
        """Without faults, the next ticks catch up, and each message has at most one row."""
        for _ in range(8):  # longer than the longest delay of a poll
            self.clock.now += TICK
            await asyncio.create_task(self._tick())
        self.broken["passed by"] += any(row.due_at < self.clock() - TICK for row in self.rows())
        rows = Counter(row.request_id for row in self.rows())
        for request_id in self.accepted_at:
            late = timedelta(days=56) < self.clock() - self.accepted_at[request_id]
            if not self._is_over(request_id) and not late:
                self.broken["left the index"] += rows[request_id] == 0
            self.broken["more than one row"] += rows[request_id] > 1

    def _pass_time(self, soon: bool) -> None:
        rows = self.rows()
        if rows and not soon:
            self.clock.now = max(self.clock(), rows[0].due_at)
        self.clock.advance(seconds=self.rng.randint(0, 600))

    async def _accept(self, request_id: str) -> None:
        """A worker sends a message and dispatches it, perhaps minutes later by a redelivery."""
        life = self.lives[request_id]
        request = a_request(
            request_id=request_id,
            feature_level_type="ADVANCED" if life.advanced else "STANDARD",
            **({"content": payment() | {"due_date": "2026-12-20T22:59:59Z"}} if life.has_payment else {}),
        )
        claimed = await self.ledger.commit(self.ledger.intent(await self.ledger.open(request)))
        entry = await self.ledger.advance(claimed, Step(State.ACCEPTED), message_id=request_id, body={})
        self.accepted_at[request_id] = self.clock()
        self.clock.advance(seconds=self.rng.choice((0, 5, 600)))
        self.fire.rate = self.rate
        handing_over = asyncio.create_task(self._until_done(entry.request_id))
        await asyncio.gather(self._tick(), handing_over)
        self.fire.rate = 0

    async def _until_done(self, request_id: str) -> None:
        for _ in range(50):
            HOST.set(Host())
            with suppress(*QUIET):
                entry = await self.ledger.get(request_id)
                if entry:
                    await self.context.dispatcher.dispatch(entry, MESSAGE_SENDS, republish=True)
                return
        raise AssertionError("the platform delivers again until it is done")

    def _life(self, number: int) -> Life:
        draw = self.rng.random
        return Life(
            request_id=f"m-{number}",
            advanced=draw() < 0.8,
            has_payment=draw() < 0.5,
            outcome=self.rng.choice(["PROCESSED"] * 6 + ["REJECTED", "FAILED"]),
            delivered=timedelta(seconds=self.rng.choice((0, 5, 200, 9_000))),
            read=timedelta(hours=self.rng.lognormvariate(2, 2)) if draw() < 0.7 else NEVER,
            paid=timedelta(hours=self.rng.lognormvariate(4, 2)) if draw() < 0.7 else NEVER,
            hidden=timedelta(days=self.rng.choice((0, 0, 3, 30))),
        )

    def _is_over(self, request_id: str) -> bool:
        """Whether the ledger holds everything that can happen to the message."""
        (row,) = (row for row in self.ledger_table.rows_by_key.values() if row.key == request_id)
        entry, life = entry_of(row), self.lives[request_id]
        if entry.state in (State.REJECTED, State.FAILED):
            return True
        if entry.status != "PROCESSED":
            return False
        read = entry.read_status == "READ" and (not life.has_payment or entry.payment_status == "PAID")
        return read or not life.advanced

    def _judge(self) -> None:
        told: dict[str, set[str]] = {}
        for body in self.queues.bodies(MESSAGE_OUTCOMES):
            event = json.loads(body)
            told.setdefault(event["subject"], set()).add(event["id"])
        for row in self.ledger_table.rows_by_key.values():
            life, words = self.lives[row.key], [line["what"] for line in json.loads(row.values["history"])]
            self.broken["not known in the end"] += not life.must_be_known() <= set(words)
            for word in ("ACCEPTED", "PROCESSED", "REJECTED", "FAILED", "READ", "PAID"):
                self.broken["written twice"] += words.count(word) > 1
                self.broken["not published"] += (
                    word in words and f"{row.key}/0/{word.lower()}" not in told[row.key]
                )
            # One poll for each scheduled time, and one more for each fault.
            self.broken["asked too often"] += self.io.looks[row.key] > 22 + self.fire.faults
        self.broken += Counter()
