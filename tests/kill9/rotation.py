"""A rotation of keys in the middle of the kills: of hosts with the old key or both, and of the timer."""

import asyncio
import random
import time
from collections import Counter
from pathlib import Path

from pydantic import SecretStr

from settings import Settings
from storage.account import StorageAccount
from storage.cipher import Cipher
from storage.key_rotation import Rotation
from storage.sealed_rows import NO_KEY, SEALED, SealedRows
from tests.e2e.processes import ChildProcess, rotating_process
from tests.e2e.world import World, new_key

# The half hour before the last pass, in seconds: nothing is written any more when it begins.
FAST = 600.0
END_SECONDS = 120


class KeyRotation:
    """Adds a key, then replaces the hosts of before, then has all rows encrypted again."""

    def __init__(self, world: World, folder: Path) -> None:
        self._world = world
        self._folder = folder
        self._new = new_key()
        self._before = 0
        self._processes: list[ChildProcess] = []

    def add_key(self) -> None:
        """From now on hosts start with the new key first; those that run keep the old one."""
        self._before = len(self._world.hosts)
        self._world.environ["ENCRYPTION_KEYS"] = f"{self._new},{self._world.environ['ENCRYPTION_KEYS']}"

    async def begin(self, lease: dict[str, str]) -> None:
        """Kill the hosts that have the old key alone, and begin."""
        for host in [host for host in self._world.hosts[: self._before] if host.exit_code is None]:
            host.kill()
            await self._world.start_hosts(1, lease)
        await self._world.stores.key_rotation.begin(self._name)
        self._start(1)

    def kill(self, rng: random.Random) -> None:
        """SIGKILL the timer half of the times, if it runs, and start another in its place."""
        if self._processes and rng.random() < 0.5:
            self._processes[-1].kill()
            self._start(1)

    async def end(self) -> Counter[str]:
        """Let the rotation end, and return what is wrong afterwards."""
        self._processes[-1].kill()
        self._start(FAST)
        deadline = time.monotonic() + END_SECONDS
        while time.monotonic() < deadline:
            await asyncio.sleep(0.5)
            if (await self._rotation()).ended_at:
                break
        self._processes[-1].kill()
        noted = await self._world.stores.key_checks.noted()
        return Counter({"not ended": noted != [self._name], "not encrypted again": await self._unreadable()})

    @property
    def _name(self) -> str:
        return Cipher([SecretStr(self._new)]).first_name

    def _start(self, speed: float) -> None:
        name = f"rotating-{len(self._processes) + 1}"
        self._processes.append(rotating_process(name, self._folder, self._world.environ, speed))

    async def _rotation(self) -> Rotation:
        rotation = await self._world.stores.key_rotation.current()
        assert rotation
        return rotation

    async def _unreadable(self) -> int:
        """The rows that the new key alone does not open."""
        account = StorageAccount(Settings.model_validate(self._world.environ))
        rows = SealedRows(account.table, Cipher([SecretStr(self._new)]))
        try:
            return sum([(await rows.count(table))[NO_KEY] for table in SEALED])
        finally:
            await account.aclose()
