"""One process that sends as fast as it can, with storage in memory or on Azurite.

`python -m benchmarks.throughput.worker STORAGE --concurrent N --messages M` reads the app's settings and
prints a line of JSON: messages a second, and the resident memory at the start, in the middle and at the end.
"""

import argparse
import asyncio
import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import settings
from benchmarks.cost.worker import Bench
from context import Context
from io_api.account import IoAccount
from storage.account import StorageAccount
from storage.cipher import Cipher
from storage.readiness import Readiness
from tests.e2e.simulator_control import SimulatorControl
from tests.fakes import FakeClock, FakeQueues, FakeTable, Steps

STORAGES: Final = ("memory", "azurite")
PARTS: Final = 20


def _clock() -> datetime:
    return datetime.now(UTC)


class Memory:
    """Tables and queues in this process, emptied now and then: what they hold is not the product's memory."""

    def __init__(self) -> None:
        self._tables: list[FakeTable] = []
        self._steps = Steps()
        self._queues = FakeQueues(FakeClock(), self._steps)

    def context(self, configured: settings.Settings, cipher: Cipher) -> Context:
        """Return a context over this memory."""
        return Context.on(
            self._table,
            self._queues,
            cipher,
            _clock,
            io=IoAccount.of(configured, FakeTable("ioaccount", self._steps), _clock),
            policies={},
            most_per_day=2,
            documents=None,
            configuration_ids={},
            feed_services=(),
        )

    def clear(self) -> None:
        """Forget all rows and messages."""
        for table in self._tables:
            table.rows_by_key.clear()
        self._queues.messages.clear()
        self._steps.done.clear()

    def _table(self, name: str) -> FakeTable:
        self._tables.append(FakeTable(name, self._steps))
        return self._tables[-1]


async def measure(storage: str, concurrent: int, messages: int) -> dict[str, Any]:
    """Send the messages in parts, so that each part begins with a warm process."""
    configured = settings.load()
    account, in_memory, cipher = StorageAccount(configured), Memory(), Cipher(configured.encryption_keys)
    if storage == "memory":
        cipher.index_by([bytes(32)])
        context = in_memory.context(configured, cipher)
    else:
        await Readiness.of(account, cipher).check()
        context = Context.of(configured, account, cipher, _clock)
    bench = Bench(SimulatorControl(str(configured.io_api_base_url).removesuffix("/api/v1")), concurrent)
    bench.context = context
    try:
        await bench.send(concurrent * 2)
        memory, began = [resident()], time.perf_counter()
        for _ in range(PARTS):
            await bench.send(messages // PARTS)
            in_memory.clear()
            memory.append(resident())
        rate = messages // PARTS * PARTS / (time.perf_counter() - began)
    finally:
        await bench.control.aclose()
        await context.io.aclose()
        await account.aclose()
    return {"rate": rate, "memory": [memory[0], memory[PARTS // 2], memory[-1]]}


def resident() -> float:
    """Return the resident memory of this process in MiB (Linux)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.throughput.worker")
    parser.add_argument("storage", choices=STORAGES)
    parser.add_argument("--concurrent", type=int, required=True)
    parser.add_argument("--messages", type=int, required=True)
    arguments = parser.parse_args()
    found = asyncio.run(measure(arguments.storage, arguments.concurrent, arguments.messages))
    print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
