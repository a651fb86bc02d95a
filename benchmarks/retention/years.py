"""Years of messages as they are once they have ended, and the ticks that remove them."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from benchmarks.follow.bill import entity_bytes
from benchmarks.retention.counting_table import CountingTable, Transactions
from context import Context
from contract.remote_content import RemoteContent
from expire.expire import expire
from storage.audit import Audit
from storage.ledger import REMINDED, Entry, State, is_buried
from storage.parked import ParkedMessage
from storage.periods import Periods
from storage.queues import MESSAGE_REQUESTS
from storage.remote_contents import KeptContent
from storage.table import Table
from tests.fakes import FakeClock, FakeDocuments, FakeIo, FakeQueues
from tests.samples import FISCAL_CODE, KEYS, a_cipher, remote_content

START: Final = datetime(2026, 3, 1, tzinfo=UTC)
DAY: Final = timedelta(days=1)
# How a message goes, of a hundred. The others are Premium payments that were read and paid.
KINDS: Final = ["skipped"] * 6 + ["parked"] + ["documents"] * 5 + ["reminded"] * 10 + ["settled"] * 20
LIVED: Final = (State.REQUESTED, State.SENDING, State.ACCEPTED, State.PROCESSED, State.READ, State.PAID)


@dataclass
class Month:
    """The end of a month: rows by table, with and without personal data, and what its ticks cost."""

    number: int
    messages: int = 0
    rows: dict[str, int] = field(default_factory=dict)
    tombstones: int = 0
    megabytes: float = 0.0
    ticks: list[int] = field(default_factory=list)  # storage transactions of each


class Office:
    """An institution that sends `a_year` messages a year, evenly; each is written as it is at its end."""

    def __init__(self, a_year: int, periods: Periods, ticks_a_day: int = 48) -> None:
        self.ticks_a_day = ticks_a_day
        self.clock = FakeClock(START)
        self.transactions = Transactions()
        self.tables: dict[str, CountingTable] = {}
        self.cipher = a_cipher(KEYS[:1])
        self.a_year = a_year
        self.sent = 0
        self.context = Context.on(
            self._table,
            FakeQueues(self.clock),
            self.cipher,
            self.clock,
            periods=periods,
            io=FakeIo(),
            policies={},
            most_per_day=2,
            documents=FakeDocuments(),
            configuration_ids={},
            feed_services=(),
        )
        self.audit = Audit(self._table("audit"), "operator", self.clock)
        self.sealed = self.cipher.seal(FISCAL_CODE.encode())
        self.body = self.cipher.seal_properties("body", b"x" * 800)

    async def month(self, number: int) -> Month:
        """Send the messages of a month, the ticks of the timer included, and count what is kept then."""
        month = Month(number)
        while self.clock() < START + 365 * DAY * number / 12:
            await self._day(month)
        tables = self.tables.items()
        month.messages = self.sent
        month.rows = {name: len(table.kept) for name, table in tables if table.kept}
        rows = [row for _, table in tables for row in table.kept.values()]
        month.megabytes = sum(entity_bytes(row.partition, row.key, row.values) for row in rows) / 1e6
        month.tombstones = sum(is_buried(row) for row in self.tables["ledger"].kept.values())
        return month

    async def _day(self, month: Month) -> None:
        until = self.a_year * ((self.clock() - START) // DAY + 1) // 365
        while self.sent < until:
            await self._message(self.sent)
            self.sent += 1
        await self.audit.record("redrive", "r")
        for _ in range(self.ticks_a_day):
            self.clock.now += DAY / self.ticks_a_day
            before = self.transactions.done
            await expire(self.context)
            month.ticks.append(self.transactions.done - before)

    async def _message(self, number: int) -> None:
        context, kind = self.context, (KINDS + ["paid"] * 100)[number % 100]
        notice_number = f"3{number:017}"
        await context.notices.note(notice_number, f"TARI-{number:09}")
        if kind == "settled":
            await context.retention.begin_settlement(
                context.notices.settlement_name(notice_number), self.clock()
            )
            await context.notices.settle(notice_number, self.clock(), self.clock())
        entry = self._entry(number, kind, notice_number)
        await context.ledger.commit(entry)
        if kind == "reminded":
            await context.reminder_days.take(entry.recipient, self.clock().date(), 2, reminder="r")
        if kind == "documents":
            await self._keep_documents(entry)
        if kind == "parked":
            await self._park(entry)
        else:
            await context.retention.begin(entry, self.clock())

    def _entry(self, number: int, kind: str, notice_number: str) -> Entry:
        now = self.clock()
        entry = Entry(
            request_id=f"TARI-{number:09}",
            state=State.PAID,
            service="default",
            feature_level_type="ADVANCED",
            created_at=now,
            updated_at=now,
            waiting_since=now,
            recipient=self.cipher.digest(f"{number % max(1, self.a_year // 3)}".encode()),
            sealed_fiscal_code=self.sealed,
            content_digest=self.cipher.digest(b"content"),
            notice=self.cipher.digest(notice_number.encode()),
            has_payment=True,
            campaign="TARI 2026",
            message_id="01JWCZ5V6Q4M3N2P1R0T9S8W7X",
            history=_history(now, *LIVED, *([REMINDED] if kind == "reminded" else [])),
            remote_content_id=f"{number:043}" if kind == "documents" else None,
        )
        ended = {"skipped": State.SKIPPED, "parked": State.REFUSED}.get(kind)
        if ended is None:
            return entry
        body = self.body if kind == "parked" else {}
        return replace(entry, state=ended, body=body, message_id=None, history=_history(now, LIVED[0], ended))

    async def _keep_documents(self, entry: Entry) -> None:
        kept = KeptContent(str(entry.remote_content_id), entry.request_id, entry.recipient, self.clock())
        content = RemoteContent.model_validate(remote_content(f"tari/{entry.request_id}.pdf"))
        await self.context.remote_contents.keep(kept, content)

    async def _park(self, entry: Entry) -> None:
        now = self.clock()
        message = ParkedMessage(
            MESSAGE_REQUESTS, entry.request_id, "invalid_message", now, now, sealed_body=self.body
        )
        await self.context.retention.begin_parked(message)
        await self.context.parked.keep_sealed(message)

    def _table(self, name: str) -> Table:
        return self.tables.setdefault(name, CountingTable(self.transactions, self.clock))


def _history(at: datetime, *steps: str) -> tuple[dict[str, Any], ...]:
    return tuple({"at": at.isoformat(timespec="milliseconds"), "what": str(step)} for step in steps)
