"""All of Postino on this machine: storage emulator, IO simulator and functions host, as child processes."""

import asyncio
import os
import shlex
import shutil
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from local.child import Child
from settings import Settings

PROJECT = Path(__file__).parents[1]

_APP_SETTINGS = {str(setting.validation_alias) for setting in Settings.model_fields.values()}


@dataclass(frozen=True)
class Place:
    """Folders and ports of the parts. Port 0 means a free one. Without `data` the storage is in memory."""

    logs: Path
    data: Path | None = None
    azurite_ports: tuple[int, int, int] = (0, 0, 0)
    simulator_port: int = 0
    host_port: int = 0


@dataclass(frozen=True)
class Stack:
    """The running parts; `settings` are their app settings."""

    settings: Mapping[str, str] = field(repr=False)
    simulator: str
    host: str
    _children: tuple[Child, ...]

    @property
    def app_settings(self) -> Settings:
        """The app settings as the app parses them."""
        return Settings.model_validate(self.app_environ)

    def shell_exports(self) -> str:
        """Return the shell lines with which `postino` finds this storage."""
        return "\n".join(f"export {name}={shlex.quote(value)}" for name, value in self.app_environ.items())

    @property
    def app_environ(self) -> dict[str, str]:
        """The app settings as the environment of the app and of `postino` holds them."""
        return {name: value for name, value in self.settings.items() if name in _APP_SETTINGS}

    async def while_up[Result](self, work: Coroutine[Any, Any, Result]) -> Result:
        """Return the result of `work`. Raises ChildError as soon as a part ends before `work` does."""
        working = asyncio.create_task(work)
        watching = [asyncio.create_task(child.watch()) for child in self._children]
        try:
            await asyncio.wait({working, *watching}, return_when=asyncio.FIRST_COMPLETED)
            if working.done() and working.exception():
                # A crashed part may be the cause. Its end shows a moment later.
                await asyncio.wait(watching, timeout=1, return_when=asyncio.FIRST_COMPLETED)
            for ended in (watch for watch in watching if watch.done()):
                await ended
            return await working
        finally:
            for task in (working, *watching):
                task.cancel()
            await asyncio.gather(working, *watching, return_exceptions=True)


type Prepare = Callable[[str, str], Awaitable[Mapping[str, str]]]


@asynccontextmanager
async def running_stack(
    place: Place,
    *,
    keys: Mapping[str, str],
    settings: Mapping[str, str],
    manage_key: str,
    prepare: Prepare,
) -> AsyncIterator[Stack]:
    """Start each part when the one before it answers, and stop the parts in reverse order.

    `keys` are the API keys that the simulator accepts, by service. `settings` are the app settings other than
    storage and IO's address. `prepare` runs before the host starts, with the addresses of IO and of the host,
    and returns further app settings. `manage_key` is the account's key of the kind MANAGE. Raises ChildError.
    """
    place.logs.mkdir(parents=True, exist_ok=True)
    async with AsyncExitStack() as running:
        azurite = await _start(running, place, "azurite", _azurite(place), {})
        storage = await azurite.line("DefaultEndpointsProtocol=")
        simulator = await _start(running, place, "io-simulator", _simulator(place, keys, manage_key), {})
        base_url = (await simulator.line("ready ")).split()[2]
        port = place.host_port or _free_port()
        address = f"http://127.0.0.1:{port}"
        more = await prepare(base_url, address)
        found = {"AzureWebJobsStorage": storage, "IO_API_BASE_URL": base_url, **settings, **more}
        host = await _start(running, place, "functions-host", _host(port), found)
        async with httpx.AsyncClient(base_url=address) as client:
            await host.sign(lambda: _functions_run(client))
        control = base_url.removesuffix("/api/v1") + "/simulator"
        yield Stack(found, control, address, (azurite, simulator, host))


async def _start(
    running: AsyncExitStack, place: Place, name: str, command: list[str], settings: Mapping[str, str]
) -> Child:
    # The developer's shell may name another storage account or the real IO. Those settings must not reach the
    # app.
    environ = {setting: value for setting, value in os.environ.items() if setting not in _APP_SETTINGS}
    # `func` runs the app with the first Python on PATH.
    environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environ.get('PATH', '')}"
    environ |= {"FUNCTIONS_WORKER_RUNTIME": "python", **settings}
    log = place.logs / f"{name}.log"
    child = await Child.start(name, command, folder=PROJECT, log=log, environ=environ)
    running.push_async_callback(child.stop)
    return child


def _azurite(place: Place) -> list[str]:
    data = ["--data", str(place.data)] if place.data else []
    return _python("local.azurite", *data, "--ports", *map(str, place.azurite_ports))


def _simulator(place: Place, keys: Mapping[str, str], manage_key: str) -> list[str]:
    pairs = ",".join(f"{service}={key}" for service, key in keys.items())
    managing = f"{next(iter(keys))}={manage_key}"
    port = str(place.simulator_port)
    return _python("local.io_simulator", "--port", port, "--keys", pairs, "--manage-keys", managing)


def _host(port: int) -> list[str]:
    func = shutil.which("func")
    if func:
        return [func, "start", "--port", str(port)]
    return _python("local.host", "--port", str(port))


def _python(module: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", module, *arguments]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


async def _functions_run(client: httpx.AsyncClient) -> bool | None:
    try:
        answer = await client.get("/admin/host/status")
    except httpx.TransportError:
        return None
    return (answer.is_success and answer.json().get("state") == "Running") or None
