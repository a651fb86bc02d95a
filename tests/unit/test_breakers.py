"""The circuit breakers of IO's backends: what opens them, which worker probes, and what closes them."""

import random
from datetime import timedelta

import pytest

from io_api.breakers import (
    LONGEST_INTERVAL,
    READ_FAILURES,
    REFRESH_SECONDS,
    SEND_FAILURES,
    SURE_FAILURES,
    TRIAL_AFTER,
    TRIAL_GROWTH,
    WAIT_SECONDS,
    Breakers,
    Evidence,
)
from storage.table import Unanswered
from tests.fakes import FakeClock, FakeTable, Steps

SEND, PROFILE, STATUS = "submit_message", "get_profile", "get_message"


class Workers:
    """Two workers over one table, with one clock."""

    def __init__(self) -> None:
        self.steps = Steps()
        self.table = FakeTable("io", self.steps)
        self.clock = FakeClock()
        self.here, self.there = (
            Breakers(self.table, self.clock, monotonic=lambda: self.clock().timestamp()) for _ in range(2)
        )

    def wait(self, seconds: float = REFRESH_SECONDS + 0.1) -> None:
        """Let the cached state grow stale."""
        self.clock.advance(seconds=seconds)

    async def fail(self, times: int, operation: str = SEND) -> None:
        """Record this many failures in a row, alternating between the workers."""
        limit = SEND_FAILURES if operation == SEND else READ_FAILURES
        for number in range(times):
            await (self.here if number % 2 else self.there).record_failure(operation, limit=limit)
        self.wait()


@pytest.fixture
def workers() -> Workers:
    return Workers()


async def test_failures_in_a_row_on_all_workers_open_a_breaker(workers: Workers) -> None:
    """The failures of all workers count together, and each kind of call has a breaker of its own."""
    await workers.fail(SEND_FAILURES - 1)
    assert not await workers.here.is_open(SEND)
    await workers.fail(1)
    assert [await worker.is_open(SEND) for worker in (workers.here, workers.there)] == [True, True]
    assert [await workers.here.is_open(other) for other in (PROFILE, STATUS)] == [False, False]


async def test_an_answer_between_failures_starts_the_count_anew(workers: Workers) -> None:
    """Failures that are not in a row open no breaker, whichever worker gets the answer in between."""
    for _ in range(10):
        await workers.fail(SEND_FAILURES - 1)
        await workers.there.record_success(SEND)
        workers.wait()
    assert not await workers.here.is_open(SEND)


async def test_reads_that_fail_one_time_in_ten_open_nothing(workers: Workers) -> None:
    """Reads that fail one time in ten open no breaker."""
    chance = random.Random(7)
    for _ in range(20_000):
        if chance.random() < 0.1:
            await workers.here.record_failure(PROFILE, limit=READ_FAILURES)
        else:
            await workers.here.record_success(PROFILE)
        assert not await workers.here.is_open(PROFILE)


async def test_one_worker_makes_the_probe_that_is_due(workers: Workers) -> None:
    """One worker makes the due probe, and the interval to the next probe grows up to its limit."""
    await workers.fail(READ_FAILURES, PROFILE)
    distances = []
    for _ in range(8):
        assert await workers.here.error_if_open(PROFILE) is None
        assert [await worker.take_probe(PROFILE) for worker in (workers.here, workers.there)] == [True, False]
        stopped = await workers.here.error_if_open(PROFILE)
        assert stopped is not None
        assert (stopped.reason, stopped.retry_after) == ("io_unavailable", WAIT_SECONDS)
        probe_at = (await workers.here.current(PROFILE)).probe_at
        assert probe_at is not None
        distances.append(probe_at - workers.clock())
        workers.wait(distances[-1].total_seconds())
    assert distances == sorted(distances)
    assert distances[-1] == LONGEST_INTERVAL


