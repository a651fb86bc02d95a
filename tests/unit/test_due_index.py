"""The due index: rows found by time, one a request, removed after processing, and one reader at a time."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from storage.due_index import LEASE, MARGIN, SWEEP, DueEntry, DueIndex, Lease, LeaseLost
from storage.table import Changed
from tests.fakes import FakeClock, FakeTable, Steps

NOON = datetime(2026, 12, 31, 12, 0, 30, tzinfo=UTC)
LONGEST_ID = "x" * 128


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(NOON)


@pytest.fixture
def steps() -> Steps:
    return Steps()


@pytest.fixture
def table(steps: Steps) -> FakeTable:
    return FakeTable("due", steps)


@pytest.fixture
def due_index(table: FakeTable, clock: FakeClock) -> DueIndex:
    return DueIndex(table, clock)


async def _due(due_index: DueIndex, since: str = "0") -> list[str]:
    return [entry.request_id async for entry in due_index.due(since)]


@pytest.mark.parametrize("request_id", ["r-1", "a:b.c_d-e", "-", LONGEST_ID])
async def test_entry_names_its_request_and_its_time(due_index: DueIndex, request_id: str) -> None:
    """A row's keys name its request and its time, whatever characters the id has."""
    entry = await due_index.put(request_id, NOON)
    assert (entry.bucket[:13], entry.key) == ("202612311200-", f"30-{request_id}")
    assert (entry.request_id, entry.due_at) == (request_id, NOON)
    assert await _due(due_index) == [request_id]


@pytest.mark.parametrize(
    "late", [timedelta(0), timedelta(seconds=29), timedelta(minutes=1), timedelta(days=40)]
)
async def test_what_is_due_is_found_however_late_the_look(
    due_index: DueIndex, clock: FakeClock, late: timedelta
) -> None:
    """A row is found from its second on, over minutes, days and years."""
    await due_index.put("r-1", NOON)
    clock.now += late
    assert await _due(due_index) == ["r-1"]


@pytest.mark.parametrize("early", [timedelta(seconds=1), timedelta(seconds=31), timedelta(days=40)])
async def test_what_is_not_due_yet_is_not_found(
    due_index: DueIndex, clock: FakeClock, early: timedelta
) -> None:
    """A row is not found before its second, even at the edge of a minute."""
    clock.now -= early
    await due_index.put("r-1", NOON)
    assert await _due(due_index) == []


async def test_last_second_of_a_minute_is_due_in_that_second(due_index: DueIndex, clock: FakeClock) -> None:
    """The range is right when the next second belongs to another partition and another year."""
    await due_index.put("last", datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC))
    await due_index.put("next", datetime(2027, 1, 1, tzinfo=UTC))
    clock.now = datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC)
    assert await _due(due_index) == ["last"]
    clock.now = datetime(2027, 1, 1, tzinfo=UTC)
    assert await _due(due_index) == ["last", "next"]


async def test_oldest_minute_comes_first(due_index: DueIndex, clock: FakeClock) -> None:
    """Rows come oldest minute first, so a tick that is cut short has processed the longest waiting."""
    for minutes in (5, 0, 2, 1):
        await due_index.put(f"after-{minutes}", NOON + timedelta(minutes=minutes))
    clock.advance(hours=1)
    assert await _due(due_index) == ["after-0", "after-1", "after-2", "after-5"]


async def test_rows_of_a_minute_are_in_sixteen_partitions(due_index: DueIndex, table: FakeTable) -> None:
    """The rows of one minute are spread over sixteen partitions."""
    for number in range(200):
        await due_index.put(f"r-{number}", NOON)
    shards = {partition[13:] for partition, _ in table.rows_by_key}
    assert shards == set("0123456789abcdef")


async def test_noting_the_same_twice_makes_one_row(due_index: DueIndex, table: FakeTable) -> None:
    """A repeated put makes no second row."""
    assert await due_index.put("r-1", NOON) == await due_index.put("r-1", NOON)
    assert len(table.rows_by_key) == 1


async def test_noting_again_a_little_late_makes_no_second_row(
    due_index: DueIndex, table: FakeTable, clock: FakeClock
) -> None:
    """A put that a queue message repeats ten minutes later finds the row of the first."""
    await due_index.put("r-1", NOON)
    clock.advance(minutes=10)
    await due_index.put("r-1", NOON)
    assert len(table.rows_by_key) == 1


async def test_removed_row_is_not_due_and_removing_it_again_does_no_harm(due_index: DueIndex) -> None:
    """A removed row is not due, and a second removal does no harm."""
    entry = await due_index.put("r-1", NOON)
    await due_index.put("r-2", NOON)
    await due_index.remove(entry)
    await due_index.remove(entry)
    assert await _due(due_index) == ["r-2"]


