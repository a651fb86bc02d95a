"""`make outage`: the cost of each kind of outage, with one host and with four.

An outage begins while hosts on Azurite, and a simulated IO with its real limit of 150 calls in 5 s, are in
the middle of their work, with most messages still to be sent. It lasts a minute instead of an hour: the
intervals of the circuit breakers' probes are at their longest (20 s) by then, so a longer outage repeats the
last half minute. Prints one row an outage, for this code and that of other checkouts (`--code`). Exits 1 when
this code sends a message twice, loses one, gives one up, or leaves more in doubt than allowed, and when most
messages were sent before the outage began.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table

from local.azurite import Azurite
from storage.ledger import DELIVERED, State
from tests.e2e.sample import fiscal_code, request
from tests.e2e.storage_proxy import running_proxy
from tests.e2e.world import World, running_world
from tests.outage.outages import OUTAGES, Outage

# A batch that a host held when storage stopped comes back after its lease: 600 s on the platform.
LEASE = {"LOCAL_HOST_LEASE_SECONDS": "15"}
BEFORE = 20
SETTLE_SECONDS = 240
MOST_IN_DOUBT = {1: 5, 4: 10}
WINDOW_SECONDS = 5
ENOUGH = 0.8


@dataclass
class Result:
    """The result of one outage; `before` were sent when it began.

    `accepted` holds the messages at IO, by the seconds since its end.
    """

    outage: str
    hosts: int
    code: str
    before: int = 0
    sent_once: int = 0
    twice: int = 0
    in_doubt: int = 0
    dead: int = 0
    parked: int = 0
    unfinished: int = 0
    accepted: list[tuple[float, int]] = field(default_factory=list)

    @property
    def is_broken(self) -> bool:
        most = MOST_IN_DOUBT.get(self.hosts, self.hosts * 3)
        lost = self.twice or self.dead or self.parked or self.unfinished
        return bool(lost) or self.in_doubt > most or self.before * 2 > self.sent_once

    def full_rate_after(self) -> float | None:
        """The seconds from the end until messages leave at 80 % of the best rate reached afterwards."""
        rates = [
            (start, (count - before) / (end - start))
            for (start, before), (end, count) in zip(
                self.accepted, self.accepted[WINDOW_SECONDS:], strict=False
            )
        ]
        best = max((rate for _, rate in rates), default=0)
        return next((start for start, rate in rates if best and rate >= ENOUGH * best), None)


async def run(outage: Outage, hosts: int, code: Path | None, messages: int, seconds: float) -> Result:
    """Run one world: in full operation, through the outage, and after it."""
    result = Result(outage.name, hosts, code.name if code else "this")
    asked = [request(f"r{number}", fiscal_code(number)) for number in range(messages)]
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "storage"
        data.mkdir()
        async with (
            running_world(Path(folder), Azurite(data=data), code) as world,
            running_proxy(world.storage) as proxy,
        ):
            await world.start_hosts(hosts, {**LEASE, "AzureWebJobsStorage": proxy.connection_string})
            await world.put(*asked)
            await world.io.until_answered(BEFORE)
            await outage.begin(world, proxy)
            result.before = len(await world.io.messages())
            await asyncio.sleep(seconds)
            await outage.end(world, proxy)
            await _settle(world, messages, result)
            await _count(world, messages, result)
    return result


async def _settle(world: World, messages: int, result: Result) -> None:
    """Wait until every message is at its end, up to a time limit."""
    began = time.monotonic()
    while (after := time.monotonic() - began) < SETTLE_SECONDS:
        result.accepted.append((after, len(await world.io.messages())))
        await world.take_outcomes()
        states = await world.states()
        if sum(states[one] for one in (*DELIVERED, State.IN_DOUBT, State.DEAD, State.REFUSED)) == messages:
            return
        await asyncio.sleep(max(0, 1 - (time.monotonic() - began - after)))


async def _count(world: World, messages: int, result: Result) -> None:
    states = await world.states()
    people = Counter(message["fiscal_code"] for message in await world.io.messages())
    result.sent_once = sum(count == 1 for count in people.values())
    result.twice = sum(count > 1 for count in people.values())
    result.in_doubt = states[State.IN_DOUBT]
    result.dead = states[State.DEAD] + states[State.REFUSED]
    result.parked = len(await world.all_parked())
    ended = sum(states[one] for one in DELIVERED)
    result.unfinished = messages - ended - result.in_doubt - result.dead


def show(console: Console, results: list[Result]) -> None:
    """Print one row an outage."""
    table = Table(title="What an outage costs")
    sent = ("sent before", "sent once", "twice")
    ends = ("in doubt", "dead", "parked", "unfinished", "full rate after, s")
    for name in ("outage", "hosts", "code", *sent, *ends):
        table.add_column(name)
    for one in results:
        counts = (one.before, one.sent_once, one.twice, one.in_doubt, one.dead, one.parked, one.unfinished)
        back = one.full_rate_after()
        cells = (one.outage, one.hosts, one.code, *counts, "never" if back is None else f"{back:.0f}")
        table.add_row(*map(str, cells), style="red" if one.is_broken else None)
    console.print(table)


async def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.outage", description=__doc__)
    parser.add_argument("--messages", type=int, default=200, help="how many wait (%(default)s)")
    parser.add_argument("--seconds", type=float, default=60, help="how long each outage lasts (%(default)s)")
    parser.add_argument("--hosts", type=int, nargs="+", default=[1, 4])
    parser.add_argument("--code", type=Path, nargs="*", default=[], help="other checkouts to compare with")
    parser.add_argument("--only", default="", help="only outages whose name contains this")
    arguments = parser.parse_args()
    console = Console(width=None if sys.stdout.isatty() else 150)
    results = []
    for outage in (one for one in OUTAGES if arguments.only in one.name):
        for hosts in arguments.hosts:
            for code in (None, *arguments.code):
                with console.status(f"{outage.name}, {hosts} hosts, {code.name if code else 'this'} code"):
                    results.append(await run(outage, hosts, code, arguments.messages, arguments.seconds))
                show(console, results[-1:])
    show(console, results)
    return int(any(one.is_broken and one.code == "this" for one in results))


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
