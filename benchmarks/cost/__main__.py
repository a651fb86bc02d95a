"""`python -m benchmarks.cost`: what a message costs, next to the same calls over bare aiohttp, in one run.

One process sends; Azurite and the simulated IO are other processes. The floor makes the same calls, signed,
with the same bodies, one after the other, and does nothing else. CPU is the sending process's own. The
platform's work on the queues (take and delete a message) is not included, except in the euros as an estimate.
"""

import argparse
import asyncio
import json
import os
import sys
from dataclasses import asdict, astuple, fields
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from benchmarks.cost.euros import Prices, of_a_million
from benchmarks.cost.surroundings import NO_LIMIT, running_surroundings
from benchmarks.cost.worker import KINDS

COLUMNS: Final = ("", "CPU ms", "floor", "ratio", "wall ms", "floor", "storage", "IO", "bytes")
EURO_COLUMNS: Final = (
    "",
    "tables",
    "queues",
    "platform",
    "executions",
    "GB-s busy",
    "alone",
    "sum busy",
    "alone",
)


async def run(messages: int, kinds: list[str], rate_limit: str) -> list[dict[str, Any]]:
    """Measure each kind in a process of its own."""
    async with running_surroundings(rate_limit) as environ:
        return [{"kind": kind} | await _measured(kind, messages, environ) for kind in kinds]


async def _measured(kind: str, messages: int, environ: dict[str, str]) -> dict[str, Any]:
    arguments = ["benchmarks.cost.worker", kind, "--messages", str(messages)]
    pipe = asyncio.subprocess.PIPE
    command = [sys.executable, "-m", *arguments]
    worker = await asyncio.create_subprocess_exec(*command, env=os.environ | environ, stdout=pipe)
    output, _ = await worker.communicate()
    assert worker.returncode == 0
    measured: dict[str, Any] = json.loads(output.splitlines()[-1])
    return measured


def show(console: Console, results: list[dict[str, Any]]) -> None:
    """Print the costs, and the calls behind them."""
    table = Table(title="A message costs")
    for column in COLUMNS:
        table.add_column(column, justify="left" if not column else "right", no_wrap=not column)
    for one in results:
        ours, floor = one["ours"], one["floor"]
        table.add_row(
            one["kind"],
            *(f"{ours['cpu_ms']:.1f}", f"{floor['cpu_ms']:.1f}", f"{ours['cpu_ms'] / floor['cpu_ms']:.1f}"),
            *(f"{ours['wall_ms']:.1f}", f"{floor['wall_ms']:.1f}"),
            *(f"{one['storage']:.1f}", f"{one['io']:.1f}", f"{one['bytes']:,.0f}"),
        )
    console.print(table)
    for one in results:
        calls = ", ".join(
            f"{count:.2f}".rstrip("0").rstrip(".") + f" {name}" for name, count in one["calls"].items()
        )
        console.print(f"{one['kind']}: {calls}", highlight=False)


def show_euros(console: Console, results: list[dict[str, Any]], prices: Prices) -> None:
    """Print the euros for a million messages of each kind."""
    table = Table(title="Euros for 1,000,000 messages")
    for column in EURO_COLUMNS:
        table.add_column(column, justify="left" if not column else "right", no_wrap=not column)
    for one in results:
        euros = of_a_million(one, prices)
        figures = (*astuple(euros), euros.total, euros.total_alone)
        table.add_row(one["kind"], *(f"{figure:.2f}" for figure in figures))
    console.print(table)
    named = ", ".join(f"{name} {value:g}" for name, value in asdict(prices).items())
    console.print(f"Prices in US dollars (docs/cost.md): {named}", highlight=False)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cost", description=__doc__)
    parser.add_argument("--messages", type=int, default=200)
    parser.add_argument("--kinds", nargs="*", choices=KINDS, default=[*KINDS])
    parser.add_argument(
        "--rate-limit", default=NO_LIMIT, help="calls/seconds; IO's is 150/5, and takes longer"
    )
    parser.add_argument("--json", action="store_true")
    for price in fields(Prices):
        option = f"--{price.name.replace('_', '-')}"
        parser.add_argument(option, type=float, default=price.default, help=price.metadata["help"])
    arguments = parser.parse_args()
    prices = Prices(**{price.name: getattr(arguments, price.name) for price in fields(Prices)})
    results = asyncio.run(run(arguments.messages, arguments.kinds, arguments.rate_limit))
    if arguments.json:
        euros = {one["kind"]: asdict(of_a_million(one, prices)) for one in results}
        print(json.dumps({"results": results, "euros": euros, "prices": asdict(prices)}, indent=2))
    else:
        console = Console(width=None if sys.stdout.isatty() else 140)
        show(console, results)
        show_euros(console, results, prices)


if __name__ == "__main__":
    main()
