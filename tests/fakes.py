"""Fakes with behaviour for what the decisions depend on: tables, queues, IO, the clock.

Each fake extends the class that it replaces, so the type checker compares their signatures, and runs none of
its code. `tests/integration/test_storage.py` checks that the fake table and queues behave as the real ones.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Collection, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any

from io_api.account import IoAccount
from io_api.errors import DayNotReady, IoError
from io_api.models import MessageStatus, NewMessage, Profile, SubscriptionsFeed
from io_api.rate_budget import Priority, Slot
from io_api.rate_limiter import Permit, RateLimiter
from settings import RateLimit
from storage.cipher import PROPERTY_BYTES
from storage.documents import Document, Documents, NoDocument
from storage.queues import LONGEST_DELAY, Queues, fits
from storage.table import MOST_AT_ONCE, AlreadyThere, Changed, ETag, Row, Table, Unanswered
from tests.pagopa.codecs import check_sent


class Died(BaseException):
    """The process crashes here: no handler of the product may catch this."""


class FakeClock:
    """A clock that moves only when a test moves it."""

    def __init__(self, now: datetime = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **delta: float) -> None:
        """Move on by `timedelta(**delta)`."""
        self.now += timedelta(**delta)


class Steps:
    """The steps that the fakes of one test have done, in order, and the faults injected between them.

    `fail_before` prevents a step. `fail_after` lets the step happen and loses its answer.
    """

    def __init__(self) -> None:
        self.done: list[str] = []
        self._before: dict[int, Callable[[], None]] = {}
        self._after: dict[int, Callable[[], None]] = {}

    @property
    def to_come(self) -> int:
        """The number of planned actions and failures that have not happened yet."""
        return len(self._before) + len(self._after)

    def do_before(self, action: Callable[[], None], *, skip: int = 0) -> None:
        """Run `action` before the next step, after skipping `skip` steps."""
        self._before[len(self.done) + skip] = action

    def fail_before(self, error: BaseException, *, skip: int = 0) -> None:
        """Prevent the next step, after skipping `skip` steps."""
        self._before[len(self.done) + skip] = partial(_raise, error)

    def fail_after(self, error: BaseException, *, skip: int = 0) -> None:
        """Let the next step happen, after skipping `skip` steps, and lose its answer."""
        self._after[len(self.done) + skip] = partial(_raise, error)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """One step of a fake."""
        number = len(self.done)
        self.done.append(name)
        self._before.pop(number, _nothing_happens)()
        yield
        self._after.pop(number, _nothing_happens)()


def _nothing_happens() -> None:
    pass


def _raise(error: BaseException) -> None:
    raise error


class FakeTable(Table):
    """A table with the conditional writes and limits of Table storage; `rows_by_key` is its content."""

    def __init__(
        self,
        name: str = "table",
        steps: Steps | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        *,
        etags_tell_time: bool = True,
    ) -> None:
        self.name = name
        self._etags_tell_time = etags_tell_time
        self._clock = clock
        self.rows_by_key: dict[tuple[str, str], Row] = {}
        self._steps = steps or Steps()
        self._etags = iter(range(1, 1 << 60))

    async def get(self, partition: str, key: str) -> Row | None:
        with self._steps.step(f"{self.name}.get"):
            return self.rows_by_key.get((partition, key))

    async def insert(self, partition: str, key: str, values: Mapping[str, Any]) -> ETag:
        with self._steps.step(f"{self.name}.insert"):
            if (partition, key) in self.rows_by_key:
                raise AlreadyThere(AlreadyThere.__doc__)
            return self._put(partition, key, values)

    async def replace(self, row: Row, values: Mapping[str, Any]) -> ETag:
        with self._steps.step(f"{self.name}.replace"):
            there = self.rows_by_key.get((row.partition, row.key))
            if there is None or there.etag != row.etag:
                raise Changed(Changed.__doc__)
            return self._put(row.partition, row.key, values)

    async def upsert(self, partition: str, key: str, values: Mapping[str, Any]) -> ETag:
        with self._steps.step(f"{self.name}.upsert"):
            return self._put(partition, key, values)

    async def merge(self, partition: str, key: str, values: Mapping[str, Any]) -> ETag:
        with self._steps.step(f"{self.name}.merge"):
            there = self.rows_by_key.get((partition, key))
            return self._put(partition, key, {**(there.values if there else {}), **values})

    async def upsert_all(self, partition: str, rows: Mapping[str, Mapping[str, Any]]) -> None:
        with self._steps.step(f"{self.name}.upsert_all"):
            if len(rows) > MOST_AT_ONCE:
                raise Unanswered("InvalidInput", 400)
            for key, values in rows.items():
                self._put(partition, key, values)

    async def delete(self, partition: str, key: str) -> None:
        with self._steps.step(f"{self.name}.delete"):
            self.rows_by_key.pop((partition, key), None)

    async def delete_as_read(self, partition: str, key: str, etag: str) -> None:
        with self._steps.step(f"{self.name}.delete"):
            there = self.rows_by_key.get((partition, key))
            if there and there.etag != etag:
                raise Changed(Changed.__doc__)
            self.rows_by_key.pop((partition, key), None)

    async def rows(
        self, condition: str, *, columns: Collection[str] = (), **parameters: str
    ) -> AsyncIterator[Row]:
        with self._steps.step(f"{self.name}.rows"):
            found = [row for row in self.rows_by_key.values() if _meets(row, condition, parameters)]
        for row in sorted(found, key=lambda row: (row.partition, row.key)):
            kept = {name: value for name, value in row.values.items() if name in columns or not columns}
            yield replace(row, values=kept)

    def _put(self, partition: str, key: str, values: Mapping[str, Any]) -> ETag:
        if any(len(value) > PROPERTY_BYTES for value in values.values() if isinstance(value, bytes)):
            raise Unanswered("PropertyValueTooLarge")
        now = self._clock()
        time = f"datetime'{now:%Y-%m-%dT%H%%3A%M%%3A%S.%fZ}'" if self._etags_tell_time else "opaque"
        etag = ETag(f'W/"{time}" {next(self._etags)}')
        etag.date = now.replace(microsecond=0)
        self.rows_by_key[partition, key] = Row(partition, key, dict(values), etag)
        return etag


def _meets(row: Row, condition: str, parameters: Mapping[str, str]) -> bool:
    """Evaluate comparisons of a column with a parameter, joined by `and` and `or`: all the OData in use."""
    if not condition:
        return True
    return any(
        all(_compares(row, comparison, parameters) for comparison in part.split(" and "))
        for part in condition.split(" or ")
    )


def _compares(row: Row, comparison: str, parameters: Mapping[str, str]) -> bool:
    column, operator, parameter = comparison.split()
    value = {"PartitionKey": row.partition, "RowKey": row.key, **row.values}.get(column)
    other = parameters[parameter.removeprefix("@")]
    return value is not None and {"eq": value == other, "lt": value < other, "ge": value >= other}[operator]


@dataclass
class QueuedMessage:
    """A message on a fake queue, with its delay and the number of its deliveries."""

    body: str
    visible_at: datetime
    delay: timedelta
    deliveries: int = 0


class FakeQueues(Queues):
    """Queues that keep every message in memory."""

    def __init__(self, clock: Callable[[], datetime], steps: Steps | None = None) -> None:
        self.clock = clock
        self.messages: dict[str, list[QueuedMessage]] = {}
        self._steps = steps or Steps()

    async def put(self, queue: str, body: str, *, delay: timedelta = timedelta(0)) -> None:
        with self._steps.step(f"{queue}.put"):
            if not fits(body):
                raise Unanswered("RequestBodyTooLarge", 413)
            hidden = max(timedelta(0), min(delay, LONGEST_DELAY))
            self.messages.setdefault(queue, []).append(QueuedMessage(body, self.clock() + hidden, hidden))

    async def depth(self, queue: str) -> int:
        return len(self.messages.get(queue, []))

    async def oldest(self, queue: str) -> datetime | None:
        in_sight = [m for m in self.messages.get(queue, []) if m.visible_at <= self.clock()]
        return in_sight[0].visible_at - in_sight[0].delay if in_sight else None

    async def sift(self, queue: str, is_unwanted: Callable[[str], bool]) -> tuple[list[str], int]:
        with self._steps.step(f"{queue}.sift"):
            there = self.messages.get(queue, [])
            in_sight = [message for message in there if message.visible_at <= self.clock()]
            unwanted = [message for message in in_sight if is_unwanted(message.body)]
            self.messages[queue] = [message for message in there if message not in unwanted]
            for message in in_sight:
                message.deliveries += 1
            return [message.body for message in unwanted], len(there) - len(in_sight)

    def take(self, queue: str) -> list[str]:
        """Remove the messages that are visible now, and return their bodies."""
        waiting = self.messages.get(queue, [])
        self.messages[queue] = [message for message in waiting if message.visible_at > self.clock()]
        return [message.body for message in waiting if message.visible_at <= self.clock()]

    def bodies(self, queue: str) -> list[str]:
        """All bodies; the messages stay on the queue."""
        return [message.body for message in self.messages.get(queue, [])]

    def only(self, queue: str) -> QueuedMessage:
        """The only message on the queue."""
        (message,) = self.messages.get(queue, [])
        return message


class FakeDocuments(Documents):
    """A container of documents in memory, read in pieces of `piece` bytes; `blobs` is its content."""

    def __init__(self, steps: Steps | None = None, *, piece: int = 1024) -> None:
        self.blobs: dict[str, bytes] = {}
        self._steps = steps or Steps()
        self._piece = piece

    async def open(self, blob: str) -> Document:
        with self._steps.step("documents.open"):
            if blob not in self.blobs:
                raise NoDocument(NoDocument.__doc__)
            content = self.blobs[blob]
        return Document(len(content), self._pieces(content))

    async def put(self, blob: str, content: bytes) -> None:
        with self._steps.step("documents.put"):
            self.blobs[blob] = content

    async def delete(self, blob: str) -> None:
        with self._steps.step("documents.delete"):
            self.blobs.pop(blob, None)

    async def _pieces(self, content: bytes) -> AsyncGenerator[bytes]:
        for at in range(0, len(content), self._piece):
            with self._steps.step("documents.piece"):
                piece = content[at : at + self._piece]
            yield piece


async def _nothing() -> None:
    pass


def seen(
    status: str | None = "PROCESSED", read_status: str | None = None, payment_status: str | None = None
) -> MessageStatus:
    """IO's status answer with these words."""
    answer = {"status": status, "read_status": read_status, "payment_status": payment_status}
    return MessageStatus.model_validate(answer)


