"""`python -m local.io_simulator` as a process."""

import asyncio
import json
import socket
import subprocess
import sys
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from local.io_simulator.__main__ import parse_keys, parse_rate_limit
from local.io_simulator.rate_limit import RateLimit

ROOT = Path(__file__).parents[2]
FISCAL_CODE = "AAAAAA00A00A000A"


def command(*arguments: str) -> list[str]:
    """The command line."""
    return [sys.executable, "-m", "local.io_simulator", *arguments]


async def test_says_where_it_listens_and_stops_when_told() -> None:
    """The simulator prints its base URL, accepts the given keys, logs nothing, and exits
    with 0 when stopped.
    """
    process = await asyncio.create_subprocess_exec(
        *command("--port", "0", "--keys", "tari=first,tari=second", "--rate-limit", "none"),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        word, *_, base_url = (await process.stdout.readline()).decode().split()
        assert word == "ready"
        request = Request(
            f"{base_url}/profiles",
            json.dumps({"fiscal_code": FISCAL_CODE}).encode(),
            {"Ocp-Apim-Subscription-Key": "second"},
        )
        with await asyncio.to_thread(urlopen, request) as response:
            assert response.status == 200
    finally:
        process.terminate()
        out, err = await process.communicate()
    assert (process.returncode, out, err) == (0, b"", b"")


def test_taken_port_is_told() -> None:
    """On a taken port the simulator exits with 1 and a hint."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ended = subprocess.run(command("--port", port), cwd=ROOT, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert f"cannot listen on port {port}" in ended.stderr
    assert "Choose another with --port" in ended.stderr


def test_wrong_keys_are_not_shown() -> None:
    """An error in --keys is reported without the keys."""
    ended = subprocess.run(
        command("--keys", "first-secret"), cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 2
    assert "write name=key,name=key" in ended.stderr
    assert "first-secret" not in ended.stderr


def test_options_are_read() -> None:
    """Keys are grouped by service, and a rate limit is calls/seconds or none."""
    assert parse_keys("a=1,b=2,a=3") == {"a": ("1", "3"), "b": ("2",)}
    assert parse_rate_limit("250/5") == RateLimit(250, 5)
    assert parse_rate_limit("none") == RateLimit(calls=None)
    with pytest.raises(Exception, match="such as 150/5"):
        parse_rate_limit("150")
