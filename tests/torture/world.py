"""A small deterministic world: storage, queues, IO and workers, each step of which can fail.

The product's own coroutines run here, without an event loop. A coroutine stops at a `Step` each time it
accesses a table, a queue or IO. The scheduler decides which worker continues, and whether the step works,
fails with or without its effect, stalls, or crashes its worker before or after the effect.
"""

import random
from collections.abc import AsyncIterator, Callable, Coroutine, Generator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from io_api.errors import InDoubt, Misconfigured, RateLimited, Refused, Suspended, Unavailable, Unreachable
from io_api.models import MessageStatus, NewMessage, Profile
from io_api.rate_budget import Priority
from storage.table import ETag, Row, Table, Unanswered
from tests.fakes import FakeClock, FakeTable

VISIBILITY = timedelta(seconds=600)
RETRY_AFTER_FAILURE = timedelta(seconds=30)
MAX_DEQUEUE_COUNT = 5


@dataclass(frozen=True)
class Step:
    """An access to a table, a queue or IO: its effect, and the errors of a failure before or after it."""

    name: str
    effect: Callable[[], Any]
    before: Callable[[], Exception]
    after: Callable[[], Exception]

    def __await__(self) -> Generator["Step", Any, Any]:
        return (yield self)


def _unanswered() -> Exception:
    return Unanswered()


class SteppedTable:
    """A fake table whose every operation is a step; `written` is called with each written row."""

    def __init__(
        self, name: str, written: Callable[[Row | None, Row], None] = lambda before, row: None
    ) -> None:
        self.fake = FakeTable()
        self._name = name
        self._written = written

    async def get(self, partition: str, key: str) -> Row | None:
        return await self._step("get", self.fake.get(partition, key))

    async def insert(self, partition: str, key: str, values: Mapping[str, Any]) -> ETag:
        return await self._step("insert", self.fake.insert(partition, key, values), (partition, key))

    async def replace(self, row: Row, values: Mapping[str, Any]) -> ETag:
        return await self._step("replace", self.fake.replace(row, values), (row.partition, row.key))

    async def upsert(self, partition: str, key: str, values: Mapping[str, Any]) -> None:
        return await self._step("upsert", self.fake.upsert(partition, key, values), (partition, key))

    async def merge(self, partition: str, key: str, values: Mapping[str, Any]) -> ETag:
        return await self._step("merge", self.fake.merge(partition, key, values), (partition, key))

    write = Table.write

    async def delete(self, partition: str, key: str) -> None:
        return await self._step("delete", self.fake.delete(partition, key))

    async def rows(self, condition: str, **parameters: str) -> AsyncIterator[Row]:
        for row in await self._step("rows", _all(self.fake.rows(condition, **parameters))):
            yield row

    async def _step(
        self, name: str, operation: Coroutine[Any, Any, Any], at: tuple[str, str] | None = None
    ) -> Any:
        def effect() -> Any:
            before = self.fake.rows_by_key.get(at) if at else None
            result = at_once(operation)
            if at and at in self.fake.rows_by_key:
                self._written(before, self.fake.rows_by_key[at])
            return result

        try:
            return await Step(f"{self._name}.{name}", effect, _unanswered, _unanswered)
        finally:
            operation.close()


async def _all(rows: AsyncIterator[Row]) -> list[Row]:
    return [row async for row in rows]