async def test_a_read_that_is_answered_closes_the_breaker(workers: Workers) -> None:
    """One answer to a read closes the breaker for all workers."""
    await workers.fail(READ_FAILURES, STATUS)
    assert await workers.there.take_probe(STATUS)
    await workers.there.record_success(STATUS)
    workers.wait()
    assert not await workers.here.is_open(STATUS)


async def test_sending_goes_on_when_the_safe_probe_is_answered(workers: Workers) -> None:
    """After three chance failures the answered safe probe closes the breaker."""
    await workers.fail(SEND_FAILURES)
    assert await workers.here.take_probe(SEND)
    assert await workers.here.record_evidence(SEND, Evidence.ALIVE)
    assert not await workers.there.is_open(SEND)


async def test_a_backend_that_is_dead_costs_no_more_messages(workers: Workers) -> None:
    """While no safe probe is answered, no message is tried, for a day."""
    await workers.fail(SEND_FAILURES)
    ends = workers.clock() + timedelta(days=1)
    while workers.clock() < ends:
        if await workers.here.take_probe(SEND):
            assert not await workers.here.record_evidence(SEND, Evidence.DEAD)
        workers.wait()


async def test_a_backend_that_lies_costs_few_messages(workers: Workers) -> None:
    """If probes are answered and messages are not, nine messages fail in a day: five at once, then few."""
    began, failed = workers.clock(), 0
    while workers.clock() < began + timedelta(days=1):
        if not await workers.here.is_open(SEND) or (
            await workers.here.take_probe(SEND) and await workers.here.record_evidence(SEND, Evidence.ALIVE)
        ):
            await workers.here.record_failure(SEND, limit=SEND_FAILURES)
            failed += 1
        workers.wait()
    assert failed == SURE_FAILURES + 4


async def test_a_backend_that_answers_only_reads_is_tried_rarely(workers: Workers) -> None:
    """If only the GET is answered, a message is tried after half a minute, then at ten times the interval."""
    await workers.fail(SEND_FAILURES)
    began, tried = workers.clock(), []
    while workers.clock() < began + timedelta(hours=2):
        if await workers.here.take_probe(SEND) and await workers.here.record_evidence(SEND, Evidence.HALF):
            tried.append(workers.clock() - began)
            await workers.here.record_failure(SEND, limit=SEND_FAILURES)
        workers.wait()
    assert len(tried) == 3
    assert tried[0] - TRIAL_AFTER < LONGEST_INTERVAL
    assert tried[1] - tried[0] - TRIAL_AFTER * TRIAL_GROWTH < LONGEST_INTERVAL


async def test_backend_that_comes_back_after_many_failures_is_tried_at_once(workers: Workers) -> None:
    """After an outage the first answered safe probe lets messages go, however many had failed."""
    await workers.fail(9)
    assert await workers.here.take_probe(SEND)
    assert not await workers.here.record_evidence(SEND, Evidence.DEAD)
    workers.wait(LONGEST_INTERVAL.total_seconds())
    assert await workers.there.take_probe(SEND)
    assert await workers.there.record_evidence(SEND, Evidence.ALIVE)
    await workers.there.record_success(SEND)
    workers.wait()
    assert (await workers.here.current(SEND)).is_sound


async def test_answers_cost_no_storage(workers: Workers) -> None:
    """While calls succeed nothing is written, and the row is read at most once a second."""
    for _ in range(50):
        assert not await workers.here.is_open(SEND)
        await workers.here.record_success(SEND)
    assert workers.steps.done == ["io.get"]


async def test_failure_counts_here_although_storage_does_not_answer(workers: Workers) -> None:
    """A failure of IO counts on this worker even if storage does not answer."""
    assert not await workers.here.is_open(SEND)
    for _ in range(SEND_FAILURES):
        workers.steps.fail_before(Unanswered("no answer"))
        await workers.here.record_failure(SEND, limit=SEND_FAILURES)
    assert await workers.here.is_open(SEND)
