"""Outages of Postino's dependencies: its storage, its roles, its encryption key and its key to IO."""

import asyncio
from collections import Counter
from collections.abc import Collection
from typing import Any

import pytest

from storage import ledger
from storage.ledger import State
from storage.queues import MESSAGE_REQUESTS, MESSAGE_SENDS
from tests.e2e.sample import fiscal_code, request
from tests.e2e.simulator_control import FULL_SWING
from tests.e2e.storage_proxy import ALL, READS, WRITES, running_proxy
from tests.e2e.world import INNER_QUEUES, World, new_key

OUTAGE_SECONDS = 30
# Longer than the platform would try a message if its failures counted: here five times in a row.
REFUSED_SECONDS = 15
# SENDING: a message in flight when the ledger became unavailable is in doubt once its lease has expired.
ENDED = (State.ACCEPTED, State.PROCESSED, State.SENDING, State.IN_DOUBT)


def paths(requests: list[dict[str, Any]], path: str) -> dict[str, str]:
    """The same expected steps for each request."""
    return {one["request_id"]: path for one in requests}


@pytest.mark.timeout(240)
async def test_storage_goes_and_comes_back(world_on_disk: World) -> None:
    """During an outage of storage no message is lost, and after it none is sent twice."""
    world = world_on_disk
    asked = [request(f"r{number}", fiscal_code(number)) for number in range(60)]
    # A batch that storage gave out as it stopped never reached a host, and comes back after its lease.
    await world.start_hosts(2, {"LOCAL_HOST_LEASE_SECONDS": "15"})
    await world.io.faults(*FULL_SWING)
    await world.put(*asked)
    await world.io.until_full_swing()
    world.storage.stop()
    await world.io.clear_faults()
    await asyncio.sleep(OUTAGE_SECONDS)
    world.storage.start()

    everything = {one["request_id"]: {"accepted", "processed"} for one in asked}

    async def all_told() -> bool:
        return {request_id: set(told) for request_id, told in world.told().items()} == everything

    async def all_processed() -> bool:
        return await world.states() == {State.PROCESSED: len(asked)}

    await world.until(all_told, limit_seconds=150)
    await world.until(all_processed)  # each change is published before the ledger holds it
    people = Counter(message["fiscal_code"] for message in await world.io.messages())
    assert people == Counter(one["fiscal_code"] for one in asked)
    assert await world.all_parked() == []


@pytest.mark.parametrize("methods", [READS + WRITES, WRITES], ids=["nothing", "only reads"])
async def test_tables_that_refuse(world: World, methods: Collection[str]) -> None:
    """Without a role on a table every message waits, and is sent once when the role is granted."""
    asked = [request(f"r{number}", fiscal_code(number)) for number in range(20)]
    async with running_proxy(world.storage) as proxy:
        proxy.methods, proxy.refused = methods, [ledger.TABLE]
        (host,) = await world.start_hosts(settings={"AzureWebJobsStorage": proxy.connection_string})
        await world.put(*asked)
        await host.says(r"(no message is taken: table ledger refuses the app)")
        await asyncio.sleep(REFUSED_SECONDS)
        assert (await world.io.messages(), await world.poisoned()) == ([], 0)
        proxy.refused = []
        await world.until(lambda: _are_sent(world, len(asked)))
    people = Counter(message["fiscal_code"] for message in await world.io.messages())
    assert people == Counter(one["fiscal_code"] for one in asked)


async def test_tables_that_refuse_in_the_middle(world: World) -> None:
    """Revoking the roles in the middle of a run loses no message and sends none twice."""
    asked = [request(f"r{number}", fiscal_code(number)) for number in range(60)]
    async with running_proxy(world.storage) as proxy:
        await world.start_hosts(2, {"AzureWebJobsStorage": proxy.connection_string})
        await world.io.faults(*FULL_SWING)
        await world.put(*asked)
        await world.io.until_full_swing()
        proxy.refused = [ALL]
        await world.io.clear_faults()
        await asyncio.sleep(REFUSED_SECONDS)
        assert await world.poisoned() == 0
        proxy.refused = []

        async def none_is_left() -> bool:
            states = await world.states()
            return sum(states[one] for one in ENDED) == len(asked)

        await world.until(none_is_left, limit_seconds=150)
    people = Counter(message["fiscal_code"] for message in await world.io.messages())
    assert max(people.values()) == 1
    assert await world.all_parked() == []


async def test_encryption_key_was_replaced(world: World) -> None:
    """With an encryption key replaced, messages wait; with the old key added again they are sent."""
    old, new = world.environ["ENCRYPTION_KEYS"], new_key()
    await world.start_hosts(settings={"AzureWebJobs.send_message.Disabled": "true"})
    await world.put(request("sealed", fiscal_code(1)))

    async def checked() -> bool:
        return (await world.depths())[MESSAGE_SENDS] == 1

    await world.until(checked)
    await world.stop_hosts()
    (host,) = await world.start_hosts(settings={"ENCRYPTION_KEYS": new})
    await world.put(request("later", fiscal_code(2)))
    await host.says(r"(no message is taken: ENCRYPTION_KEYS lacks key [0-9a-f]{8})")
    await asyncio.sleep(REFUSED_SECONDS)
    await world.stop_hosts()
    assert (await world.all_parked(), await world.poisoned()) == ([], 0)
    await world.start_hosts(settings={"ENCRYPTION_KEYS": f"{new},{old}"})
    await world.until(lambda: _are_sent(world, 2))


async def _are_sent(world: World, count: int) -> bool:
    return len(await world.io.messages()) == count


async def test_key_is_wrong(world: World) -> None:
    """While IO refuses the key every request waits in the ledger and on its queue, and none is parked."""
    checked = [request(f"checked-{number}", fiscal_code(number)) for number in range(5)]
    new = [request(f"new-{number}", fiscal_code(number)) for number in range(5, 10)]
    await world.start_hosts(settings={"AzureWebJobs.send_message.Disabled": "true"})
    await world.put(*checked)

    nothing = dict.fromkeys(INNER_QUEUES, 0)

    async def all_checked() -> bool:
        return await world.depths() == nothing | {MESSAGE_SENDS: len(checked)}

    await world.until(all_checked)
    await world.stop_hosts()
    await world.io.keys({"default": ["another-key"]})
    await world.start_hosts()
    await world.put(*new)
    await world.until_gone(paths(checked, "SENDING DEFERRED") | paths(new, "DEFERRED"))
    await world.stop_hosts()
    entries = (await world.entries()).values()
    assert {(entry.state, entry.last_step["reason"]) for entry in entries} == {
        (State.DEFERRED, "invalid_key")
    }
    assert await world.depths() == nothing | {MESSAGE_REQUESTS: len(new), MESSAGE_SENDS: len(checked)}
    assert (await world.all_parked(), world.events, await world.io.messages()) == ([], [], [])
