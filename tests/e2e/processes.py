"""The processes of a running Postino, besides its storage: functions hosts and the IO simulator."""

import asyncio
import os
import re
import subprocess
import sys
import time
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Self

import aiohttp

from tests.e2e.forked import Forked

PROJECT = Path(__file__).parents[2]
LIMIT_SECONDS = 60


class ChildProcess:
    """A `python -m ...` of the project that writes into files in `folder`, and is killed on exit at the
    latest.

    With a `python` of its own it is a new process, otherwise a fork with the libraries loaded.
    """

    def __init__(
        self,
        name: str,
        folder: Path,
        command: list[str],
        environ: Mapping[str, str],
        *,
        python: Path | None = None,
        cwd: Path = PROJECT,
    ) -> None:
        self.name = name
        self._out, self._err = folder / f"{name}.out", folder / f"{name}.err"
        self._out.touch()
        self._err.touch()
        whole = {**os.environ, "FUNCTIONS_WORKER_RUNTIME": "python", **environ}
        self._process: Forked | subprocess.Popen[bytes]
        if python is None:
            self._process = Forked(command, cwd=cwd, stdout=self._out, stderr=self._err, env=whole)
            return
        with self._out.open("w") as out, self._err.open("w") as err:
            self._process = subprocess.Popen(
                [python, "-m", *command], cwd=cwd, stdout=out, stderr=err, env=whole
            )

    @property
    def output(self) -> str:
        """Everything that the process has written to stdout and stderr so far."""
        return self._out.read_text() + self._err.read_text()

    @property
    def exit_code(self) -> int | None:
        """The exit code, or None while the process runs; a negative one is a signal."""
        return self._process.poll()

    async def address(self) -> str:
        """The address that the process listens on, once it has printed it."""
        return await self.says(r"^ready .*?(http://\S+)")

    async def says(self, pattern: str) -> str:
        """The text of the pattern's group in the output, once the pattern matches."""
        deadline = time.monotonic() + LIMIT_SECONDS
        while not (ready := re.search(pattern, self.output, re.MULTILINE)):
            assert self.exit_code is None, f"{self.name} ended with {self.exit_code}:\n{self.output}"
            assert time.monotonic() < deadline, f"{self.name} is not ready:\n{self.output}"
            await asyncio.sleep(0.05)
        return ready[1]

    async def counts(self, function: str) -> dict[str, int]:
        """The results of a function's invocations so far."""
        url = f"{await self.address()}/admin/host/status"
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            counts: dict[str, int] = (await answer.json())["functions"][function]
        return counts

    def terminate(self) -> None:
        """Send SIGTERM, as the platform does before it stops a host."""
        self._process.terminate()

    async def end(self) -> int:
        """Wait until the process has ended, and return its exit code."""
        deadline = time.monotonic() + LIMIT_SECONDS
        while self.exit_code is None:
            assert time.monotonic() < deadline, f"{self.name} does not end:\n{self.output}"
            await asyncio.sleep(0.05)
        return self.exit_code

    def kill(self) -> None:
        """Send SIGKILL, and wait for the end."""
        self._process.kill()
        self._process.wait(LIMIT_SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()


def simulator_process(folder: Path) -> ChildProcess:
    """IO, with the real limit of 150 calls in 5 s."""
    return ChildProcess("io-simulator", folder, ["local.io_simulator", "--port", "0"], {})


def host_process(
    name: str, folder: Path, environ: Mapping[str, str], code: Path | None = None
) -> ChildProcess:
    """The functions host on the app, at debug level, so its output holds everything that it could ever log.

    `code` is another checkout of the project, for comparison.
    """
    command = ["local.host", "--port", "0", "--log-level", "debug"]
    if code:
        return ChildProcess(name, folder, command, environ, python=Path(sys.executable), cwd=code)
    return ChildProcess(name, folder, command, environ)


def rotating_process(name: str, folder: Path, environ: Mapping[str, str], speed: float) -> ChildProcess:
    """The timer of a rotation of keys alone, with a clock that is faster than the real one."""
    return ChildProcess(name, folder, ["tests.e2e.rotating", "--speed", str(speed)], environ)


def reminding_process(name: str, folder: Path, environ: Mapping[str, str], ahead: timedelta) -> ChildProcess:
    """The reminder timer alone, with a clock ahead of the real one."""
    command = ["tests.e2e.reminding", "--ahead", str(ahead.total_seconds())]
    return ChildProcess(name, folder, command, environ)
