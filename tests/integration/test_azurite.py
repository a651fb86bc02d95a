"""The command that starts Azurite."""

import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from azure.storage.queue import QueueServiceClient

from local.azurite import Azurite, AzuriteError
from tests.integration.host_process import PROJECT, eventually


def test_restart_keeps_ports_and_data(tmp_path: Path) -> None:
    """A stop and a start, as in an outage, keep the address and the messages."""
    with Azurite(data=tmp_path) as azurite:
        address = azurite.connection_string
        with QueueServiceClient.from_connection_string(address) as queues:
            queue = queues.create_queue("work")
            queue.send_message("still here")
            azurite.stop()
            azurite.start()
            assert azurite.connection_string == address
            assert [message.content for message in queue.receive_messages()] == ["still here"]


def test_taken_port_is_an_error_and_leaves_no_process() -> None:
    """A port that another process uses is reported as an error, and no Azurite is left running."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        azurite = Azurite(ports=(0, taken.getsockname()[1], 0))
        with pytest.raises(AzuriteError, match="address already in use"):
            azurite.start()
    with pytest.raises(AzuriteError, match="not started"):
        azurite.wait()


def test_absent_package_says_make_setup(tmp_path: Path) -> None:
    """Without the npm package the command names the one that installs it."""
    (tmp_path / "local").mkdir()
    copy = shutil.copy(PROJECT / "local/azurite.py", tmp_path / "local")
    run = subprocess.run([sys.executable, copy], capture_output=True, text=True, check=False)
    assert (run.returncode, run.stderr) == (1, "Azurite is not installed: run `make setup`\n")


def test_command_prints_the_connection_string_and_stops_on_sigterm(tmp_path: Path) -> None:
    """`python -m local.azurite` prints one line, serves, and stops its child process on SIGTERM."""
    command = [sys.executable, "-m", "local.azurite", "--data", str(tmp_path)]
    with subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline().strip()
        port = int(line.split("QueueEndpoint=http://127.0.0.1:")[1].split("/")[0])
        assert _listens(port)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    assert not _listens(port)
    assert list(tmp_path.iterdir())


def _listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def test_command_ends_when_azurite_dies() -> None:
    """When its emulator crashes the command reports it and exits with 1."""
    command = [sys.executable, "-m", "local.azurite"]
    with subprocess.Popen(
        command, cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        child = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        eventually(lambda: child.read_text().split())
        os.kill(int(child.read_text().split()[0]), signal.SIGKILL)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "Azurite stopped" in errors
