"""An outage of IO's backends: messages wait, few end in doubt, and sending resumes by itself."""

import asyncio
from collections import Counter

import pytest

from storage.ledger import State
from tests.e2e.sample import fiscal_code, request
from tests.e2e.world import World

OUTAGE_SECONDS = 20


# `make outage` measures every kind with one host and with four.
@pytest.mark.parametrize(("kind", "hosts", "most"), [("503_before", 1, 5), ("hang", 4, 10)])
@pytest.mark.timeout(240)
async def test_messages_that_io_cannot_take_wait(world: World, kind: str, hosts: int, most: int) -> None:
    """While every POST fails few messages end in doubt and none dead; the others are sent once each."""
    asked = [request(f"r{number}", fiscal_code(number)) for number in range(60)]
    await world.start_hosts(hosts)
    await world.io.faults({"operation": "submit_message", "kind": kind, "probability": 1})
    await world.put(*asked)
    await asyncio.sleep(OUTAGE_SECONDS)
    await world.io.clear_faults()

    async def all_ended() -> bool:
        states = await world.states()
        return states.get(State.PROCESSED, 0) + states.get(State.IN_DOUBT, 0) == len(asked)

    await world.until(all_ended, limit_seconds=60)
    states = await world.states()
    people = Counter(message["fiscal_code"] for message in await world.io.messages())
    assert states[State.IN_DOUBT] <= most
    assert max(people.values()) == 1
