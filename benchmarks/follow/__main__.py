"""`make bench-follow`: the cost of a tick by the number tracked, and calls and lag by schedule.

Exits 1 if a tick over ten million messages costs a tenth more than one over ten thousand, or if a message
takes more than 6.5 calls or four hours (median lag) in the model.
"""

import argparse
import asyncio
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.follow import on_azurite, reading_model, tick_cost
from benchmarks.follow.on_azurite import AzuriteTime
from benchmarks.follow.reading_model import ModelRow
from benchmarks.follow.tick_cost import TickCost, naive

FLAT = 1.1
MOST_CALLS = 6.5
MOST_LAG_HOURS = 4.0

screen = Console(stderr=True)


async def main() -> int:
    """Measure, print and judge. Return the exit code."""
    arguments = _arguments()
    with screen.status("") as status:

        def progress(text: str) -> None:
            status.update(text)
            if not screen.is_terminal:
                screen.print(text)

        ticks = []
        for tracked in arguments.tracked:
            progress(f"a tick over {tracked:,} tracked messages")
            ticks.append(await tick_cost.measure(tracked, arguments.due))
        progress(f"{arguments.samples:,} lives under each schedule")
        rows = reading_model.compare(arguments.samples)
        times = [await on_azurite.measure(tracked, arguments.due, progress) for tracked in arguments.azurite]
    mistakes = [*_tick_mistakes(ticks), *_model_mistakes(rows)]
    if arguments.json:
        print(json.dumps(_document(ticks, rows, times, mistakes), indent=2))
    else:
        _show(ticks, rows, times)
    for mistake in mistakes:
        screen.print(mistake, style="red")
    return int(bool(mistakes))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench-follow", description=__doc__)
    parser.add_argument("--tracked", type=int, nargs="+", default=[10**4, 10**5, 10**6, 10**7])
    parser.add_argument("--due", type=int, default=1_000)
    parser.add_argument("--samples", type=int, default=20_000, help="simulated messages a schedule")
    parser.add_argument(
        "--azurite", type=int, nargs="*", default=[10**4], help="sizes; 100000 takes minutes to seed"
    )
    parser.add_argument("--json", action="store_true", help="print JSON, for programs")
    return parser.parse_args()


def _tick_mistakes(ticks: Sequence[TickCost]) -> Iterator[str]:
    """Yield the costs that grow. A person must judge CPU time: it includes other programs of the machine."""
    for what in ("transactions", "rows_read", "rows_written", "bytes_read", "bytes_written"):
        least, most = (find(getattr(tick.bill, what) for tick in ticks) for find in (min, max))
        if most > least * FLAT:
            yield f"{what} of a tick grow with what is tracked: {least:,} to {most:,}"
    peaks = [tick.peak_bytes for tick in ticks]
    if max(peaks) > min(peaks) * FLAT:
        yield f"memory of a tick grows with what is tracked: {min(peaks):,} to {max(peaks):,} bytes"


def _model_mistakes(rows: Sequence[ModelRow]) -> Iterator[str]:
    (ours,) = [row for row in rows if row.schedule == "ours"]
    if ours.calls > MOST_CALLS:
        yield f"{ours.calls:.2f} calls per message, more than {MOST_CALLS}"
    if ours.median_lag_hours > MOST_LAG_HOURS:
        yield f"a median lag of {ours.median_lag_hours:.2f} h, more than {MOST_LAG_HOURS}"


def _document(
    ticks: Sequence[TickCost], rows: Sequence[ModelRow], times: Sequence[AzuriteTime], mistakes: list[str]
) -> dict[str, Any]:
    return {
        "ticks": [tick.as_json() for tick in ticks],
        "schedules": [asdict(row) for row in rows],
        "azurite": [asdict(time) for time in times],
        "mistakes": mistakes,
    }


def _show(ticks: Sequence[TickCost], rows: Sequence[ModelRow], times: Sequence[AzuriteTime]) -> None:
    console = Console(width=None if sys.stdout.isatty() else 160)
    console.print(_ticks_table(ticks), _schedules_table(rows))
    if times:
        console.print(_azurite_table(times))


def _ticks_table(ticks: Sequence[TickCost]) -> Table:
    table = Table(title=f"A tick with {ticks[0].due:,} messages due, next to reading all that is tracked")
    columns = ("tracked", "transactions", "rows read", "rows written", "kB read", "kB written", "calls of IO")
    for column in (*columns, "CPU ms", "peak kB", "naive: transactions", "rows read", "calls of IO"):
        table.add_column(column, justify="right")
    for tick in ticks:
        bill, other = tick.bill, naive(tick.tracked, tick.due)
        numbers = (
            *(tick.tracked, bill.transactions, bill.rows_read, bill.rows_written),
            *(bill.bytes_read // 1000, bill.bytes_written // 1000, tick.calls),
            *(round(tick.cpu_seconds * 1000), tick.peak_bytes // 1000),
            *(other.transactions, other.rows_read, other.calls),
        )
        table.add_row(*(f"{number:,}" for number in numbers))
    return table


def _schedules_table(rows: Sequence[ModelRow]) -> Table:
    table = Table(title="65 % read, lognormal, median 6 h, sigma 1.8; 60 days; including the delivery poll")
    table.add_column("schedule")
    for column in (
        "most polls",
        "calls per message",
        "lag h: median",
        "95 %",
        "new messages a day, 24 calls/s",
    ):
        table.add_column(column, justify="right")
    for row in rows:
        figures = (f"{row.calls:,.2f}", f"{row.median_lag_hours:.2f}", f"{row.p95_lag_hours:.1f}")
        table.add_row(row.schedule, f"{row.most_polls:,}", *figures, f"{row.sustainable_a_day:,}")
    return table


def _azurite_table(times: Sequence[AzuriteTime]) -> Table:
    table = Table(
        title="The tick on Azurite, which reads its whole table for the one query: its limit, not ours"
    )
    for column in ("tracked", "due", "tick s", "of which query s", "polls/s"):
        table.add_column(column, justify="right")
    for each in times:
        seconds = (f"{each.tick_seconds:.2f}", f"{each.query_seconds:.2f}")
        table.add_row(f"{each.tracked:,}", f"{each.due:,}", *seconds, f"{each.due / each.tick_seconds:.0f}")
    return table


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
