"""The processes of a running Postino, besides its storage: functions hosts and IO's simulator."""

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
    """A `python -m ...` of the project that writes into files in `folder`; killed on exit at the latest.

    With a `python` of its own it is a new process, otherwise a copy of one that has loaded the libraries.
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
        """All that it has written so far, to stdout and stderr."""
        return self._out.read_text() + self._err.read_text()

    @property
    def exit_code(self) -> int | None:
        """None while it runs; negative is the signal that ended it."""
        return self._process.poll()

    async def address(self) -> str:
        """What it says it listens on, once it does."""
        return await self.says(r"^ready .*?(http://\S+)")

    async def says(self, pattern: str) -> str:
        """What the group of a pattern is in its output, once it is there."""
        deadline = time.monotonic() + LIMIT_SECONDS
        while not (ready := re.search(pattern, self.output, re.MULTILINE)):
            assert self.exit_code is None, f"{self.name} ended with {self.exit_code}:\n{self.output}"
            assert time.monotonic() < deadline, f"{self.name} is not ready:\n{self.output}"
            await asyncio.sleep(0.05)
        return ready[1]

    async def counts(self, function: str) -> dict[str, int]:
        """How the invocations of a host's function have ended so far."""
        url = f"{await self.address()}/admin/host/status"
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            counts: dict[str, int] = (await answer.json())["functions"][function]
        return counts

    def terminate(self) -> None:
        """SIGTERM, as the platform announces an end."""
        self._process.terminate()

    async def end(self) -> int:
        """Its exit code, once it has ended."""
        deadline = time.monotonic() + LIMIT_SECONDS
        while self.exit_code is None:
            assert time.monotonic() < deadline, f"{self.name} does not end:\n{self.output}"
            await asyncio.sleep(0.05)
        return self.exit_code

    def kill(self) -> None:
        """kill -9, and wait for the end."""
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
    """The functions host on the app, talkative: what it never says at debug level it never says.

    `code` is another checkout of the project, to compare with.
    """
    command = ["local.host", "--port", "0", "--log-level", "debug"]
    if code:
        return ChildProcess(name, folder, command, environ, python=Path(sys.executable), cwd=code)
    return ChildProcess(name, folder, command, environ)


def reminding_process(name: str, folder: Path, environ: Mapping[str, str], ahead: timedelta) -> ChildProcess:
    """The reminders' timer alone, by a clock that is ahead of the real one."""
    command = ["tests.e2e.reminding", "--ahead", str(ahead.total_seconds())]
    return ChildProcess(name, folder, command, environ)
