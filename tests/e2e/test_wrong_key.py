"""A run in which IO refuses every key, until an operator renews the secondary one."""

import asyncio

import pytest

from io_api.suspension_store import PROBE_AFTER
from tests.e2e.sample import fiscal_code, request
from tests.e2e.test_campaign import put_in_batches
from tests.e2e.world import World

SIZE = 200
BEFORE = 50
KNOWN_EVERYWHERE_SECONDS = 3
STOPPED_SECONDS = 12
SERVICE, SECONDARY = "default", "simulator-secondary-key"


@pytest.mark.timeout(300)
async def test_wrong_key_in_the_middle_of_a_run(world: World) -> None:
    """While IO refuses every key only probes call IO and nothing is parked; with a key back all are sent."""
    requests = [request(f"r{number}", fiscal_code(number)) for number in range(SIZE)]
    await world.start_hosts(2, {"IO_API_SECONDARY_KEY": SECONDARY})
    putting = asyncio.create_task(put_in_batches(world, requests))
    await world.io.until_answered(BEFORE)
    await world.io.keys({SERVICE: []})
    await asyncio.sleep(KNOWN_EVERYWHERE_SECONDS)
    sent, calls = len(await world.io.messages()), await _received(world)
    await asyncio.sleep(STOPPED_SECONDS)
    probes = 2 * (1 + STOPPED_SECONDS // PROBE_AFTER.total_seconds())  # each probe with both keys
    assert await _received(world) - calls <= probes
    assert (len(await world.io.messages()), await world.all_parked()) == (sent, [])

    await world.io.keys({SERVICE: [SECONDARY]})
    await putting
    await world.until_gone({f"r{number}": "" for number in range(SIZE)})

    async def all_sent() -> bool:
        return len(await world.io.messages()) == SIZE

    await world.until(all_sent, limit_seconds=180)
    assert {message["key"] for message in (await world.io.messages())[sent:]} == {SECONDARY}
    await world.until(world.queues_are_empty)
    assert await world.all_parked() == []


async def _received(world: World) -> int:
    return sum(operation["received"] for operation in (await world.io.calls()).values())