def at_once(operation: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine that never waits."""
    try:
        operation.send(None)
    except StopIteration as finished:
        return finished.value
    raise AssertionError("a fake must not wait")


@dataclass
class HostMessage:
    """A message on a queue, as the platform keeps it."""

    body: str
    visible_at: Any
    dequeue_count: int = 0
    receipt: int = 0


class SteppedQueues:
    """The platform's queues; each `put` is a step."""

    def __init__(self, clock: FakeClock) -> None:
        self.messages: dict[str, list[HostMessage]] = {}
        self.told: list[str] = []
        self._clock = clock

    async def put(self, queue: str, body: str, *, delay: timedelta = timedelta(0)) -> None:
        def effect() -> None:
            self.put_now(queue, body, delay)

        await Step("queue.put", effect, _unanswered, _unanswered)

    def put_now(self, queue: str, body: str, delay: timedelta = timedelta(0)) -> None:
        """Put without a step, as the upstream system and the platform do."""
        if queue == "message-outcomes":
            self.told.append(body)
        else:
            self.messages.setdefault(queue, []).append(HostMessage(body, self._clock() + delay))


@dataclass(frozen=True)
class Accepted:
    """A message that IO accepted, and the ledger's attempt that sent it."""

    message_id: str
    attempt: int


@dataclass
class SteppedIo:
    """IO: the messages that it accepted, by request, and random answers. A subject carries the request_id."""

    rng: random.Random
    clock: FakeClock
    services: tuple[str, ...] = ("default",)
    accepted: dict[str, list[Accepted]] = field(default_factory=dict)
    answers: Mapping[str, float] = field(default_factory=dict)
    posting: Callable[[str], int] = lambda request_id: 0
    answered: Callable[[str], None] = lambda request_id: None

    async def get_profile(self, fiscal_code: str, *, service: str, priority: Priority) -> Profile | None:
        if self._draws("profile_missing"):
            return await self._step("io.get_profile", lambda: None)
        if self._draws("profile_unavailable"):
            return await self._step("io.get_profile", _raiser(Unavailable(reason="server_error", status=500)))
        allowed = not self._draws("profile_blocked")
        return await self._step("io.get_profile", lambda: Profile(sender_allowed=allowed))

    @asynccontextmanager
    async def permit_to_send(self, service: str, *, priority: Priority) -> AsyncIterator[None]:
        effect = _raiser(Suspended(reason="paused")) if self._draws("stopped") else lambda: None
        await Step("io.permit_to_send", effect, _unanswered, _unanswered)
        yield

    async def submit_message(self, message: NewMessage, *, service: str, permit: None) -> str | None:
        request_id = message.content.subject.split()[-1]
        attempt = self.posting(request_id)
        for answer, error in _SUBMIT_ERRORS.items():
            if self._draws(answer):
                return await self._post(_raiser(error()))

        def accept() -> str | None:
            there = self.accepted.setdefault(request_id, [])
            there.append(Accepted(f"{request_id}-{len(there) + 1}", attempt))
            return None if self._draws("no_message_id") else there[-1].message_id

        message_id = await self._post(accept)
        self.answered(request_id)
        return message_id

    async def get_message(self, fiscal_code: str, message_id: str, *, service: str) -> MessageStatus:
        if self._draws("status_unavailable"):
            return await self._step("io.get_message", _raiser(Unavailable(reason="timeout")))
        return await self._step("io.get_message", lambda: MessageStatus(status="PROCESSED"))

    def _draws(self, answer: str) -> bool:
        return self.rng.random() < self.answers.get(answer, 0)

    async def _post(self, effect: Callable[[], Any]) -> Any:
        # Half of the failures before the effect are provably unsent; the other half look like any lost
        # answer.
        unsent = self.rng.random() < 0.5
        before: Callable[[], Exception] = (
            (lambda: Unreachable(reason="unreachable"))
            if unsent
            else (lambda: InDoubt(reason="connection_lost"))
        )
        return await Step("io.submit_message", effect, before, lambda: InDoubt(reason="timeout"))

    async def _step(self, name: str, effect: Callable[[], Any]) -> Any:
        def unavailable() -> Exception:
            return Unavailable(reason="timeout")

        return await Step(name, effect, unavailable, unavailable)


_SUBMIT_ERRORS: Mapping[str, Callable[[], Exception]] = {
    "rate_limited": lambda: RateLimited(reason="rate_limited", status=429),
    "refused": lambda: Refused(reason="invalid_message", status=400),
    "wrong_key": lambda: Misconfigured(reason="invalid_key", status=401),
}


def _raiser(error: Exception) -> Callable[[], Any]:
    def effect() -> Any:
        raise error

    return effect


@dataclass
class Worker:
    """One running invocation: its coroutine, its message, and the value that the coroutine gets next."""

    number: int
    name: str
    coroutine: Coroutine[Any, Any, Any]
    done: Callable[[Exception | None], None]
    give: Any = None
    raises: Exception | None = None
    late: Step | None = None
    wakes_at: Any = None


@dataclass(frozen=True)
class Faults:
    """How often a step fails, and how long a stall may last (seconds)."""

    rate: float = 0.0
    stalls: tuple[int, ...] = (150, 700, 1500)


KINDS = (
    ("crash_before", 0.2),
    ("crash_after", 0.2),
    ("error_before", 0.15),
    ("error_after", 0.2),
    ("stall_before", 0.125),
    ("stall_after", 0.125),
)


class Scheduler:
    """Interleaves workers at random; `faulty` says whether the next step may fail."""

    def __init__(self, rng: random.Random, clock: FakeClock, faults: Faults) -> None:
        self.rng = rng
        self.clock = clock
        self.faults = faults
        self.faulty = True
        self.workers: list[Worker] = []
        self.injected: dict[str, int] = {}
        self.current: Worker | None = None

    def ready(self) -> list[Worker]:
        """The workers that are not stalled."""
        return [
            worker for worker in self.workers if worker.wakes_at is None or worker.wakes_at <= self.clock()
        ]

    def step(self, worker: Worker) -> None:
        """Let one worker run to its next step, and do that step or its fault."""
        worker.wakes_at, self.current = None, worker
        if worker.late:
            late, worker.late = worker.late, None
            self._do(worker, late)
            return
        try:
            step = self._resume(worker)
        except StopIteration:
            self._end(worker, None)
        except Exception as error:  # noqa: BLE001 - the platform takes any failure of a function
            self._end(worker, error)
        else:
            self.clock.advance(seconds=self.rng.choice((0, 0, 1, 2)))
            self._happen(worker, step)

    def _resume(self, worker: Worker) -> Step:
        if worker.raises:
            error, worker.raises = worker.raises, None
            return worker.coroutine.throw(error)
        return worker.coroutine.send(worker.give)

    def _happen(self, worker: Worker, step: Step) -> None:
        kind = self._draw()
        if kind is None:
            self._do(worker, step)
            return
        self.injected[kind] = self.injected.get(kind, 0) + 1
        if kind.endswith("_after"):
            self._do(worker, step)
        if kind.startswith("crash"):
            worker.coroutine.close()
            self.workers.remove(worker)
        elif kind == "error_before":
            worker.raises = step.before()
        elif kind == "error_after":
            worker.raises = step.after()
        else:
            worker.wakes_at = self.clock() + timedelta(seconds=self._stall(kind, step))
            worker.late = step if kind == "stall_before" else None

    def _stall(self, kind: str, step: Step) -> int:
        # A POST has a timeout: it cannot reach IO hours after it left. Every other step may be that late.
        posting = kind == "stall_before" and step.name == "io.submit_message"
        return self.rng.choice(self.faults.stalls[:3] if posting else self.faults.stalls)

    def _draw(self) -> str | None:
        if not self.faulty or self.rng.random() >= self.faults.rate:
            return None
        kinds, weights = zip(*KINDS, strict=True)
        return str(self.rng.choices(kinds, weights)[0])

    def _do(self, worker: Worker, step: Step) -> None:
        try:
            worker.give = step.effect()
        except Exception as error:  # noqa: BLE001 - the effect's own answer: a refusal, a lost race
            worker.raises = error

    def _end(self, worker: Worker, error: Exception | None) -> None:
        self.workers.remove(worker)
        worker.done(error)
