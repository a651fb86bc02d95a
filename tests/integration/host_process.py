"""A real `python -m local.host` on a sample app, with access to all that the tests observe."""

import json
import os
import signal
import time
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from azure.storage.queue import QueueClient

from tests.e2e.forked import Forked

PROJECT = Path(__file__).parents[2]

# Each sample app writes one JSON line for each call of report().
PRELUDE = """
import asyncio, json, logging, os, time
import azure.functions as func

app = func.FunctionApp()

def report(**fields):
    with open(os.environ["REPORT"], "a") as file:
        file.write(json.dumps({"pid": os.getpid(), **fields}) + "\\n")

async def gate(name):
    while not os.path.exists(os.path.join(os.path.dirname(os.environ["REPORT"]), name)):
        await asyncio.sleep(0.02)
"""


PYTHON_APP = {"FUNCTIONS_WORKER_RUNTIME": "python"}


class SampleApp:
    """An app's folder, and the reports of its calls on any host."""

    def __init__(self, folder: Path, source: str, host_json: Mapping[str, Any]) -> None:
        self.folder = folder
        (folder / "function_app.py").write_text(PRELUDE + source)
        (folder / "host.json").write_text(json.dumps(host_json))

    @property
    def report_file(self) -> Path:
        return self.folder / "report.jsonl"

    def reports(self) -> list[dict[str, Any]]:
        text = self.report_file.read_text() if self.report_file.exists() else ""
        return [json.loads(line) for line in text.splitlines()]

    def open_gate(self, name: str) -> None:
        """Release the functions that await gate(name)."""
        (self.folder / name).touch()


class HostProcess:
    """One host process on `app`."""

    def __init__(self, app: SampleApp, environ: Mapping[str, str], arguments: tuple[str, ...] = ()) -> None:
        self._output = app.folder / f"host-{time.monotonic_ns()}"
        self._file("out").touch()
        self._file("err").touch()
        self.process = Forked(
            ["local.host", "--port", "0", "--app", str(app.folder), *arguments],
            cwd=PROJECT,
            stdout=self._file("out"),
            stderr=self._file("err"),
            env={**os.environ, **PYTHON_APP, "REPORT": str(app.report_file), **environ},
        )

    def _file(self, kind: str) -> Path:
        return self._output.with_suffix(f".{kind}")

    @property
    def stdout(self) -> str:
        return self._file("out").read_text()

    @property
    def stderr(self) -> str:
        return self._file("err").read_text()

    @property
    def address(self) -> str:
        return self.stdout.split()[1]

    def wait_until_ready(self) -> None:
        def ready() -> bool:
            if self.process.poll() is not None:
                raise AssertionError(f"the host ended with {self.process.poll()}:\n{self.stderr}")
            return "ready" in self.stdout

        eventually(ready)

    def counts(self, function: str) -> dict[str, int]:
        with urllib.request.urlopen(f"{self.address}/admin/host/status") as answer:
            counts: dict[str, int] = json.load(answer)["functions"][function]
        return counts

    def run_now(self, function: str, text: str = "") -> None:
        body = json.dumps({"input": text}).encode()
        with urllib.request.urlopen(f"{self.address}/admin/functions/{function}", body) as answer:
            assert answer.status == 202

    def wait(self) -> int:
        return self.process.wait(60)

    def stop(self) -> int:
        """Send SIGTERM and return the exit code."""
        self.process.terminate()
        return self.wait()

    def kill(self) -> None:
        """Send SIGKILL."""
        self.process.send_signal(signal.SIGKILL)
        self.wait()


class MakeApp(Protocol):
    """The fixture `make_app`: a sample app of `source`, with these `queues` options in its host.json."""

    def __call__(self, source: str, **queues_options: Any) -> SampleApp: ...


class StartHost(Protocol):
    """The fixture `start_host`: a host on `app`, with these arguments and app settings."""

    def __call__(
        self, app: SampleApp, *arguments: str, ready: bool = True, **environ: str
    ) -> HostProcess: ...


type QueueOf = Callable[[str], QueueClient]


def eventually(condition: Callable[[], object], seconds: float = 60) -> None:
    """Wait until `condition` holds; the time limit only ends a test that would hang."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.05)
