"""Azurite, Microsoft's storage emulator (npm package `azurite`), as a child process on loopback."""

import argparse
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

SCRIPT = Path(__file__).parents[1] / "node_modules/azurite/dist/src/azurite.js"
PRELOAD = Path(__file__).with_suffix(".cjs")
START_SECONDS = 60
STOP_SECONDS = 15

# Azurite prints this line once per service, after it has bound the socket. Only this line proves that the
# process owns the port.
_LISTENING = re.compile(
    r"(?:Blob|Queue|Table) service is successfully listening at http://127\.0\.0\.1:(\d+)"
)

# Every emulator has this account. The Azurite documentation publishes its key.
_ACCOUNT = "devstoreaccount1"
_ACCOUNT_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="

type Ports = tuple[int, int, int]


class AzuriteError(RuntimeError):
    """Azurite is not installed or did not start."""


def connection_string(ports: Ports) -> str:
    """Return the connection string of an emulator on `ports` (blob, queue, table)."""
    blob, queue, table = (f"http://127.0.0.1:{port}/{_ACCOUNT}" for port in ports)
    return (
        f"DefaultEndpointsProtocol=http;AccountName={_ACCOUNT};AccountKey={_ACCOUNT_KEY};"
        f"BlobEndpoint={blob};QueueEndpoint={queue};TableEndpoint={table};"
    )


class Azurite:
    """One emulator process.

    `data` is the folder for its data. Without it, the data lives in memory until `stop`. `ports` are those of
    blob, queue and table; 0 means a free port. The ports stay the same over `stop` and `start`.
    """

    def __init__(self, *, data: Path | None = None, ports: Ports = (0, 0, 0)) -> None:
        self.ports = ports
        self._data = data
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def connection_string(self) -> str:
        return connection_string(self.ports)

    def start(self) -> None:
        """Start the process and wait until it listens on all three ports. Raises AzuriteError."""
        if not SCRIPT.exists():
            raise AzuriteError("Azurite is not installed: run `make setup`")
        with tempfile.TemporaryFile() as output:
            # In its own session, Azurite does not get a Ctrl-C. The host needs storage until it has stopped.
            self._process = subprocess.Popen(
                self._command(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            try:
                self.ports = _wait_until_listening(self._process, output.fileno())
            except BaseException:
                self.stop()
                raise

    def _command(self) -> list[str]:
        blob, queue, table = map(str, self.ports)
        place = ["--location", str(self._data)] if self._data else ["--inMemoryPersistence"]
        # azure-storage-queue uses a newer API version than Azurite knows, hence --skipApiVersionCheck.
        return [
            *(
                "node",
                "--require",
                str(PRELOAD),
                str(SCRIPT),
                "--silent",
                "--skipApiVersionCheck",
                "--disableTelemetry",
            ),
            *("--blobPort", blob, "--queuePort", queue, "--tablePort", table),
            *place,
        ]

    def wait(self) -> int:
        """Block until the process ends by itself; return its exit code."""
        if self._process is None:
            raise AzuriteError("Azurite was not started")
        return self._process.wait()

    def stop(self) -> None:
        """End the process and wait for it. Azurite first writes its data to the folder, if it has one."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _wait_until_listening(process: subprocess.Popen[bytes], output: int) -> Ports:
    deadline = time.monotonic() + START_SECONDS
    while True:
        ended = process.poll() is not None
        # The child shares the file position, and pread does not move it.
        text = os.pread(output, 65536, 0).decode(errors="replace")
        ports = [int(port) for port in _LISTENING.findall(text)]
        if ended:
            last_line = text.strip().rpartition("\n")[2]
            raise AzuriteError(f"Azurite stopped with code {process.returncode}: {last_line}")
        if len(ports) == 3:
            return ports[0], ports[1], ports[2]
        if time.monotonic() > deadline:
            raise AzuriteError(f"Azurite did not listen within {START_SECONDS} s: is the machine overloaded?")
        time.sleep(0.05)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m local.azurite", description=__doc__)
    parser.add_argument("--data", type=Path, help="folder to keep the data in (default: memory)")
    parser.add_argument(
        "--ports",
        type=int,
        nargs=3,
        default=(0, 0, 0),
        metavar=("BLOB", "QUEUE", "TABLE"),
        help="ports to listen on (default: free ones)",
    )
    arguments = parser.parse_args()
    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, lambda *_: sys.exit(0))
    try:
        with Azurite(data=arguments.data, ports=tuple(arguments.ports)) as azurite:
            print(azurite.connection_string, flush=True)
            code = azurite.wait()
    except AzuriteError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"Azurite stopped with code {code}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
