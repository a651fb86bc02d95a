"""A child process with its output in a log. Its unexpected end raises ChildError."""

import asyncio
import contextlib
import os
import signal
from asyncio.subprocess import DEVNULL, STDOUT, Process
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Self

START_SECONDS = 60
# A stopping functions host lets running functions finish, for 30 s at most.
STOP_SECONDS = 35
LAST_LINES = 12


class ChildError(RuntimeError):
    """A child process did not start, or ended unexpectedly."""


class Child:
    """One process; `name` identifies it in error messages."""

    def __init__(self, name: str, log: Path, process: Process) -> None:
        self.name = name
        self._log = log
        self._process = process

    @classmethod
    async def start(
        cls, name: str, command: Sequence[str], *, folder: Path, log: Path, environ: Mapping[str, str]
    ) -> Self:
        """Start `command` in `folder`. Its output replaces `log`. Raises ChildError if it cannot run."""
        with log.open("wb") as output:
            try:
                # A session of its own: Ctrl-C reaches only the parent, which stops its children in order.
                process = await asyncio.create_subprocess_exec(
                    *command,
                    stdin=DEVNULL,
                    stdout=output,
                    stderr=STDOUT,
                    cwd=folder,
                    env=environ,
                    start_new_session=True,
                )
            except OSError as error:
                raise ChildError(f"{name}: cannot run {command[0]}: {error.strerror}") from None
        return cls(name, log, process)

    async def line(self, start: str) -> str:
        """Wait for the first output line that begins with `start`, and return it. Raises ChildError."""

        async def find() -> str | None:
            return next((line for line in self._lines() if line.startswith(start)), None)

        return await self.sign(find)

    async def sign[Sign](self, look: Callable[[], Awaitable[Sign | None]]) -> Sign:
        """Call `look` until it returns a value other than None; return the value. Raises ChildError."""
        try:
            async with asyncio.timeout(START_SECONDS):
                while (seen := await look()) is None:
                    if self._process.returncode is not None:
                        raise self._ended()
                    await asyncio.sleep(0.05)
                return seen
        except TimeoutError:
            raise self._error(f"is not up after {START_SECONDS} s: is the machine overloaded?") from None

    async def watch(self) -> None:
        """Wait for the child's end, then raise ChildError."""
        await self._process.wait()
        raise self._ended()

    async def stop(self) -> None:
        """Ask the process to end, wait, and kill the rest of its session."""
        if self._process.returncode is None:
            self._process.terminate()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._process.wait(), STOP_SECONDS)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        await self._process.wait()

    def _ended(self) -> ChildError:
        return self._error(f"ended with code {self._process.returncode}")

    def _error(self, what: str) -> ChildError:
        last_lines = "\n".join(f"  {line}" for line in self._lines()[-LAST_LINES:])
        return ChildError(f"{self.name} {what}; the last lines of {self._log}:\n{last_lines}")

    def _lines(self) -> list[str]:
        return self._log.read_text(errors="replace").splitlines()
