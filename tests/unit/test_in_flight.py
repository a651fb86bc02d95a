"""How many messages may be without an answer."""

import asyncio

from io_api.in_flight import LEAST, MOST, InFlight


async def _crowd(in_flight: InFlight) -> list[asyncio.Task[None]]:
    """More messages than may ever be on their way; those that got a place are done."""
    tasks = [asyncio.create_task(in_flight.take()) for _ in range(2 * MOST)]
    await asyncio.sleep(0)
    return tasks


def _taken(tasks: list[asyncio.Task[None]]) -> int:
    return sum(task.done() for task in tasks)


async def _answer(in_flight: InFlight) -> None:
    in_flight.answered()
    in_flight.free()
    await asyncio.sleep(0)
    await asyncio.sleep(0)


async def test_starts_with_few() -> None:
    """A process that just started risks two messages, not all that it could send."""
    assert _taken(await _crowd(InFlight())) == LEAST


async def test_grows_with_each_answer_while_others_wait() -> None:
    """An IO that answers, however slowly, gets as many messages at a time as wait, within a bound."""
    in_flight = InFlight()
    tasks = await _crowd(in_flight)
    most = 0
    for answered in range(MOST):
        most = max(most, _taken(tasks) - answered)
        await _answer(in_flight)
    assert most == MOST


async def test_sinks_when_fewer_are_needed() -> None:
    """Places that nobody needs are given up, so that an outage finds few messages on their way."""
    in_flight = InFlight()
    tasks = await _crowd(in_flight)
    for _ in tasks:
        await _answer(in_flight)
    for _ in range(2 * MOST):
        await in_flight.take()
        await _answer(in_flight)
    assert _taken(await _crowd(in_flight)) == LEAST


async def test_one_at_a_time_after_a_failure() -> None:
    """After a message that got no answer one leaves at a time, until one is answered."""
    in_flight = InFlight()
    await in_flight.take()
    in_flight.failed()
    in_flight.free()
    tasks = await _crowd(in_flight)
    assert _taken(tasks) == 1
    await _answer(in_flight)
    assert _taken(tasks) == 1 + LEAST


async def test_place_left_without_an_answer_is_free() -> None:
    """A message that did not leave after all gives its place to the next."""
    in_flight = InFlight()
    tasks = await _crowd(in_flight)
    in_flight.free()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert _taken(tasks) == LEAST + 1
