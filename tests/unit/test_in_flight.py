"""How many messages may be without an answer."""

import asyncio

from io_api.in_flight import LEAST, MOST, InFlight


def _taken(in_flight: InFlight) -> int:
    """Take every free place; returns how many there were."""
    return sum(1 for _ in iter(in_flight.try_take, False))


async def _waiting(in_flight: InFlight) -> asyncio.Task[None]:
    task = asyncio.create_task(in_flight.room())
    await asyncio.sleep(0)
    return task


async def test_starts_with_few() -> None:
    """A process that just started risks two messages, not all that it could send."""
    assert _taken(InFlight()) == LEAST


async def test_grows_with_each_answer_while_others_wait() -> None:
    """An IO that answers, however slowly, gets as many messages at a time as wait for a place."""
    in_flight = InFlight()
    out = _taken(in_flight)
    for _ in range(100):
        task = await _waiting(in_flight)
        in_flight.answered()
        await task
        out += _taken(in_flight) - 1
    assert out == MOST


async def test_sinks_when_fewer_are_needed() -> None:
    """Places that nobody needs are given up, so that an outage finds few messages on their way."""
    in_flight = InFlight()
    out = _taken(in_flight)
    for _ in range(10):
        task = await _waiting(in_flight)
        in_flight.answered()
        await task
        out += _taken(in_flight) - 1
    for _ in range(out):
        in_flight.answered()
    for _ in range(20):
        assert in_flight.try_take()
        in_flight.answered()
    assert _taken(in_flight) == LEAST


async def test_one_at_a_time_after_a_failure() -> None:
    """After a message that got no answer one leaves at a time, until one is answered."""
    in_flight = InFlight()
    assert in_flight.try_take()
    in_flight.failed()
    assert _taken(in_flight) == 1
    in_flight.answered()
    assert _taken(in_flight) == LEAST


async def test_who_waits_goes_on_when_a_place_is_free() -> None:
    """A place that is left wakes those who wait for one."""
    in_flight = InFlight()
    _taken(in_flight)
    tasks = [await _waiting(in_flight) for _ in range(3)]
    in_flight.answered()
    await asyncio.gather(*tasks)
    assert in_flight.try_take()
