"""How many messages may be without an answer."""

import asyncio

import pytest

from io_api.in_flight import HUNG_SECONDS, LEAST, MOST, InFlight, Place
from tests.fakes import FakeClock


class Crowd:
    """More messages than may ever be on their way; those that got a place leave."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.in_flight = InFlight(lambda: self.clock().timestamp())
        self.out: list[Place] = []
        self.tasks: list[asyncio.Task[None]] = []

    async def gather(self, size: int = 2 * MOST) -> None:
        """The crowd comes."""
        self.tasks = [asyncio.create_task(self._leave()) for _ in range(size)]
        await _settle()

    async def answer(self) -> None:
        """The oldest is answered, and gives its place back."""
        self.in_flight.answered()
        await self.end()

    async def fail(self) -> None:
        """The oldest gets no answer, and gives its place back."""
        self.in_flight.failed()
        await self.end()

    async def end(self) -> None:
        """The oldest gives its place back."""
        self.in_flight.free(self.out.pop(0))
        await _settle()

    async def _leave(self) -> None:
        while not (place := self.in_flight.take()):
            await self.in_flight.wanted()
        self.out.append(place)


async def _settle() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


@pytest.fixture
async def crowd() -> Crowd:
    return Crowd()


async def test_starts_with_one(crowd: Crowd) -> None:
    """A process that just started risks one message, not all that it could send."""
    await crowd.gather()
    assert len(crowd.out) == LEAST == 1


async def test_grows_with_each_answer_while_others_wait(crowd: Crowd) -> None:
    """An IO that answers, however slowly, gets as many messages at a time as wait, within a bound."""
    await crowd.gather()
    most = 0
    for _ in range(MOST):
        most = max(most, len(crowd.out))
        await crowd.answer()
    assert most == MOST


async def test_sinks_when_fewer_are_needed(crowd: Crowd) -> None:
    """Places that nobody needs are given up, so that an outage finds few messages on their way."""
    await crowd.gather()
    while crowd.out:
        await crowd.answer()
    for _ in range(2 * MOST):
        place = crowd.in_flight.take()
        assert place
        crowd.out.append(place)
        await crowd.answer()
    await crowd.gather()
    assert len(crowd.out) == LEAST


async def test_answers_that_come_together_take_no_place_away(crowd: Crowd) -> None:
    """Places that were needed a moment ago are kept while the next messages are on their way to them."""
    await crowd.gather(7)
    for _ in range(3):
        await crowd.answer()
    places = [*crowd.out]
    assert len(places) == 4
    crowd.out.clear()
    for place in places:
        crowd.in_flight.answered()
        crowd.in_flight.free(place)
    await crowd.gather()
    assert len(crowd.out) == 4


async def test_nobody_is_let_in_before_those_who_wait(crowd: Crowd) -> None:
    """A place that a claimed message waits for lets no other message be claimed."""
    await crowd.gather(3)
    entering = asyncio.create_task(crowd.in_flight.room())
    await crowd.end()
    assert crowd.in_flight.is_crowded
    assert not entering.done()
    await crowd.end()
    await crowd.end()
    await asyncio.wait_for(entering, 1)


async def test_one_at_a_time_after_a_failure(crowd: Crowd) -> None:
    """After a message that got no answer one leaves at a time, until one is answered."""
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
    """A message that did not leave after all gives its place to the next."""
    await crowd.gather()
    await crowd.end()
    assert len(crowd.out) == LEAST


async def test_who_hangs_is_passed_over_once(crowd: Crowd) -> None:
    """One caller asks whether IO answers while no place moves; the proof frees them, once an answer."""
    await crowd.gather()
    assert not crowd.in_flight.take_probe()
    crowd.clock.advance(seconds=HUNG_SECONDS)
    assert [crowd.in_flight.take_probe(), crowd.in_flight.take_probe()] == [True, False]
    crowd.in_flight.pass_over()
    await _settle()
    assert len(crowd.out) == 2
    crowd.clock.advance(seconds=HUNG_SECONDS)
    assert not crowd.in_flight.take_probe()
    await crowd.end()  # the one that was passed over: its place was given already
    assert len(crowd.out) == 1
    await crowd.answer()
    crowd.clock.advance(seconds=HUNG_SECONDS)
    assert crowd.in_flight.take_probe()


async def test_nobody_asks_while_places_are_free(crowd: Crowd) -> None:
    """A process that has nothing to send asks nothing, however long ago its last message left."""
    crowd.clock.advance(seconds=2 * HUNG_SECONDS)
    assert not crowd.in_flight.take_probe()
