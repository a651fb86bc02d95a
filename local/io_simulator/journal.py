"""The journal: each call and its answer, for checks against IO's own definitions.

The simulator writes it only if IO_SIMULATOR_JOURNAL names a file, because it holds whole bodies.
"""

import json
import os
from pathlib import Path

from aiohttp import web

from local.io_simulator.calls import Operation

VARIABLE = "IO_SIMULATOR_JOURNAL"


class Journal:
    """Writes one JSON line per call: {"operation", "body", "status", "answer"}.

    The last two are null for a call without an answer.
    """

    def __init__(self) -> None:
        self._path = os.environ.get(VARIABLE)

    def write(self, operation: Operation, body: bytes, response: web.StreamResponse | None) -> None:
        """Write one call, with its response if that left whole."""
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
