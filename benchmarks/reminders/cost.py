"""The cost of the reminders' timer for each due message, by the number of tracked messages."""

from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from benchmarks.follow.bill import Bill, BilledTable
from benchmarks.follow.tracked import TrackedTable
from contract.reminders import ReminderPolicy, UnreadReminders
from storage.due_index import REMINDERS_TABLE
from storage.table import Row, Table
from tests.fake_app import FakeApp
from tests.fakes import seen
from tests.samples import a_body

START: Final = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
POLICY: Final = ReminderPolicy(unread=UnreadReminders(after_days=5))
# The first tick only reads the plan; at the second the reminder is due.
FIRST_TICK: Final = START + timedelta(hours=9)
DUE: Final = START + timedelta(days=5, hours=1)
NAIVE: Final = "naive: the scan of one tick"


@dataclass(frozen=True)
class Cost:
    """The cost of `what` for each due message, with `tracked` messages in the tables."""

    what: str
    tracked: int
    transactions: float
    queue_puts: float
    rows_read: float
    io_calls: float

    @property
    def figures(self) -> dict[str, float]:
        """The compared figures, by name."""
        values = asdict(self)
        return {name: values[name] for name in ("transactions", "queue_puts", "rows_read", "io_calls")}


class BilledApp(FakeApp):
    """The app on billed tables, with `others` more messages tracked at `now`."""

    def __init__(self, now: datetime, others: int) -> None:
        self.bill = Bill()
        self._tracked = TrackedTable(others, now)
        self._others = others
        super().__init__()
        self.policies = {"default": POLICY}
        self.clock.now = START

    def _table(self, name: str) -> Table:
        fake = super()._table(name)
        return BilledTable(self._tracked if name == REMINDERS_TABLE else fake, self.bill)

    async def deliver(self, due: int) -> None:
        """Deliver `due` messages, each to another citizen. Put all the others in the ledger too."""
        for number in range(due):
            await self.check(
                a_body(
                    request_id=f"due-{number:06}",
                    fiscal_code=f"RSSMRA{number // 1000:02}A01H{number % 1000:03}U",
                    feature_level_type="ADVANCED",
                )
            )
        await self.run()
        self.clock.advance(minutes=1)
        self.io.status = seen("PROCESSED", "UNREAD")
        await self.follow()
        self._fill_ledger()

    def _fill_ledger(self) -> None:
        values = next(iter(self.ledger_table.rows_by_key.values())).values
        for number in range(self._others):
            key = f"{number % 256:02x}", f"m-{number:08}"
            self.ledger_table.rows_by_key[key] = Row(*key, values, "1")

    async def scan(self) -> None:
        """Read the whole ledger, as a timer without an index would at each tick."""
        async for _ in self.ledger.entries():
            pass

    async def cost_of(self, what: str, work: Callable[[], Awaitable[None]], due: int) -> Cost:
        """Do some work and return its cost per due message."""
        before, done = replace(self.bill), len(self.steps.done)
        await work()
        steps = self.steps.done[done:]
        return Cost(
            what,
            self._others + due,
            (self.bill.transactions - before.transactions) / due,
            sum(step.endswith(".put") for step in steps) / due,
            (self.bill.rows_read - before.rows_read) / due,
            sum(step in ("io.get_profile", "io.submit_message", "io.get_message") for step in steps) / due,
        )


async def measure(tracked: int, due: int) -> list[Cost]:
    """Measure each case of a message, with `tracked` messages, `due` of them due."""
    others = tracked - due
    return [
        *await _not_due(BilledApp(FIRST_TICK, others), due),
        *await _needed(BilledApp(DUE, others), due),
        *await _known(BilledApp(DUE, others), due),
        *await _not_needed(BilledApp(DUE, others), due),
    ]


async def _not_due(app: BilledApp, due: int) -> list[Cost]:
    await app.deliver(due)
    app.clock.now = FIRST_TICK
    first_tick = await app.cost_of("first tick: none is due yet", app.remind, due)
    idle = await app.cost_of("nothing is due: one tick", app.remind, 1)
    return [first_tick, replace(idle, tracked=first_tick.tracked)]


async def _needed(app: BilledApp, due: int) -> list[Cost]:
    await _until_due(app, due, "UNREAD")
    return [
        await app.cost_of("not read: the decision", app.remind, due),
        await app.cost_of("not read: sending the reminder", app.run, due),
    ]


async def _known(app: BilledApp, due: int) -> list[Cost]:
    await _until_due(app, due, "READ")
    await app.follow()
    return [await app.cost_of("read, and seen by a poll: the decision", app.remind, due)]


async def _not_needed(app: BilledApp, due: int) -> list[Cost]:
    await _until_due(app, due, "READ")
    decided = await app.cost_of("read since the last poll: the decision", app.remind, due)
    return [
        decided,
        replace(await app.cost_of(NAIVE, app.scan, 1), tracked=decided.tracked),
    ]


async def _until_due(app: BilledApp, due: int, read_status: str) -> None:
    await app.deliver(due)
    app.clock.now = FIRST_TICK
    await app.remind()
    app.clock.now = DUE
    app.io.status = seen("PROCESSED", read_status)
