"""`make bench-remote-content`: memory and latency of a served document, streamed and with HttpResponse.

Two hosts serve the same documents from the emulator: the product, and `plain/`, which differs only in the way
out. In both, host and Python worker are one process, so its memory is that of both. The real host adds
to the plain way the copies of its gRPC messages. The caller and the emulator use the same cores.

Exits 1 if the memory grows by more than 10 MB while a document of 50 MB is streamed.
"""

import argparse
import asyncio
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from rich.console import Console
from rich.table import Table

from contract.remote_content import Attachment, RemoteContent
from local.azurite import Azurite
from settings import Settings
from storage.account import StorageAccount
from storage.cipher import Cipher
from storage.readiness import Readiness
from storage.remote_contents import TABLE, RemoteContents
from tests.remote import KEY, kept_content, remote_content_id
from tests.samples import FISCAL_CODE, KEYS

HERE: Final = Path(__file__).parents[2]
APPS: Final = {"streamed": HERE, "plain HttpResponse": Path(__file__).parent / "plain"}
MB: Final = 1024 * 1024
LARGE, SMALL, WARM = "1.pdf", "2.pdf", "3.pdf"
SIZES: Final = {LARGE: 50 * MB, SMALL: 200_000, WARM: MB}
GROWTH: Final = "50 MB: growth of RSS while it is served, MB"
LARGEST_GROWTH: Final = 10.0
HEADERS: Final = {"fiscal_code": FISCAL_CODE, "X-Api-Key": KEY}


def main() -> int:
    """Measure, print and judge. Return the exit code."""
    parser = argparse.ArgumentParser(prog="make bench-remote-content", description=__doc__)
    parser.add_argument("--calls", type=int, default=500, help="of the small document")
    parser.add_argument("--json", action="store_true", help="print JSON, for programs")
    arguments = parser.parse_args()
    found = measure(arguments.calls)
    growth = found["streamed"][GROWTH]
    if arguments.json:
        print(json.dumps(found, indent=2))
    else:
        _print(found)
    return int(growth > LARGEST_GROWTH)


def _print(found: dict[str, dict[str, float]]) -> None:
    table = Table(title="A served document")
    table.add_column("")
    for name in found:
        table.add_column(name, justify="right")
    for figure in next(iter(found.values())):
        table.add_row(figure, *(f"{figures[figure]:.1f}" for figures in found.values()))
    Console(width=None if sys.stdout.isatty() else 120).print(table)


def measure(calls: int) -> dict[str, dict[str, float]]:
    """Return the figures of both ways."""
    with Azurite() as azurite:
        environ = _environ(azurite)
        asyncio.run(_fill(environ))
        found = {}
        for name, folder in APPS.items():
            with _host(folder, environ) as (process, address):
                found[name] = _figures(process, address, calls)
        return found


def _environ(azurite: Azurite) -> dict[str, str]:
    return {
        "AzureWebJobsStorage": azurite.connection_string,
        "IO_API_KEY": "made-up-key",
        "IO_API_BASE_URL": "http://127.0.0.1:9/api/v1",
        "ENCRYPTION_KEYS": KEYS[0].get_secret_value(),
        "REMOTE_CONTENT_API_KEY": KEY,
    }


async def _fill(environ: dict[str, str]) -> None:
    account = StorageAccount(Settings.model_validate(environ))
    cipher = Cipher([KEYS[0]])
    documents = account.documents()
    names = [Attachment(name="Avviso.pdf", blob=url) for url in SIZES]
    try:
        await Readiness.of(account, cipher).check()
        contents = RemoteContents(account.table(TABLE), cipher)
        await contents.keep(kept_content(cipher), RemoteContent(attachments=tuple(names)))
        for url, size in SIZES.items():
            await documents.put(url, b"%PDF-1.7\n".ljust(size, b"0"))
    finally:
        await account.aclose()


@contextmanager
def _host(folder: Path, environ: dict[str, str]) -> Iterator[tuple[int, str]]:
    """Run an app's host. Yields its process id and its address."""
    with tempfile.TemporaryDirectory() as app:
        shutil.copy(folder / "function_app.py", app)
        shutil.copy(HERE / "host.json", app)
        command = [sys.executable, "-m", "local.host", "--port", "0", "--app", app, "--log-level", "error"]
        everything = {**os.environ, **environ, "FUNCTIONS_WORKER_RUNTIME": "python"}
        with subprocess.Popen(command, cwd=HERE, env=everything, stdout=subprocess.PIPE, text=True) as host:
            assert host.stdout
            ready = host.stdout.readline()
            assert ready.startswith("ready"), "the host did not start"
            yield host.pid, urlsplit(ready.split()[1]).netloc
            host.terminate()


def _figures(process: int, address: str, calls: int) -> dict[str, float]:
    with closing(HTTPConnection(address)) as connection:
        for url in [SMALL] * 50 + [WARM] * 5:
            _get(connection, url)
        before = _memory(process, "VmRSS")
        _forget_peak(process)
        began = time.perf_counter()
        _get(connection, LARGE)
        seconds = time.perf_counter() - began
        peak, after = _memory(process, "VmHWM"), _memory(process, "VmRSS")
        cpu = _cpu(process)
        times = [_timed(connection, SMALL) for _ in range(calls)]
        cpu = _cpu(process) - cpu
        at_the_end = _memory(process, "VmRSS")
    cuts = statistics.quantiles(times, n=20)
    return {
        GROWTH: peak - before,
        "50 MB: growth of RSS after it was served, MB": after - before,
        "50 MB: seconds": seconds,
        "200 kB: p50, ms": statistics.median(times) * 1000,
        "200 kB: p95, ms": cuts[-1] * 1000,
        "200 kB: CPU, ms": cpu * 1000 / calls,
        "growth of RSS by a call, kB": (at_the_end - after) * 1024 / calls,
    }


def _get(connection: HTTPConnection, url: str) -> None:
    """Fetch a document, and hold no more than a piece of it."""
    connection.request("GET", f"/api/messages/{remote_content_id()}/{url}", headers=HEADERS)
    answer = connection.getresponse()
    size = 0
    while piece := answer.read(64 * 1024):
        size += len(piece)
    assert (answer.status, size) == (200, SIZES[url]), answer.status


def _timed(connection: HTTPConnection, url: str) -> float:
    began = time.perf_counter()
    _get(connection, url)
    return time.perf_counter() - began


def _memory(process: int, name: str) -> float:
    """Return a figure of /proc/PID/status in MB: VmRSS, or VmHWM, its peak."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    (line,) = (line for line in lines if line.startswith(f"{name}:"))
    return int(line.split()[1]) / 1024


def _cpu(process: int) -> float:
    """Return the CPU seconds of a process so far."""
    after_the_name = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    user, system = after_the_name[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def _forget_peak(process: int) -> None:
    """Let VmHWM begin again (Linux, proc_pid_clear_refs)."""
    Path(f"/proc/{process}/clear_refs").write_text("5")


if __name__ == "__main__":
    sys.exit(main())
