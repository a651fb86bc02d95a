"""What a message needs around the sending process: the storage emulator and IO without a limit."""

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from benchmarks.cost.worker import CITIZENS
from local.azurite import Azurite
from tests.e2e.processes import ChildProcess
from tests.e2e.simulator_control import SimulatorControl
from tests.e2e.world import new_key

NO_LIMIT: Final = "100000/5"


@asynccontextmanager
async def running_surroundings(rate_limit: str = NO_LIMIT) -> AsyncIterator[dict[str, str]]:
    """Run both within the block, and yield the app's settings. `rate_limit`: calls/seconds of the app."""
    command = ["local.io_simulator", "--port", "0", "--rate-limit", "none"]
    with (
        tempfile.TemporaryDirectory() as folder,
        Azurite() as azurite,
        ChildProcess("io", Path(folder), command, {}) as simulator,
    ):
        environ = {
            "AzureWebJobsStorage": azurite.connection_string,
            "ENCRYPTION_KEYS": new_key(),
            "IO_API_BASE_URL": await simulator.address(),
            "IO_API_KEY": "simulator-key",
            "IO_RATE_LIMIT": rate_limit,
        }
        control = SimulatorControl(environ["IO_API_BASE_URL"].removesuffix("/api/v1"))
        await control.citizens(CITIZENS)
        await control.aclose()
        yield environ
