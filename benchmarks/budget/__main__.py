"""`make bench-budget`: processes share IO's real limit of 150 calls in 5 s, in Postino's way and usual ways.

The simulator counts in a sliding window and refuses with 429, as API Management does. Storage is Azurite.
Each row is a run of its own on fresh storage. The simulator counts the calls, after a warm-up.

    hosts            whole functions hosts that take requests from the queues, as deployed. Once a minute
                     Azurite stands still for seconds to sweep its queues (its queue/gc/QueueGCManager).
                     Without storage no host calls IO: this time, in the last column, is not counted
    processes        the same account and rate limiter without queues and ledger; shows how long calls wait
    urgent and bulk  20,000 bulk messages wait, and an urgent one comes twice a second. "urgent p95" is its
                     time to leave, or the time that it has waited. In one queue it comes at the end
    foreign client   another system of the same institution makes 10 calls a second at random moments
    retry-after      calls at once, and waits as long as a 429 asks
    fixed sleep      like IO's own bulk tool: one after another, 10 ms between calls, 5 s after a 429
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import quantiles
from typing import Any

import aiohttp
from rich.console import Console
from rich.table import Table

from local.azurite import Azurite
from settings import RateLimit
from storage.queues import MESSAGE_REQUESTS
from tests.e2e.processes import ChildProcess
from tests.e2e.sample import fiscal_code, request
from tests.e2e.world import World, running_world

LIMIT = RateLimit(150, 5)
WARM_UP_SECONDS = 10
QUEUED = 150
STILL_SECONDS = 1.0
COLUMNS = (
    *("", "used", "429", "messages/s", "polls/s"),
    *("send p95", "check p95", "poll p95", "urgent p95", "storage/message", "storage still"),
)
KINDS = ("send", "check", "poll", "urgent")
FOREIGN_KEY = "foreign-key"
AS_DEPLOYED = {"CHECK_STATUS_SCHEDULE": "0 */5 * * * *"}


@dataclass(frozen=True)
class Scenario:
    """The processes of a run; `joining` more start when half of the time is over."""

    name: str
    strategy: str
    processes: int
    joining: int = 0
    foreign: bool = False
    polls: int = 0


SCENARIOS = (
    Scenario("1 host", "hosts", 1),
    Scenario("2 hosts", "hosts", 2),
    Scenario("4 hosts", "hosts", 4),
    Scenario("1 process", "shared", 1),
    Scenario("2 processes", "shared", 2),
    Scenario("4 processes", "shared", 4),
    Scenario("4 processes join 1 half-way", "shared", 1, joining=4),
    Scenario("4 processes, foreign client", "shared", 4, foreign=True),
    Scenario("2 processes, 1,000 polls due", "shared", 2, polls=1000),
    Scenario("2 processes, urgent and bulk", "urgent-apart", 2),
    Scenario("2 processes, all in one queue", "urgent-behind", 2),
    Scenario("retry-after, 1 process", "retry-after", 1),
    Scenario("retry-after, 4 processes", "retry-after", 4),
    Scenario("retry-after, 4, foreign client", "retry-after", 4, foreign=True),
    Scenario("fixed sleep, 1 process", "fixed-sleep", 1),
    Scenario("fixed sleep, 4 processes", "fixed-sleep", 4),
)


@dataclass
class Result:
    """The figures of one scenario. Shares are of 1, waits in seconds."""

    name: str
    used: float  # the share of the limit that all clients used
    refused: float  # the share of our own calls that got a 429
    messages: float  # per second
    polls: float  # per second
    waits: dict[str, float] = field(default_factory=dict)  # 95th percentile, until the answer
    operations: float | None = None  # storage operations on the shared rows, per message
    still: float = 0.0  # seconds in which storage did not answer


@dataclass
class Counts:
    """IO's answers so far."""

    admitted: int
    refused: int
    messages: int
    polls: int
    at: float
    still: float

    @classmethod
    async def now(cls, world: World, still: float) -> "Counts":
        calls = await world.io.calls()
        answered = [
            (name, status, count) for name, one in calls.items() for status, count in one["answered"].items()
        ]
        return cls(
            admitted=sum(count for _, status, count in answered if status != "429"),
            refused=sum(count for _, status, count in answered if status == "429"),
            messages=calls.get("submit_message", {"answered": {}})["answered"].get("201", 0),
            polls=calls.get("get_message", {"answered": {}})["answered"].get("200", 0),
            at=time.monotonic(),
            still=still,
        )


