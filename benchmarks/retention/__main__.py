"""`make bench-retention`: what is kept after each month of two years, and the storage transactions of a tick.

The ticks are the product's own, every half hour, over tables in memory that count as Table storage bills. The
messages are written as they are at their end. Exits 1 if a store other than the tombstones grows after the
period of the ledger, or if the busiest tick of the last month costs a tenth more than any of the year before.
"""

import argparse
import asyncio
import json
import logging
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from statistics import mean
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from benchmarks.retention.years import Month, Office
from storage.periods import DEFAULT, Periods

FLAT: Final = 1.1
TABLES: Final = ("ledger", "notices", "ends", "remotecontents", "reminderdays", "parked", "audit")

screen = Console(stderr=True)


async def main() -> int:
    """Measure, print and judge. Return the exit code."""
    arguments = _arguments()
    logging.disable()  # the log line of each tick
    office = Office(arguments.a_year, Periods(ledger=arguments.ledger, tombstones=arguments.tombstones))
    months = []
    with screen.status("") as status:
        for number in range(1, arguments.years * 12 + 1):
            status.update(f"month {number}")
            months.append(await office.month(number))
    mistakes = list(_mistakes(months, arguments.ledger))
    if arguments.json:
        print(json.dumps({"months": [_facts(month) for month in months], "mistakes": mistakes}, indent=2))
    else:
        Console(width=None if sys.stdout.isatty() else 160).print(_shown(months))
    for mistake in mistakes:
        screen.print(mistake, style="red")
    return int(bool(mistakes))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench-retention", description=__doc__)
    parser.add_argument("--a-year", type=int, default=100_000, help="messages")
    parser.add_argument("--years", type=int, default=2)
    parser.add_argument("--ledger", type=int, default=DEFAULT.ledger, help="LEDGER_RETENTION_DAYS")
    parser.add_argument("--tombstones", type=int, default=DEFAULT.tombstones, help="TOMBSTONE_RETENTION_DAYS")
    parser.add_argument("--json", action="store_true", help="print JSON, for programs")
    return parser.parse_args()


def _facts(month: Month) -> dict[str, Any]:
    ticks = month.ticks
    figures = {"mean": round(mean(ticks), 1), "median": sorted(ticks)[len(ticks) // 2], "most": max(ticks)}
    return asdict(month) | {"ticks": figures}


def _mistakes(months: Sequence[Month], ledger_days: int) -> Iterator[str]:
    """Compare the last month with the first one in which as much goes as comes."""
    level = next((month for month in months if month.number * 365 / 12 > ledger_days + 30), None)
    if level is None:
        return
    last = months[-1]
    for name in TABLES:
        before, after = _personal(level, name), _personal(last, name)
        if name not in ("ends", "audit") and after > before * FLAT:
            yield f"rows of {name} grow: {before:,} to {after:,}"
    if mean(last.ticks) > mean(level.ticks) * FLAT or max(last.ticks) > max(level.ticks) * FLAT:
        yield f"a tick costs more: {mean(level.ticks):.1f} to {mean(last.ticks):.1f}"


def _personal(month: Month, name: str) -> int:
    return month.rows.get(name, 0) - (month.tombstones if name == "ledger" else 0)


def _shown(months: Sequence[Month]) -> Table:
    table = Table(title="Rows at the end of each month, and storage transactions of a tick")
    for column in ("month", "sent", "entries", "tombstones", *TABLES[1:], "MB", "mean", "median", "most"):
        table.add_column(column, justify="right")
    for month in months:
        rows = (
            _personal(month, "ledger"),
            month.tombstones,
            *(month.rows.get(name, 0) for name in TABLES[1:]),
        )
        ticks = _facts(month)["ticks"]
        table.add_row(
            *(f"{figure:,}" for figure in (month.number, month.messages, *rows)),
            *(f"{month.megabytes:,.0f}", *(f"{figure:,}" for figure in ticks.values())),
        )
    return table


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
