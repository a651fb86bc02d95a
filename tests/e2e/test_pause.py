"""The operator's pause, on real hosts."""

import asyncio

import pytest

from tests.e2e.sample import fiscal_code, request
from tests.e2e.world import World
from tests.integration.cli_account import CliAccount

KNOWN_EVERYWHERE_SECONDS = 2
LONG_ENOUGH_TO_SEND_SECONDS = 4


async def test_pause_and_resume(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """After `postino pause` no host calls IO; after `postino resume` the messages that waited are sent."""
    operator = CliAccount(world.storage.connection_string, monkeypatch)
    await world.start_hosts(2)
    await world.put(request("before", fiscal_code(0)))
    await world.until_gone({"before": "SENDING ACCEPTED PROCESSED"})

    paused = await asyncio.to_thread(operator.run, "pause")
    assert paused.exit_code == 0
    await asyncio.sleep(KNOWN_EVERYWHERE_SECONDS)
    calls = await world.io.calls()
    await world.put(*(request(f"r{number}", fiscal_code(number)) for number in range(1, 6)))
    await asyncio.sleep(LONG_ENOUGH_TO_SEND_SECONDS)
    assert await world.io.calls() == calls

    await asyncio.to_thread(operator.run, "resume")
    await world.until_gone({f"r{number}": "SENDING ACCEPTED" for number in range(1, 6)})
    assert len(await world.io.messages()) == 6
    assert await world.all_parked() == []