async def run(scenario: Scenario, seconds: float) -> Result:
    """Run one scenario on storage and IO of its own."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as running:
        async with running_world(Path(folder), Azurite()) as world:
            await _add_foreign_service(world)
            players = Players(world, Path(folder), running)
            before, after = await players.play(scenario, seconds)
            return _result(scenario, before, after, await players.end())


class Players:
    """The processes of one scenario."""

    def __init__(self, world: World, folder: Path, running: ExitStack) -> None:
        self._world = world
        self._folder = folder
        self._running = running
        self._workers: list[ChildProcess] = []
        self._foreign: list[ChildProcess] = []
        self._still = 0.0

    async def play(self, scenario: Scenario, seconds: float) -> tuple[Counts, Counts]:
        """Run the scenario. Return IO's answers at the beginning and at the end of the measured time."""
        if scenario.foreign:
            self._foreign.append(await self._start("foreign", "benchmarks.budget.foreign", FOREIGN_KEY))
        await self._join(scenario, scenario.processes, polls=scenario.polls)
        async with self._requests(scenario):
            await asyncio.sleep(WARM_UP_SECONDS)
            before = await Counts.now(self._world, self._still)
            await asyncio.sleep(seconds / 2)
            await self._join(scenario, scenario.joining)
            await asyncio.sleep(before.at + seconds - time.monotonic())
            return before, await Counts.now(self._world, self._still)

    async def end(self) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """End all processes. Return the reports of our own processes and of the foreign one."""
        for process in (*self._workers, *self._foreign):
            process.terminate()
        workers = [await _report(one) for one in self._workers]
        return workers, [await _report(one) for one in self._foreign]

    async def _join(self, scenario: Scenario, number: int, polls: int = 0) -> None:
        for _ in range(number):
            name = f"process-{len(self._workers) + 1}"
            arguments = [scenario.strategy, "--polls", str(0 if self._workers else polls)]
            worker = ["benchmarks.budget.worker", *arguments]
            command = ["local.host", "--port", "0"] if scenario.strategy == "hosts" else worker
            self._workers.append(await self._start(name, *command))

    async def _start(self, name: str, *command: str) -> ChildProcess:
        process = ChildProcess(name, self._folder, list(command), {**self._world.environ, **AS_DEPLOYED})
        self._running.enter_context(process)
        while "ready" not in process.output:
            assert process.exit_code is None, process.output
            await asyncio.sleep(0.05)
        return process

    @asynccontextmanager
    async def _requests(self, scenario: Scenario) -> AsyncIterator[None]:
        """Watch storage. For hosts, keep requests on the queue at all times."""
        tasks = [asyncio.create_task(self._watch_storage())]
        tasks += [asyncio.create_task(self._put())] if scenario.strategy == "hosts" else []
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()

    async def _watch_storage(self) -> None:
        """Add up the time in which storage stands still. No merely slow operation takes a second."""
        while True:
            asked_at = time.monotonic()
            await self._world.ledger_table.get("none", "none")
            took = time.monotonic() - asked_at
            self._still += took if took > STILL_SECONDS else 0
            await asyncio.sleep(0.05)

    async def _put(self) -> None:
        """Put requests and take outcomes, as upstream does. Long queues slow Azurite down."""
        number = 0
        while True:
            await self._world.take_outcomes()
            missing = QUEUED - (await self._world.depths())[MESSAGE_REQUESTS]
            batch = [request(f"r-{number + more}", fiscal_code(more % 1000)) for more in range(missing)]
            await self._world.put(*batch)
            number += max(0, missing)
            await asyncio.sleep(1)


async def _report(process: ChildProcess) -> dict[str, Any]:
    """Return the line of JSON at the end of a process's output. A functions host prints none."""
    await process.end()
    last = process.output.splitlines()[-1]
    assert process.exit_code == 0, process.output
    reports: dict[str, Any] = json.loads(last) if last.startswith("{") else {}
    return reports


async def _add_foreign_service(world: World) -> None:
    address = await world.simulator.address()
    control = address.removesuffix("/api/v1") + "/simulator/services"
    service = {"foreign": {"keys": [FOREIGN_KEY]}}
    async with aiohttp.ClientSession() as session, session.post(control, json=service) as answer:
        answer.raise_for_status()


def _result(
    scenario: Scenario,
    before: Counts,
    after: Counts,
    reports: tuple[list[dict[str, Any]], list[dict[str, Any]]],
) -> Result:
    workers, foreign = reports
    still = after.still - before.still
    seconds, admitted = after.at - before.at - still, after.admitted - before.admitted
    refused = after.refused - before.refused
    if foreign:  # the simulator does not say which client it refused, so our workers count
        refused = sum(worker["refused"] for worker in workers)
        calls = refused + sum(len(some) for worker in workers for some in worker["seconds"].values())
    else:
        calls = admitted + refused
    waits = {
        kind: [one for report in workers if report for one in report["seconds"].get(kind, ())]
        for kind in KINDS
    }
    sent = len(waits["send"])
    return Result(
        name=scenario.name,
        used=admitted / (LIMIT.rate * seconds),
        refused=refused / max(1, calls),
        messages=(after.messages - before.messages) / seconds,
        polls=(after.polls - before.polls) / seconds,
        waits={kind: quantiles(some, n=20)[-1] for kind, some in waits.items() if len(some) > 1},
        operations=sum(one["operations"] for one in workers) / sent
        if scenario.strategy.startswith(("shared", "urgent"))
        else None,
        still=still,
    )


def show(console: Console, results: Sequence[Result]) -> None:
    """Print the table, each row relative to the limit."""
    table = Table(title=f"Use of {LIMIT.calls} calls in {LIMIT.seconds:g} s")
    for column in COLUMNS:
        table.add_column(column, justify="left" if not column else "right")
    for one in results:
        waits = [f"{one.waits[kind]:.2f} s" if kind in one.waits else "" for kind in KINDS]
        operations = "" if one.operations is None else f"{one.operations:.2f}"
        polls = f"{one.polls:.1f}" if one.polls else ""
        table.add_row(
            one.name,
            f"{one.used:.1%}",
            f"{one.refused:.2%}",
            f"{one.messages:.2f}",
            polls,
            *waits,
            operations,
            f"{one.still:.1f} s" if one.still else "",
        )
    console.print(table)


async def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.budget", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("--seconds", type=float, default=60, help="measured in each run (default: 60)")
    parser.add_argument("--only", default="", help="only the runs whose name contains this")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    results = []
    for scenario in (one for one in SCENARIOS if arguments.only in one.name):
        print(f"{scenario.name} ...", end=" ", file=sys.stderr, flush=True)
        results.append(await run(scenario, arguments.seconds))
        print(f"{results[-1].used:.1%} used, {results[-1].refused:.2%} refused", file=sys.stderr)
    if arguments.json:
        print(json.dumps([asdict(result) for result in results], indent=2))
    else:
        show(Console(width=None if sys.stdout.isatty() else 160), results)
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