async def test_row_for_the_past_is_put_for_now(due_index: DueIndex) -> None:
    """A row for the past is put for now, so never before the watermark."""
    await due_index.release(await due_index.acquire(), None)
    entry = await due_index.put("r-1", NOON - timedelta(days=30))
    assert entry.due_at == NOON
    assert await _due(due_index, (await due_index.acquire()).since) == ["r-1"]


async def test_watermark_stays_behind_now_and_behind_what_was_left(
    due_index: DueIndex, clock: FakeClock
) -> None:
    """The watermark passes the removed rows and none that was left, and stays a margin before now."""
    left = await due_index.put("left", NOON)
    clock.advance(days=2)
    lease = await due_index.acquire()
    clock.advance(minutes=1)
    await due_index.release(lease, left)
    lease = await due_index.acquire()
    assert lease.since == "202612311200"
    await due_index.release(lease, None)
    assert (await due_index.acquire()).since == f"{lease.began_at - MARGIN:%Y%m%d%H%M}"


async def test_lease_that_was_not_released_moves_no_watermark(due_index: DueIndex, clock: FakeClock) -> None:
    """A lease that a crashed reader never released leaves the watermark unchanged."""
    lease = await due_index.acquire()
    await due_index.release(lease, None)
    since = (await due_index.acquire()).since
    clock.now += LEASE + MARGIN
    assert (await due_index.acquire()).since == since


async def test_row_before_the_watermark_is_found_within_a_day(due_index: DueIndex, clock: FakeClock) -> None:
    """A row written far too late, before the watermark, is found by the daily read from the start."""
    clock.now -= timedelta(hours=1)
    await due_index.release(await due_index.acquire(), None)
    late = DueIndex(due_index._table, lambda: NOON - timedelta(hours=3))
    await late.put("r-1", NOON - timedelta(hours=3))
    clock.now = NOON
    lease = await due_index.acquire()
    assert await _due(due_index, lease.since) == []
    await due_index.release(lease, None)
    clock.now += SWEEP
    lease = await due_index.acquire()
    assert await _due(due_index, lease.since) == ["r-1"]


async def test_one_host_gets_the_lease(due_index: DueIndex) -> None:
    """Of many hosts that ask at once, one gets the lease, on the first run and later."""
    for _ in range(2):
        results = await asyncio.gather(*(due_index.acquire() for _ in range(8)), return_exceptions=True)
        (lease,) = [result for result in results if isinstance(result, Lease)]
        assert [type(result) for result in results].count(LeaseLost) == 7
        await due_index.release(lease, None)


async def test_lease_of_a_crashed_host_expires(due_index: DueIndex, clock: FakeClock) -> None:
    """The lease of a crashed host expires, and that host can neither renew nor release the next lease."""
    dead = await due_index.acquire()
    clock.now += LEASE
    alive = await due_index.acquire()
    with pytest.raises(LeaseLost):
        await due_index.renew(dead)
    with pytest.raises(LeaseLost):
        await due_index.release(dead, None)
    clock.now += LEASE / 2
    alive = await due_index.renew(alive)
    clock.now += LEASE / 2
    with pytest.raises(LeaseLost):
        await due_index.acquire()
    await due_index.release(alive, None)


async def test_lost_race_for_the_lease_is_lease_lost(due_index: DueIndex, steps: Steps) -> None:
    """A host that reads the control row and loses the write gets LeaseLost."""
    await due_index.release(await due_index.acquire(), None)
    steps.fail_before(Changed(), skip=1)
    with pytest.raises(LeaseLost):
        await due_index.acquire()


async def test_empty_tick_costs_four_operations(due_index: DueIndex, steps: Steps) -> None:
    """A tick without due rows reads the control row, writes it twice, and queries once."""
    await due_index.release(await due_index.acquire(), None)
    before = len(steps.done)
    lease = await due_index.acquire()
    assert await _due(due_index, lease.since) == []
    await due_index.release(lease, None)
    assert steps.done[before:] == ["due.get", "due.replace", "due.rows", "due.replace"]


async def test_lag_is_the_age_of_the_oldest_row(due_index: DueIndex, clock: FakeClock) -> None:
    """The lag is the age of the oldest due row, and zero if nothing is due."""
    assert await due_index.lag() == timedelta(0)
    await due_index.put("r-2", NOON + timedelta(days=1))
    await due_index.put("r-1", NOON)
    clock.advance(hours=5)
    assert await due_index.lag() == timedelta(hours=5)
    await due_index.release(await due_index.acquire(), DueEntry("202612311200-0", "30-r-1"))
    assert await due_index.lag() == timedelta(hours=5)
