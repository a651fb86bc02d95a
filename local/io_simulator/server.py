"""The simulator's HTTP server, on loopback."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiohttp import web

from local.io_simulator.app import BASE_PATH, create_app
from local.io_simulator.simulator import Configuration, Simulator

HOST = "127.0.0.1"
SHUTDOWN_SECONDS = 0.1  # after this time the server cuts the calls that still hang


@dataclass(frozen=True, slots=True)
class RunningSimulator:
    """The addresses of a running simulator, and its state for tests in the same process.

    `base_url` ends with /api/v1, `control_url` with /simulator.
    """

    base_url: str
    control_url: str
    state: Simulator


@asynccontextmanager
async def running_simulator(
    configuration: Configuration | None = None, *, port: int = 0
) -> AsyncIterator[RunningSimulator]:
    """Serve during the block, on `port` or on a free one (0). Raises OSError if the port is taken."""
    simulator = Simulator(configuration or Configuration())
    # There is no access log, because its lines would hold fiscal codes.
    runner = web.AppRunner(create_app(simulator), access_log=None, shutdown_timeout=SHUTDOWN_SECONDS)
    await runner.setup()
    try:
        await web.TCPSite(runner, HOST, port).start()
        origin = f"http://{HOST}:{runner.addresses[0][1]}"
        yield RunningSimulator(origin + BASE_PATH, f"{origin}/simulator", simulator)
    finally:
        await runner.cleanup()
