"""`python -m benchmarks.throughput`: messages a second of one and two processes, if IO sets no limit.

Basic messages, checked and sent. IO is simulated in another process. Storage is in the memory of the sending
process, or Azurite, which is then the limit. The platform's work on the queues is not included.
"""

import argparse
import asyncio
import json
import os
import sys
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from benchmarks.cost.surroundings import running_surroundings
from benchmarks.throughput.worker import STORAGES

CONCURRENT: Final = (1, 16, 24)
PROCESSES: Final = (1, 2)
COLUMNS: Final = ("storage", "processes", "concurrent", "messages/s", "MiB at start", "middle", "end")


async def run(
    messages: int, storages: list[str], counts: list[int], concurrents: list[int]
) -> list[dict[str, Any]]:
    """Measure each combination."""
    rows = []
    async with running_surroundings() as environ:
        for storage in storages:
            for processes in counts:
                for concurrent in concurrents:
                    work = (_worker(storage, concurrent, messages, environ) for _ in range(processes))
                    found = await asyncio.gather(*work)
                    rate = sum(one["rate"] for one in found)
                    place = {"storage": storage, "processes": processes, "concurrent": concurrent}
                    rows.append({**place, "rate": rate, "memory": found[0]["memory"]})
    return rows


async def _worker(storage: str, concurrent: int, messages: int, environ: dict[str, str]) -> dict[str, Any]:
    arguments = ["--concurrent", str(concurrent), "--messages", str(messages)]
    command = [sys.executable, "-m", "benchmarks.throughput.worker", storage, *arguments]
    pipe = asyncio.subprocess.PIPE
    worker = await asyncio.create_subprocess_exec(*command, env=os.environ | environ, stdout=pipe)
    output, _ = await worker.communicate()
    assert worker.returncode == 0
    found: dict[str, Any] = json.loads(output.splitlines()[-1])
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.throughput", description=__doc__)
    parser.add_argument("--messages", type=int, default=2000, help="of each process")
    parser.add_argument("--storages", nargs="*", choices=STORAGES, default=[*STORAGES])
    parser.add_argument("--processes", nargs="*", type=int, default=[*PROCESSES])
    parser.add_argument("--concurrent", nargs="*", type=int, default=[*CONCURRENT])
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    rows = asyncio.run(run(arguments.messages, arguments.storages, arguments.processes, arguments.concurrent))
    if arguments.json:
        print(json.dumps(rows, indent=2))
        return
    table = Table(title="Without IO's limit")
    for column in COLUMNS:
        table.add_column(column, justify="left" if column == "storage" else "right")
    for row in rows:
        numbers = [f"{row['rate']:.0f}", *(f"{one:.0f}" for one in row["memory"])]
        table.add_row(row["storage"], str(row["processes"]), str(row["concurrent"]), *numbers)
    Console().print(table)


if __name__ == "__main__":
    main()
