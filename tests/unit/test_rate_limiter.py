"""RateLimiter: several workers over one table, in real time."""

import asyncio
import time
from functools import partial

import pytest

from io_api.answers import Answer
from io_api.errors import RateLimited
from io_api.rate_budget import Budget, Priority
from io_api.rate_limiter import BUDGET, FULL_SECONDS, PARTITION, RateLimiter
from local.io_simulator.rate_limit import RateLimit as SimulatedLimit
from local.io_simulator.rate_limit import SlidingWindow
from settings import RateLimit
from storage.table import Unanswered
from tests.fakes import FakeTable, Steps

LIMIT = RateLimit(60, 1)


def _workers(number: int, table: FakeTable, limit: RateLimit = LIMIT) -> list[RateLimiter]:
    """Workers whose machines' clocks are hours apart."""
    skews = [3600.0 * worker for worker in range(number)]
    return [RateLimiter(table, limit, monotonic=partial(_skewed, skew)) for skew in skews]


def _skewed(skew: float) -> float:
    return time.monotonic() + skew


async def test_workers_share_one_limit() -> None:
    """Three workers that call as fast as their permits allow are never refused, and use most of the limit."""
    window = SlidingWindow(SimulatedLimit(*LIMIT))
    answers: list[bool] = []
    end = time.monotonic() + 3

    async def call_all_the_time(worker: RateLimiter) -> None:
        while time.monotonic() < end:
            permit = await worker.reserve(Priority.SEND)
            await permit.wait_until_due()
            answers.append(window.admit(time.monotonic()).retry_after is None)

    workers = _workers(3, FakeTable())
    await asyncio.gather(*(call_all_the_time(worker) for worker in workers for _ in range(20)))
    assert all(answers)
    assert len(answers) > 120


async def test_limit_is_kept_when_the_time_is_told_in_whole_seconds() -> None:
    """Workers that know storage's time only to the second are never refused either; they call less often."""
    window = SlidingWindow(SimulatedLimit(*LIMIT))
    answers: list[bool] = []
    end = time.monotonic() + 3

    async def call_all_the_time(worker: RateLimiter) -> None:
        while time.monotonic() < end:
            permit = await worker.reserve(Priority.SEND)
            await permit.wait_until_due()
            answers.append(window.admit(time.monotonic()).retry_after is None)

    workers = _workers(3, FakeTable(etags_tell_time=False))
    await asyncio.gather(*(call_all_the_time(worker) for worker in workers for _ in range(20)))
    assert all(answers)
    assert len(answers) > 40


async def test_missed_slot_is_replaced() -> None:
    """A permit whose slot was missed waits for another slot."""
    worker = RateLimiter(FakeTable(), LIMIT)
    permit = await worker.reserve(Priority.SEND)
    time.sleep(0.2)  # noqa: ASYNC251 - blocks the whole process
    returned_at = time.monotonic()
    await permit.wait_until_due()
    other = await worker.reserve(Priority.SEND)
    await other.wait_until_due()
    assert time.monotonic() - returned_at < 1


async def test_full_window_is_not_called() -> None:
    """After an answer that leaves no call in the window, the next slots are given up for later ones."""
    worker = RateLimiter(FakeTable(), LIMIT)
    await (await worker.reserve(Priority.SEND)).wait_until_due()
    worker.observe(Answer(200, {"x-rate-limit-remaining": "0"}, b""))
    told_at = time.monotonic()
    await (await worker.reserve(Priority.SEND)).wait_until_due()
    assert time.monotonic() - told_at >= FULL_SECONDS


async def test_nobody_waits_longer_than_patience() -> None:
    """When the next free slot is over a minute away, a reservation fails at once with the time to wait."""
    table = FakeTable()
    ahead = Budget(rate=1, next_free=time.time() + 90).values()
    await table.insert(PARTITION, BUDGET, ahead)
    with pytest.raises(RateLimited) as raised:
        await RateLimiter(table, LIMIT).reserve(Priority.SEND)
    assert raised.value.reason == "budget_spent"
    assert raised.value.retry_after == pytest.approx(90, abs=5)
    assert table.rows_by_key[PARTITION, BUDGET].values == ahead


async def test_poll_without_a_slot_gives_up() -> None:
    """A poll that senders outrank for too long gets RateLimited."""
    table, soon = FakeTable(), time.time() + 3600
    outranked = Budget(rate=30, sending_until=soon, poll_from=soon)
    await table.insert(PARTITION, BUDGET, outranked.values())
    with pytest.raises(RateLimited):
        await RateLimiter(table, LIMIT, max_wait_seconds=0.3).reserve(Priority.POLL)


async def test_storage_that_does_not_answer_fails_those_who_wait() -> None:
    """If storage does not answer, every waiting call fails with Unanswered, and the next one works."""
    steps = Steps()
    worker = RateLimiter(FakeTable(steps=steps), LIMIT)
    steps.fail_before(Unanswered("no answer"))
    results = await asyncio.gather(
        *(worker.reserve(Priority.CHECK) for _ in range(3)), return_exceptions=True
    )
    assert [type(result) for result in results] == [Unanswered] * 3
    permit = await worker.reserve(Priority.CHECK)
    await permit.wait_until_due()


async def test_refused_calls_slow_everybody_down() -> None:
    """A worker's 429 lowers the rate for all workers."""
    table = FakeTable()
    first, second = _workers(2, table)
    await first.reserve(Priority.SEND)
    first.observe(Answer(429, {"x-rate-limit-retry-after": "1"}, b""))
    await first.reserve(Priority.SEND)
    lowered = table.rows_by_key[PARTITION, BUDGET].values["rate"]
    assert lowered < Budget.full(LIMIT).rate
    await second.reserve(Priority.SEND)
    assert table.rows_by_key[PARTITION, BUDGET].values["rate"] == lowered


async def test_waiting_costs_two_operations_a_chunk() -> None:
    """The calls that wait at the same time are served by one read and one write."""
    steps = Steps()
    worker = RateLimiter(FakeTable("io", steps), LIMIT)
    await asyncio.gather(*(worker.reserve(Priority.SEND) for _ in range(20)))
    assert steps.done == ["io.upsert", "io.upsert", "io.get", "io.insert"]
