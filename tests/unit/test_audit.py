"""The audit: what operators did, in a chain of hashes that shows every later change."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from storage.audit import ANCHOR, CHAIN, HEAD, Audit, Link
from storage.table import Unanswered
from tests.fakes import Died, FakeClock, FakeTable, Steps

ANNA, BRUNO = "anna@comune", "bruno@comune"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def table() -> FakeTable:
    return FakeTable()


@pytest.fixture
def audit(table: FakeTable, clock: FakeClock) -> Audit:
    return Audit(table, ANNA, clock)


async def _record(audit: Audit, clock: FakeClock, rows: int) -> None:
    for number in range(1, rows + 1):
        await audit.record("reveal", f"r-{number}")
        clock.advance(days=1)


async def _numbers(audit: Audit) -> list[int | None]:
    return [row["number"] async for row in audit.rows()]


def _change(table: FakeTable, number: int, **columns: Any) -> None:
    at = (CHAIN, f"{number:012}")
    row = table.rows_by_key[at]
    table.rows_by_key[at] = replace(row, values={**row.values, **columns})


async def _legacy(table: FakeTable, clock: FakeClock, *targets: str) -> None:
    """Rows as they were written before the chain."""
    for target in targets:
        now = clock()
        values = {"at": now, "actor": ANNA, "action": "drop", "target": target}
        await table.insert(f"{now:%Y%m}", f"{now:%d%H%M%S%f}-{target}", values)
        clock.advance(days=1)


async def test_rows_say_who_did_what(audit: Audit, table: FakeTable, clock: FakeClock) -> None:
    """Each action is a row with its number, author, time and target, and the chain is whole."""
    await audit.record("correct", "r-1", fields="subject")
    await Audit(table, BRUNO, clock).record("drop", "r-2")
    rows = [row async for row in audit.rows()]
    assert [(row["number"], row["actor"], row["action"], row["target"]) for row in rows] == [
        (1, ANNA, "correct", "r-1"),
        (2, BRUNO, "drop", "r-2"),
    ]
    assert (rows[0]["fields"], rows[0]["at"]) == ("subject", clock())
    found = await audit.verify()
    assert (found.rows, found.first, found.last.number, found.reason) == (2, 1, 2, None)


@pytest.mark.parametrize(
    "columns", [{"actor": BRUNO}, {"target": "r-9"}, {"more": "x"}, {"digest": "0" * 64}], ids=str
)
async def test_changed_row_is_found(
    audit: Audit, table: FakeTable, clock: FakeClock, columns: dict[str, str]
) -> None:
    """A changed author or target, a new column or another hash is found at its row."""
    await _record(audit, clock, 5)
    _change(table, 3, **columns)
    found = await audit.verify()
    assert (found.reason, found.broken) == ("changed", 3)


@pytest.mark.parametrize("gone", [1, 3, 5])
async def test_removed_row_is_found(audit: Audit, table: FakeTable, clock: FakeClock, gone: int) -> None:
    """The oldest, a middle and the newest row are missed when they are removed."""
    await _record(audit, clock, 5)
    del table.rows_by_key[CHAIN, f"{gone:012}"]
    found = await audit.verify()
    assert (found.reason, found.broken) == ("missing", gone)


async def test_removed_end_is_found_without_its_head(
    audit: Audit, table: FakeTable, clock: FakeClock
) -> None:
    """Whoever removes the newest rows together with the head is found too."""
    await _record(audit, clock, 5)
    del table.rows_by_key[CHAIN, f"{5:012}"], table.rows_by_key[HEAD]
    found = await audit.verify()
    assert (found.reason, found.broken) == ("missing", 5)


async def test_row_of_another_hand_is_found(audit: Audit, table: FakeTable, clock: FakeClock) -> None:
    """A row that was put behind the newest without its hash, or in the place of another, is found."""
    await _record(audit, clock, 2)
    await table.insert(CHAIN, f"{3:012}", {"at": clock(), "actor": BRUNO, "action": "drop", "target": "x"})
    assert (await audit.verify()).broken == 3


async def test_whole_new_chain_is_found_by_a_noted_hash(
    audit: Audit, table: FakeTable, clock: FakeClock
) -> None:
    """Whoever writes the whole chain anew does not get the hash that was noted elsewhere."""
    await _record(audit, clock, 3)
    noted = (await audit.verify()).last
    assert (await audit.verify(noted)).reason is None
    table.rows_by_key.clear()
    await _record(Audit(table, ANNA, clock), clock, 4)
    assert (await audit.verify()).reason is None
    found = await audit.verify(noted)
    assert (found.reason, found.broken) == ("changed", 3)
    assert (await audit.verify(Link(9, "0" * 64))).reason == "missing"


async def test_rows_of_before_the_chain_are_part_of_it(
    audit: Audit, table: FakeTable, clock: FakeClock
) -> None:
    """Rows without a hash stay readable, and a change of one of them is found."""
    await _legacy(table, clock, "old-1", "old-2")
    await audit.record("drop", "r-1")
    assert await _numbers(audit) == [None, None, 1]
    assert (await audit.verify()).reason is None
    del table.rows_by_key[next(iter(table.rows_by_key))]
    assert (await audit.verify()).reason == "legacy"


async def test_chain_begins_where_retention_ends(audit: Audit, table: FakeTable, clock: FakeClock) -> None:
    """After the oldest rows are removed the others verify, and a further one that goes missing is found."""
    await _legacy(table, clock, "old-1", "old-2")
    await _record(audit, clock, 5)
    assert await audit.forget_before(clock.now - timedelta(days=6)) == 1
    assert (await audit.verify()).reason is None
    assert await audit.forget_before(clock.now - timedelta(days=3)) == 3
    found = await audit.verify()
    assert (found.rows, found.first, found.reason) == (3, 3, None)
    await audit.record("drop", "r-6")
    assert await _numbers(audit) == [3, 4, 5, 6]
    del table.rows_by_key[CHAIN, f"{3:012}"]
    assert (await audit.verify()).broken == 3


async def test_everything_may_be_old(audit: Audit, table: FakeTable, clock: FakeClock) -> None:
    """After all rows were removed the next one goes on where the chain ended."""
    await _record(audit, clock, 2)
    assert await audit.forget_before(clock.now) == 2
    assert (await audit.verify()).reason is None
    await Audit(table, BRUNO, clock).record("drop", "r-3")
    assert await _numbers(audit) == [3]
    assert (await audit.verify()).reason is None


async def test_everything_may_be_old_and_the_head_behind(
    audit: Audit, table: FakeTable, clock: FakeClock
) -> None:
    """An action after a crash and a long silence does not get the number of a removed row, and is kept."""
    await _record(audit, clock, 1)
    head = table.rows_by_key[HEAD]
    await _record(audit, clock, 1)
    table.rows_by_key[HEAD] = head  # the operator's process died before it moved the head
    old = clock.now
    assert await audit.forget_before(old) == 2
    await Audit(table, BRUNO, clock).record("drop", "r-3")
    assert await _numbers(audit) == [3]
    assert (await audit.verify()).rows == 1
    assert await audit.forget_before(old) == 0


@pytest.mark.parametrize("step", range(12))
@pytest.mark.parametrize("fault", [Died(), Unanswered("", 500)], ids=["died", "unanswered"])
async def test_interrupted_writes_leave_a_whole_chain(
    step: int, fault: BaseException, clock: FakeClock
) -> None:
    """A record or a retention that ends at any step leaves a chain that verifies and goes on."""
    steps = Steps()
    table = FakeTable(steps=steps)
    await _legacy(table, clock, "old")
    await _record(Audit(table, ANNA, clock), clock, 4)
    for what in ("record", "forget"):
        steps.fail_after(fault, skip=step)
        audit = Audit(table, ANNA, clock)
        try:
            await (audit.record("drop", "x") if what == "record" else audit.forget_before(clock.now))
        except (Died, Unanswered):
            assert steps.to_come == 0
        steps.__init__()  # type: ignore[misc]
        again = Audit(table, BRUNO, clock)
        assert (await again.verify()).reason is None, (what, step)
        await again.record("drop", "y")
        assert (await again.verify()).reason is None, (what, step)


async def test_operators_at_the_same_moment_get_a_place_each(clock: FakeClock) -> None:
    """Ten operators record at once: ten rows in one whole chain."""

    class Yielding(FakeTable):
        async def get(self, partition: str, key: str) -> Any:
            await asyncio.sleep(0)
            return await super().get(partition, key)

        async def insert(self, partition: str, key: str, values: Any) -> Any:
            await asyncio.sleep(0)
            return await super().insert(partition, key, values)

    table = Yielding()
    operators = [Audit(table, f"operator-{number}", clock) for number in range(10)]
    await asyncio.gather(*(one.record("drop", one.actor) for one in operators for _ in range(3)))
    found = await operators[0].verify()
    assert (found.rows, found.reason) == (30, None)
    assert table.rows_by_key[HEAD].values["number"] == 30
    assert ANCHOR in table.rows_by_key
