"""`make demo`."""

import asyncio
import sys

import pytest

from tests.e2e.processes import PROJECT


@pytest.mark.timeout(300)
async def test_every_request_ends_as_expected() -> None:
    """The demo exits with 0, and PagoPA's codecs read its traffic (conftest.py).

    One citizen opens a PDF. A campaign from a spreadsheet ends in its report.
    """
    demo = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "local.demo",
        cwd=PROJECT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    said, _ = await demo.communicate()
    assert demo.returncode == 0, said.decode()
    assert "requests and 2 reminders ended as expected" in said.decode()
    assert "The campaign of 20 rows ended as expected" in said.decode()
    [opened] = [line for line in said.decode().splitlines() if line.startswith("PDF opened by the citizen")]
    assert "read, opened (597 bytes)" in opened
