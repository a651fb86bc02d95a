"""Two processes of the reminder timer, killed again and again."""

import json
import random
from asyncio import sleep
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from reminders.calendar import days_later, next_day
from storage.due_index import LEASE
from storage.ledger import DELIVERED, NOT_REMINDED, REMINDED, Entry, State
from tests.e2e.processes import ChildProcess, reminding_process
from tests.e2e.sample import fiscal_code, request
from tests.e2e.world import World

AFTER_DAYS = 5
SETTINGS = {"REMINDERS": json.dumps({"unread": {"after_days": AFTER_DAYS}})}
# A killed timer's lease lasts for 90 s more. The next timer's clock is ahead by more than that, so it takes
# the lease at once, even from a running timer. So two timers decide on the same messages.
LATER = LEASE + timedelta(seconds=30)
MESSAGES = 40
LEAST_KILLS = 11
# Until this many kills most answers take longer than a timer lives, so the work is not done before.
SLOW = {"operation": "get_message", "kind": "slow", "seconds": 1.5, "probability": 0.8}

NEVER_READS: dict[str, Any] = {"reads_after_seconds": None}
READS: dict[str, Any] = {"reads_after_seconds": 3600}
HIDES: dict[str, Any] = {"read_status_unavailable": [{}]}
# In this order; the other citizens never read.
OTHERS = [*[READS] * 6, *[HIDES] * 4]
CITIZENS = {
    f"r-{number}": script
    for number, script in enumerate([*OTHERS, *[NEVER_READS] * (MESSAGES - len(OTHERS))])
}
REASONS = {
    f"r-{number}": "read" if script is READS else "read_unavailable" for number, script in enumerate(OTHERS)
}
REMINDERS = {f"{name}:unread-1" for name in CITIZENS if name not in REASONS}


class Timers:
    """Two timer processes, each killed and replaced in turn."""

    def __init__(self, world: World, folder: Path, ahead: timedelta) -> None:
        self.all: list[ChildProcess] = []
        self.kills = 0
        self._world = world
        self._folder = folder
        self._ahead = ahead
        self._running = [self._start(), self._start()]
        self._random = random.Random(1)

    async def kill_one(self) -> None:
        """Kill the older process at a random moment of its work, and start another.

        After the least number of kills each process lives longer than the one before. So the work is done
        before the evening, on a machine of any speed.
        """
        oldest = self._running.pop(0)
        await oldest.says("^(ready)")
        await sleep(self._random.uniform(0.3, 1) * max(1, self.kills - LEAST_KILLS))
        assert oldest.exit_code is None, oldest.output
        oldest.kill()
        self.kills += 1
        self._running.append(self._start())

    def end(self) -> None:
        """Kill the processes that still run."""
        for process in self._running:
            process.kill()

    def _start(self) -> ChildProcess:
        self._ahead += LATER
        name, environ = f"timer-{len(self.all) + 1}", {**self._world.environ, **SETTINGS}
        self.all.append(reminding_process(name, self._folder, environ, self._ahead))
        return self.all[-1]


def _until_morning() -> timedelta:
    """The time from now to an hour at which every reminder is due and allowed."""
    now = datetime.now(UTC)
    return next_day(days_later(now, AFTER_DAYS)) + timedelta(hours=1) - now


def _decisions(entry: Entry) -> list[tuple[str, str | None]]:
    lines = [line for line in entry.history if line["what"] in (REMINDED, NOT_REMINDED)]
    return [(line["what"], line.get("reason")) for line in lines]


async def _all_accepted(world: World, names: set[str]) -> bool:
    entries = await world.entries()
    states = [entries[name].state if name in entries else None for name in names]
    return all(state is State.ACCEPTED or state in DELIVERED for state in states)


async def _send_first_messages(world: World) -> None:
    numbers = {name: fiscal_code(number) for number, name in enumerate(CITIZENS)}
    await world.io.citizens({numbers[name]: script for name, script in CITIZENS.items()})
    await world.start_hosts(2, SETTINGS)
    await world.put(*(request(name, numbers[name], feature_level_type="ADVANCED") for name in CITIZENS))

    async def accepted() -> bool:
        return await _all_accepted(world, set(CITIZENS)) and await world.queues_are_empty()

    await world.until(accepted)


@pytest.mark.timeout(480)
async def test_timers_are_killed(world: World, tmp_path: Path) -> None:
    """Timers killed at any moment remind each citizen with an unread message exactly once, and no other."""
    await _send_first_messages(world)
    ahead = _until_morning()
    await world.io.advance(ahead)
    await world.io.faults(SLOW)
    timers = Timers(world, tmp_path, ahead)

    async def all_decided() -> bool:
        return await world.reminder_entries() == []

    async def all_sent() -> bool:
        return await _all_accepted(world, REMINDERS) and await world.queues_are_empty()

    try:
        while not await all_decided():
            await timers.kill_one()
            if timers.kills == LEAST_KILLS:
                await world.io.clear_faults()
        assert timers.kills >= LEAST_KILLS
        await world.until(all_sent)
    finally:
        timers.end()

    entries = await world.entries()
    assert {name: _decisions(entries[name]) for name in CITIZENS} == {
        name: [(NOT_REMINDED, REASONS[name])] if name in REASONS else [(REMINDED, None)] for name in CITIZENS
    }
    assert set(entries) == set(CITIZENS) | REMINDERS
    assert not any(entries[name].may_remind or entries[name].body for name in CITIZENS)
    at_io = Counter(message["fiscal_code"] for message in await world.io.messages())
    assert at_io == {fiscal_code(number): 1 if name in REASONS else 2 for number, name in enumerate(CITIZENS)}
    assert await world.all_parked() == []
    assert {name for name, told in world.told().items() if "reminded" in told} == set(CITIZENS) - set(REASONS)