def a_permit() -> Permit:
    """A permit whose slot has come."""
    return Permit(RateLimiter(FakeTable(), RateLimit(150, 5)), Slot(0.0, Priority.SEND))


@dataclass
class FakeIo(IoAccount):
    """IO with scripted answers: it returns or raises what a test sets.

    `failing` holds an error for each service that fails, `feeds` the days of the subscriptions
    feed; `sent` holds every POST of a message.
    """

    steps: Steps = field(default_factory=Steps)
    configured: Collection[str] = ("default", "tributi")
    profile: Profile | IoError | None = field(default_factory=lambda: Profile(sender_allowed=True))
    permit: Permit | IoError = field(default_factory=a_permit)
    submitted: str | BaseException | None = "01JWCZ5V6Q4M3N2P1R0T9S8W7X"
    status: MessageStatus | IoError = field(default_factory=lambda: seen("ACCEPTED"))
    feeds: dict[date, SubscriptionsFeed] = field(default_factory=dict)
    failing: dict[str, IoError] = field(default_factory=dict)
    while_sending: Callable[[], Awaitable[None]] = _nothing
    sent: list[tuple[NewMessage, str]] = field(default_factory=list)
    asked: list[tuple[str, ...]] = field(default_factory=list)
    priorities: list[Priority] = field(default_factory=list)

    @property
    def services(self) -> Collection[str]:
        return self.configured

    async def get_profile(
        self, fiscal_code: str, *, service: str, priority: Priority = Priority.CHECK
    ) -> Profile | None:
        self.priorities.append(priority)
        with self.steps.step("io.get_profile"):
            self.asked.append(("profile", fiscal_code, service))
            return _answered(self.profile)

    @asynccontextmanager
    async def permit_to_send(
        self, service: str, *, priority: Priority = Priority.SEND
    ) -> AsyncIterator[Permit]:
        self.priorities.append(priority)
        with self.steps.step("io.permit_to_send"):
            permit = _answered(self.permit)
        yield permit

    async def submit_message(self, message: NewMessage, *, service: str, permit: Permit) -> str | None:
        assert permit is self.permit
        check_sent(message.body())
        with self.steps.step("io.submit_message"):
            self.sent.append((message, service))
            await self.while_sending()
            return _answered(self.submitted)

    async def get_message(
        self, fiscal_code: str, message_id: str, *, service: str, priority: Priority = Priority.POLL
    ) -> MessageStatus:
        with self.steps.step("io.get_message"):
            self.asked.append(("message", fiscal_code, message_id, service))
            return _answered(self.failing.get(service, self.status))

    async def get_subscriptions(self, day: date, *, service: str) -> SubscriptionsFeed:
        with self.steps.step("io.get_subscriptions"):
            self.asked.append(("feed", day.isoformat(), service))
            if day not in self.feeds and service not in self.failing:
                raise DayNotReady(reason="day_not_ready", status=404)
            return _answered(self.failing.get(service, self.feeds.get(day)))  # type: ignore[return-value]


def _answered[Answer](answer: Answer | BaseException) -> Answer:
    if isinstance(answer, BaseException):
        raise answer
    return answer
