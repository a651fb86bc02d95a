"""Starts a module as `python -m` does, in a fork of a process that has already loaded the libraries.

Half of the time of the end-to-end tests was spent on importing them, a hundred times over.
"""

import multiprocessing
import os
import runpy
import sys
from collections.abc import Mapping
from pathlib import Path

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(
    [
        "aiohttp.web",
        "azure.functions",
        "azure.storage.blob.aio",
        "azure.storage.queue.aio",
        "azure_functions_runtime",
        "cryptography.fernet",
        "cryptography.hazmat.primitives.kdf.hkdf",
        "httpx_aiohttp",
        "opentelemetry.sdk.trace",
        "pydantic_settings",
        "yaml",
    ]
)


class Forked:
    """One forked process, with the interface of subprocess.Popen."""

    def __init__(
        self, command: list[str], *, cwd: Path, stdout: Path, stderr: Path, env: Mapping[str, str]
    ) -> None:
        arguments = (command, cwd, stdout, stderr, dict(env))
        self._process = _CONTEXT.Process(target=_run, args=arguments, daemon=True)
        self._process.start()

    def poll(self) -> int | None:
        """The exit code, or None while the process runs; a negative one is a signal."""
        return self._process.exitcode

    @property
    def pid(self) -> int:
        """The id of the process."""
        assert self._process.pid is not None
        return self._process.pid

    def send_signal(self, number: int) -> None:
        """Send a signal to the process, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Send SIGTERM."""
        self._process.terminate()

    def kill(self) -> None:
        """Send SIGKILL."""
        self._process.kill()

    def wait(self, timeout: float) -> int:
        """Wait until the process has ended, and return its exit code."""
        self._process.join(timeout)
        code = self.poll()
        assert code is not None, f"process {self.pid} did not end within {timeout} s"
        return code


def _run(command: list[str], cwd: Path, stdout: Path, stderr: Path, env: dict[str, str]) -> None:
    for path, stream in ((stdout, sys.stdout), (stderr, sys.stderr)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), stream.fileno())
    os.environ.clear()
    os.environ.update(env)
    os.chdir(cwd)
    module, *arguments = command
    sys.argv = ["", *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
