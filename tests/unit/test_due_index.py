"""The due index: found by time, one row a message, and gone when dealt with."""

from datetime import UTC, datetime, timedelta

import pytest

from storage.due_index import DueEntry, DueIndex
from tests.fakes import FakeTable

NOON = datetime(2026, 12, 31, 12, 0, 30, tzinfo=UTC)
LONGEST_ID = "x" * 128


@pytest.fixture
def table() -> FakeTable:
    return FakeTable()


@pytest.fixture
def due_index(table: FakeTable) -> DueIndex:
    return DueIndex(table)


async def _due(due_index: DueIndex, now: datetime) -> list[str]:
    return [entry.request_id async for entry in due_index.due(now)]


@pytest.mark.parametrize("request_id", ["r-1", "a:b.c_d-e", "-", LONGEST_ID])
async def test_entry_names_its_request(due_index: DueIndex, request_id: str) -> None:
    """The request is known from the key alone, whatever characters its id has."""
    assert await due_index.put(request_id, NOON) == DueEntry("202612311200", f"30-{request_id}")
    assert await _due(due_index, NOON) == [request_id]


@pytest.mark.parametrize(
    "late", [timedelta(0), timedelta(seconds=29), timedelta(minutes=1), timedelta(days=40)]
)
async def test_what_is_due_is_found_however_late_the_look(due_index: DueIndex, late: timedelta) -> None:
    """A row is found from its second on, over minutes, days and years."""
    await due_index.put("r-1", NOON)
    assert await _due(due_index, NOON + late) == ["r-1"]


@pytest.mark.parametrize("early", [timedelta(seconds=1), timedelta(seconds=31), timedelta(days=40)])
async def test_what_is_not_due_yet_is_not_found(due_index: DueIndex, early: timedelta) -> None:
    """Nothing is looked at before its second, also at the edge of a minute."""
    await due_index.put("r-1", NOON)
    assert await _due(due_index, NOON - early) == []


async def test_last_second_of_a_minute_is_due_in_that_second(due_index: DueIndex) -> None:
    """The range is right where the next second belongs to another partition, and another year."""
    await due_index.put("last", datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC))
    await due_index.put("next", datetime(2027, 1, 1, tzinfo=UTC))
    assert await _due(due_index, datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC)) == ["last"]
    assert await _due(due_index, datetime(2027, 1, 1, tzinfo=UTC)) == ["last", "next"]


async def test_oldest_comes_first(due_index: DueIndex) -> None:
    """A tick that is cut short has dealt with what waited longest."""
    for seconds in (300, 0, 29, 30):
        await due_index.put(f"after-{seconds}", NOON + timedelta(seconds=seconds))
    found = await _due(due_index, NOON + timedelta(hours=1))
    assert found == ["after-0", "after-29", "after-30", "after-300"]


async def test_noting_the_same_twice_makes_one_row(due_index: DueIndex, table: FakeTable) -> None:
    """A repetition costs no second look."""
    assert await due_index.put("r-1", NOON) == await due_index.put("r-1", NOON)
    assert len(table.rows_by_key) == 1


async def test_removed_row_is_not_due_and_removing_it_again_does_no_harm(due_index: DueIndex) -> None:
    """What has been dealt with is gone, also when the removal is repeated."""
    entry = await due_index.put("r-1", NOON)
    await due_index.put("r-2", NOON)
    await due_index.remove(entry)
    await due_index.remove(entry)
    assert await _due(due_index, NOON) == ["r-2"]
