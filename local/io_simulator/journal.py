"""The journal: each call and its answer, for whoever checks them against IO's own definitions.

It is kept in the file that IO_SIMULATOR_JOURNAL names, and only then: it holds whole bodies.
"""

import json
import os
from pathlib import Path

from aiohttp import web

from local.io_simulator.calls import Operation

VARIABLE = "IO_SIMULATOR_JOURNAL"


class Journal:
    """A line of JSON to a call: {"operation", "body", "status", "answer"}, the last two null without one."""

    def __init__(self) -> None:
        self._path = os.environ.get(VARIABLE)

    def write(self, operation: Operation, body: bytes, response: web.StreamResponse | None) -> None:
        """Write a call down, with the response that left whole."""
        if self._path is None:
            return
        whole = response if isinstance(response, web.Response) else None
        exchange = {
            "operation": operation,
            "body": body.decode(errors="replace"),
            "status": whole and whole.status,
            "answer": whole and whole.text,
        }
        with Path(self._path).open("a") as file:
            file.write(json.dumps(exchange) + "\n")
