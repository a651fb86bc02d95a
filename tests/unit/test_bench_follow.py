"""The promises of following, in small: the flat cost of a tick, few calls, a short lag; and the bill."""

from datetime import UTC, datetime, timedelta

import pytest

from benchmarks.follow.bill import Bill, BilledTable, entity_bytes
from benchmarks.follow.reading_model import ModelRow, compare
from benchmarks.follow.tick_cost import measure, naive
from benchmarks.follow.tracked import TrackedTable
from storage.due_index import DueIndex
from tests.fakes import FakeClock, FakeTable

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


async def test_tick_costs_what_is_due_and_not_what_is_tracked() -> None:
    """Thirty times as many followed messages change neither the bill nor the calls of a tick."""
    few, many = [await measure(tracked, 50) for tracked in (1_000, 30_000)]
    assert few.bill == many.bill
    assert (few.calls, many.calls) == (50, 50)
    assert many.peak_bytes < few.peak_bytes * 1.1
    assert few.bill.transactions < 3.1 * 50 + 5
    assert naive(30_000, 50).rows_read == 30_000


@pytest.fixture(scope="module")
def model() -> dict[str, ModelRow]:
    return {row.schedule: row for row in compare(4_000)}


def test_message_takes_few_calls_and_its_reading_is_noticed_soon(model: dict[str, ModelRow]) -> None:
    """In the model a message takes at most 6.5 calls, and half of the readings are seen within four hours."""
    ours = model["ours"]
    assert ours.calls <= 6.5
    assert ours.median_lag_hours <= 4


def test_known_schedules_cost_what_is_known_of_them(model: dict[str, ModelRow]) -> None:
    """For known schedules the model gives the known figures, plus the poll for the delivery."""
    known = {"every day": 23.3, "4 h x2, 7 d at most": 7.42, "24 h x2, 14 d at most": 4.69}
    assert {name: model[name].calls for name in known} == pytest.approx(known, rel=0.03)


async def test_bill_counts_a_transaction_for_each_thousand_rows() -> None:
    """A query is billed by pages, any other call as one operation, and rows by their size."""
    bill, inner = Bill(), FakeTable()
    for number in range(2_001):
        await inner.insert("p", f"{number:04}", {})
    table = BilledTable(inner, bill)
    assert len([row async for row in table.rows("")]) == 2_001
    assert (bill.transactions, bill.rows_read, bill.bytes_read) == (3, 2_001, 2_001 * (4 + 2 * 5))
    await table.upsert("p", "k", {"a": "b"})
    await table.delete("p", "k")
    assert await table.get("p", "k") is None
    assert (bill.transactions, bill.rows_written) == (6, 2)
    assert bill.bytes_written == 2 * entity_bytes("p", "k", {}) + 8 + 2 + 4 + 2


async def test_packed_rows_are_rows_of_a_due_index() -> None:
    """The rows that stand for millions are found by the product's own query, in order, each once."""
    clock = FakeClock(START)
    index = DueIndex(TrackedTable(5_000, START), clock)
    assert [entry async for entry in index.due()] == []
    written = await index.put("r-1", START)
    clock.advance(days=61)
    found = [entry async for entry in index.due()]
    assert found[0] == written
    assert len({entry.request_id for entry in found}) == 5_001
    minutes = [entry.bucket for entry in found]
    assert minutes == sorted(minutes)
    since = f"{START + timedelta(days=30):%Y%m%d%H%M}"
    later = [entry.bucket async for entry in index.due(since)]
    assert later == [minute for minute in minutes if minute >= since]
