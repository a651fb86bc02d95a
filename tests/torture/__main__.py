"""`make torture`: a long run over random failures, then every mutant of the protocol.

Prints the injected faults, the final states of the requests, the broken invariants, and which invariant
caught each mutant. Exits 1 when an invariant broke or a mutant survived.
"""

import argparse
import sys

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from tests.torture.campaign import Tally
from tests.torture.mutants import MUTANTS, OUTAGES, Mutant
from tests.torture.processes import tallies

MUTANT_SCHEDULES = 20_000
SMALL_PLANS = ("calm", "IO refuses")
LARGE_PLANS = ("faults", "faults, settlements", "faults, rotation", "faults, resends")
OUTAGE_SCHEDULES = 90
SMALL_SCHEDULES = 3_000


def torture(console: Console, plan: str, *, faults: int, schedules: int) -> Tally:
    """Run a plan until this many faults are injected and this many schedules have run."""
    total = Tally()
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task(plan, total=faults or schedules)
        for tally in tallies(plan):
            total.add(tally)
            progress.update(task, completed=total.faults.total() if faults else total.schedules)
            if total.faults.total() >= faults and total.schedules >= schedules:
                break
    return total


def hunt(console: Console, each: Mutant) -> tuple[int, Tally]:
    """Run a mutant until an invariant breaks; return the schedules run (0: it survived) and the tally."""
    total = Tally()
    with console.status(f"mutant: {each.name}"):
        for tally in tallies(each.plan, each.name):
            total.add(tally)
            if total.broken:
                return total.schedules, total
            if total.schedules >= MUTANT_SCHEDULES:
                return 0, total
    raise AssertionError("the tallies never end")


def show_runs(console: Console, runs: dict[str, Tally]) -> None:
    """Print the injected faults and the results of each plan."""
    table = Table(title="Failures injected at every step, invariants checked at the end of each schedule")
    for column in ("plan", "schedules", "requests", "faults", "resends", "in doubt", "given up", "broken"):
        table.add_column(column, justify="left" if column in ("plan", "broken") else "right")
    for plan, tally in runs.items():
        broken = ", ".join(
            f"{name} {count} (seed {tally.first[name]})" for name, count in tally.broken.items()
        )
        counts = (tally.schedules, tally.requests, tally.faults.total(), tally.resends)
        ends = (tally.states["IN_DOUBT"], tally.states["DEAD"])
        table.add_row(plan, *(f"{number:,}" for number in counts + ends), broken or "none")
    console.print(table)


def show_mutants(console: Console, hunts: dict[str, tuple[int, Tally]]) -> None:
    """Print which invariant caught each mutant, and after how many schedules."""
    table = Table(title="The protocol with one safeguard taken out")
    for column in ("mutant", "caught by", "after schedules"):
        table.add_column(column)
    for name, (schedules, tally) in hunts.items():
        table.add_row(name, ", ".join(tally.broken) or "[red]LIVED[/red]", f"{schedules:,}")
    console.print(table)


def main() -> int:
    """Run everything; return the exit code."""
    parser = argparse.ArgumentParser(prog="make torture", description=__doc__)
    parser.add_argument("--faults", type=int, default=1_000_000, help="faults to inject (default 1000000)")
    arguments = parser.parse_args()
    console = Console(width=None if sys.stdout.isatty() else 140)
    runs = {plan: torture(console, plan, faults=0, schedules=SMALL_SCHEDULES) for plan in SMALL_PLANS}
    runs[OUTAGES] = torture(console, OUTAGES, faults=0, schedules=OUTAGE_SCHEDULES)
    each = arguments.faults // len(LARGE_PLANS)
    runs |= {plan: torture(console, plan, faults=each, schedules=0) for plan in LARGE_PLANS}
    show_runs(console, runs)
    hunts = {each.name: hunt(console, each) for each in MUTANTS}
    show_mutants(console, hunts)
    failed = any(tally.broken for tally in runs.values()) or not all(found for found, _ in hunts.values())
    console.print(f"faults injected: {sum(tally.faults.total() for tally in runs.values()):,}")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
