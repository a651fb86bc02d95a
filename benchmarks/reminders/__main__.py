"""`make bench-reminders`: the cost of a reminder in storage and in calls to IO, by the number tracked.

The fakes count as Table storage bills: each page of a query is a transaction. A message put on a queue is one
more. The benchmark counts neither messages taken off queues, which is the host's work, nor the account's
permits, which every call to IO needs. The naive timer reads every message of the ledger at each tick.

Exits 1 if a figure, except those of the naive scan, grows by more than a tenth from least to most tracked.
"""

import argparse
import asyncio
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict

from rich.console import Console
from rich.table import Table

from benchmarks.reminders.cost import NAIVE, Cost, measure

FLAT = 1.1
COLUMNS = ("table transactions", "queue puts", "rows read", "calls of IO")

screen = Console(stderr=True)


async def main() -> int:
    """Measure, print and judge. Return the exit code."""
    arguments = _arguments()
    costs = [cost for tracked in arguments.tracked for cost in await measure(tracked, arguments.due)]
    mistakes = list(_mistakes(costs))
    if arguments.json:
        print(json.dumps({"costs": [asdict(cost) for cost in costs], "mistakes": mistakes}, indent=2))
    else:
        Console(width=None if sys.stdout.isatty() else 140).print(_table(costs, arguments.due))
    for mistake in mistakes:
        screen.print(mistake, style="red")
    return int(bool(mistakes))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench-reminders", description=__doc__)
    parser.add_argument("--tracked", type=int, nargs="+", default=[10**4, 10**5])
    parser.add_argument("--due", type=int, default=200, help="of these")
    parser.add_argument("--json", action="store_true", help="print JSON, for programs")
    return parser.parse_args()


def _mistakes(costs: Sequence[Cost]) -> Iterator[str]:
    by_what: dict[str, list[Cost]] = {}
    for cost in costs:
        by_what.setdefault(cost.what, []).append(cost)
    for what, same in by_what.items():
        least, most = (find(same, key=lambda cost: cost.tracked) for find in (min, max))
        for name, figure in most.figures.items():
            if what != NAIVE and figure > least.figures[name] * FLAT:
                yield f"{what}: {name} grow with what is tracked, {least.figures[name]:.2f} to {figure:.2f}"


def _table(costs: Sequence[Cost], due: int) -> Table:
    table = Table(title=f"For each message, {due:,} of them due at once")
    table.add_column("")
    for column in ("tracked", *COLUMNS):
        table.add_column(column, justify="right")
    for cost in sorted(costs, key=lambda cost: cost.what == NAIVE):
        table.add_row(cost.what, f"{cost.tracked:,}", *(f"{figure:,.2f}" for figure in cost.figures.values()))
    return table


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
