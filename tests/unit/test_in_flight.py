"""How many messages may be in flight without an answer."""

import asyncio
from itertools import count

import pytest

from io_api.in_flight import HUNG_SECONDS, LEAST, MOST, InFlight
from tests.fakes import FakeClock

LEAD_SECONDS = 0.5


class Crowd:
    """More messages than may ever be in flight; `out` holds those that got a place."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.in_flight = InFlight(LEAD_SECONDS, lambda: self.clock().timestamp())
        self.out: list[int] = []
        self.numbers = count()
        self.tasks: list[asyncio.Task[None]] = []

    async def gather(self, size: int = 2 * MOST) -> None:
        """Let the messages ask for places."""
        self.tasks = [asyncio.create_task(self._leave()) for _ in range(size)]
        await _settle()

    async def answer(self) -> None:
        """Answer the oldest message, which frees its place."""
        self.in_flight.answered(self.out[0])
        await self.end()

    async def fail(self) -> None:
        """Fail the oldest message without an answer, which frees its place."""
        self.in_flight.failed()
        await self.end()

    async def end(self) -> None:
        """Free the place of the oldest message."""
        self.in_flight.free(self.out.pop(0))
        await _settle()

    async def _leave(self) -> None:
        number = next(self.numbers)
        while not self.in_flight.take(number):
            await self.in_flight.wait_for_place()
        self.out.append(number)


async def _settle() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


@pytest.fixture
async def crowd() -> Crowd:
    return Crowd()


async def test_starts_with_one(crowd: Crowd) -> None:
    """A process that just started sends one message at a time, so it risks only one."""
    await crowd.gather()
    assert len(crowd.out) == LEAST == 1


async def test_grows_with_each_answer_while_others_wait(crowd: Crowd) -> None:
    """While IO answers, even slowly, the places grow with each answer, up to the limit."""
    await crowd.gather()
    most = 0
    for _ in range(MOST):
        most = max(most, len(crowd.out))
        await crowd.answer()
    assert most == MOST


@pytest.mark.parametrize(("answer_seconds", "rounds"), [(5, 9), (20, 9)])
async def test_slow_io_gets_all_that_wait(answer_seconds: float, rounds: int) -> None:
    """With an IO that takes long to answer, the places reach the limit within a few rounds."""
    clock = FakeClock()
    in_flight, numbers = InFlight(LEAD_SECONDS, lambda: clock().timestamp()), count()
    waiting = [asyncio.create_task(_through(in_flight)) for _ in range(2 * MOST)]
    most: list[int] = []
    for _ in range(rounds):
        out = [number for number in (next(numbers) for _ in range(MOST)) if in_flight.take(number)]
        most.append(len(out))
        await _settle()
        clock.advance(seconds=answer_seconds)
        for number in out:
            in_flight.answered(number)
        for number in out:
            in_flight.free(number)
    assert most == sorted(most)
    assert most[-1] == MOST
    for each in waiting:
        each.cancel()


async def _through(in_flight: InFlight) -> None:
    while True:
        await in_flight.wait_for_room()
        await asyncio.sleep(0)


async def test_all_that_wait_leave_with_the_first_slow_answer(crowd: Crowd) -> None:
    """After the first slow answer of IO, every waiting message gets a place at once."""
    await crowd.gather(1 + MOST)
    crowd.clock.advance(seconds=2 * LEAD_SECONDS)
    await crowd.answer()
    assert len(crowd.out) == MOST


async def test_sinks_when_fewer_are_needed(crowd: Crowd) -> None:
    """Unused places are given up, so that an outage finds few messages in flight."""
    await crowd.gather()
    while crowd.out:
        await crowd.answer()
    for _ in range(2 * MOST):
        number = next(crowd.numbers)
        assert crowd.in_flight.take(number)
        crowd.out.append(number)
        await crowd.answer()
    await crowd.gather()
    assert len(crowd.out) == LEAST


async def test_answers_that_come_together_take_no_place_away(crowd: Crowd) -> None:
    """Places that were just in use are kept although their answers came together."""
    await crowd.gather(7)
    for _ in range(3):
        await crowd.answer()
    assert len(crowd.out) == 4
    for number in crowd.out:
        crowd.in_flight.answered(number)
        crowd.in_flight.free(number)
    crowd.out.clear()
    await crowd.gather()
    assert len(crowd.out) == 4


@pytest.mark.parametrize(("answer_seconds", "most"), [(0.125, 5), (1, 2), (20, 2)])
async def test_as_many_are_claimed_as_will_find_a_place(
    crowd: Crowd, answer_seconds: float, most: int
) -> None:
    """The number of messages claimed ahead is the number that IO answers in the lead time, plus one."""
    assert crowd.in_flight.take("first")
    crowd.clock.advance(seconds=answer_seconds)
    crowd.in_flight.answered("first")
    crowd.in_flight.free("first")
    assert crowd.in_flight.take("second")
    assert [crowd.in_flight.admit(number) for number in range(10)] == [True] * most + [False] * (10 - most)


async def test_few_are_claimed_while_a_message_hangs(crowd: Crowd) -> None:
    """A message that has waited for its answer for long counts as a slow answer, so few are claimed."""
    assert crowd.in_flight.take("first")
    crowd.in_flight.answered("first")
    crowd.clock.advance(seconds=HUNG_SECONDS)
    assert [crowd.in_flight.admit(number) for number in range(3)] == [True, True, False]


async def test_room_opens_with_the_claim_that_ends(crowd: Crowd) -> None:
    """A message waiting to be claimed proceeds when another's claim ends without a place."""
    claimed = [number for number in range(10) if crowd.in_flight.admit(number)]
    entering = asyncio.create_task(crowd.in_flight.wait_for_room())
    await _settle()
    assert not entering.done()
    crowd.in_flight.free(claimed[0])
    await asyncio.wait_for(entering, 1)


async def test_one_at_a_time_after_a_failure(crowd: Crowd) -> None:
    """After a failure one message leaves at a time, until one is answered."""
    await crowd.gather()
    for _ in range(3):
        await crowd.answer()
    assert len(crowd.out) == 4
    for _ in range(4):
        await crowd.fail()
    assert len(crowd.out) == 1
    await crowd.answer()
    assert len(crowd.out) == 2


async def test_place_left_without_an_answer_is_free(crowd: Crowd) -> None:
    """A message that was not sent frees its place for the next."""
    await crowd.gather()
    await crowd.end()
    assert len(crowd.out) == LEAST


async def test_who_hangs_is_passed_over_once(crowd: Crowd) -> None:
    """When no place is freed for long, one caller probes IO; success frees the places, once per answer."""
    await crowd.gather()
    assert not crowd.in_flight.take_probe()
    crowd.clock.advance(seconds=HUNG_SECONDS)
    assert [crowd.in_flight.take_probe(), crowd.in_flight.take_probe()] == [True, False]
    crowd.in_flight.release_hung()
    await _settle()
    assert len(crowd.out) == 2
    crowd.clock.advance(seconds=HUNG_SECONDS)
    assert not crowd.in_flight.take_probe()
    await crowd.end()  # its place was released as hung, so this frees none
    assert len(crowd.out) == 1
    await crowd.answer()
    crowd.clock.advance(seconds=HUNG_SECONDS)
    assert crowd.in_flight.take_probe()


async def test_nobody_asks_while_places_are_free(crowd: Crowd) -> None:
    """A process without messages to send does not probe, however long ago its last message left."""
    crowd.clock.advance(seconds=2 * HUNG_SECONDS)
    assert not crowd.in_flight.take_probe()
