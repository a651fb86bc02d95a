"""The cost of one tick, by the number of tracked messages, when the same number is due."""

import gc
import time
import tracemalloc
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from benchmarks.follow.bill import PAGE, Bill, BilledTable
from benchmarks.follow.tracked import TrackedTable
from check_status.follow import follow_due
from context import Context
from io_api.models import MessageStatus
from io_api.rate_budget import Priority
from storage.ledger import State, Step
from storage.table import Table
from tests.fakes import FakeClock, FakeIo, FakeQueues, FakeTable, seen
from tests.samples import KEYS, a_cipher, a_request

START: Final = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
# One poll in ten brings news, which costs an event and a write to the ledger.
NEWS: Final = 10
REPETITIONS: Final = 5


@dataclass(frozen=True)
class TickCost:
    """The cost of one tick: its bill, and its load on this machine, including that of the stores."""

    tracked: int
    due: int
    calls: int
    bill: Bill
    cpu_seconds: float
    peak_bytes: int

    def as_json(self) -> dict[str, Any]:
        """Return the cost as JSON, for programs."""
        return asdict(self) | {"naive": asdict(naive(self.tracked, self.due))}


@dataclass(frozen=True)
class NaiveCost:
    """The computed cost of a tick that reads every tracked message and asks IO for each."""

    transactions: int
    rows_read: int
    calls: int


def naive(tracked: int, due: int) -> NaiveCost:
    """Compute the naive cost: the pages of the scan, and a write for each of the same messages with news."""
    return NaiveCost(-(-tracked // PAGE) + due // NEWS, tracked, tracked)


class ReadingIo(FakeIo):
    """IO, with every tenth message read since the last poll."""

    async def get_message(
        self, fiscal_code: str, message_id: str, *, service: str, priority: Priority = Priority.POLL
    ) -> MessageStatus:
        self.status = seen("PROCESSED", "UNREAD" if int(message_id) % NEWS else "READ")
        return await super().get_message(fiscal_code, message_id, service=service)


class Post:
    """Runs ticks on given tables. After `deliver`, `due` delivered messages have just become due on them."""

    def __init__(self, ledger_table: Table, due_table: Table) -> None:
        self.clock = FakeClock(START)
        self.io = ReadingIo()
        tables = {"ledger": ledger_table, "due": due_table}
        self.context = Context.on(
            lambda name: tables.get(name) or FakeTable(name),
            FakeQueues(self.clock),
            a_cipher(KEYS[:1]),
            self.clock,
            io=self.io,
            policies={},
            most_per_day=2,
            documents=None,
            configuration_ids={},
            feed_services=(),
        )
        self.ledger, self.due_index = self.context.ledger, self.context.due_index

    async def deliver(self, due: int) -> None:
        """Write messages as they are some hours after acceptance, with rows spread over a tick's minutes."""
        for number in range(due):
            request = a_request(request_id=f"due-{number:06}", feature_level_type="ADVANCED")
            entry = await self.ledger.commit(self.ledger.intent(await self.ledger.open(request)))
            steps = Step(State.ACCEPTED), Step(State.PROCESSED)
            known = {"message_id": str(number), "status": "PROCESSED", "read_status": "UNREAD", "body": {}}
            await self.ledger.advance(entry, *steps, **known)
            await self.due_index.put(request.request_id, START + timedelta(seconds=300 * number // due))
        self.clock.advance(minutes=5)
        await self.due_index.release(await self.due_index.acquire(), None)

    async def tick(self) -> None:
        """Poll the messages that are due."""
        await follow_due(self.context)


async def measure(tracked: int, due: int) -> TickCost:
    """Measure the bill and the peak memory of one tick, and the least CPU time of some repetitions."""
    table = TrackedTable(tracked - due, START)
    seconds = [await _cpu_seconds(table, due) for _ in range(REPETITIONS)]
    bill = Bill()
    post = await _post(table, due, bill)
    gc.collect()
    tracemalloc.start()
    await post.tick()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return TickCost(tracked, due, len(post.io.asked), bill, min(seconds), peak)


async def _cpu_seconds(table: TrackedTable, due: int) -> float:
    post = await _post(table, due, Bill())
    gc.collect()
    began = time.process_time()
    await post.tick()
    return time.process_time() - began


async def _post(table: TrackedTable, due: int, bill: Bill) -> Post:
    """Return a post whose bill begins with the tick."""
    ledger_table, due_table = FakeTable("ledger"), table.cleared()
    await Post(ledger_table, due_table).deliver(due)
    post = Post(BilledTable(ledger_table, bill), BilledTable(due_table, bill))
    post.clock.advance(minutes=5)
    return post
