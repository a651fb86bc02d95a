"""`make kill9`: several hosts on Azurite, a faulty IO, duplicate deliveries, SIGKILL about every second.

Meanwhile the accepted messages are followed, and all are made due again every few seconds; and the key that
encrypts is replaced, and every row is encrypted again. Then the run lets
everything settle, and compares the ledger with the messages that IO accepted, and the due index with the
messages that can still change. Prints one row a seed. Exits 1 on a duplicate, a lost request, a false row, a
doubt that neither a kill nor an answer explains, a message that left the due index too early, or a row that
is left in it, a repeated request that was not recognised, or a row that the new key does not open.
"""

import argparse
import asyncio
import random
import sys
import tempfile
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from local.azurite import Azurite
from storage.ledger import DELIVERED, GIVEN_UP, Entry, State
from tests.e2e.sample import fiscal_code, payment, request
from tests.e2e.world import World, running_world
from tests.kill9.rotation import KeyRotation

HOSTS = 3
SETTLE_SECONDS = 400
# A killed host's messages come back when their lease has expired: 600 s on the platform, less here.
LEASE = {"LOCAL_HOST_LEASE_SECONDS": "5"}
FAULTS = ("reset_before", "reset_after", "502_after", "503_before", "429", "accept_then_hang")
PREMIUM = {"feature_level_type": "ADVANCED"}
# One citizen in three reads and pays, one reads, one does neither.
HABITS = (
    {"reads_after_seconds": 5, "pays_after_seconds": 5},
    {"reads_after_seconds": 20, "pays_after_seconds": None},
    {"reads_after_seconds": None, "pays_after_seconds": None},
)
CITIZENS = {fiscal_code(number): HABITS[number % 3] for number in range(1000)}
AMBIGUOUS = frozenset({"timeout", "connection_lost", "server_error"})
UNSENT = GIVEN_UP | {State.SKIPPED, State.EXPIRED}
ENDS = DELIVERED | UNSENT | {State.ACCEPTED, State.REJECTED, State.FAILED, State.IN_DOUBT}


@dataclass
class Result:
    """The result of one seed."""

    seed: int
    deliveries: int = 0
    kills: int = 0
    accepted: int = 0
    polls: int = 0
    followed: int = 0
    in_doubt: Counter[str] = field(default_factory=Counter)
    in_doubt_but_accepted: int = 0
    broken: Counter[str] = field(default_factory=Counter)
    seconds: float = 0


async def run(seed: int, requests: int, faulty: float, kills: int, console: Console) -> Result:
    """Run one world, from the first request to the last settled one."""
    rng, result, began = random.Random(seed), Result(seed), time.monotonic()
    ids = [f"kill9-{seed}-{number:04d}" for number in range(requests)]
    with tempfile.TemporaryDirectory() as folder:
        async with running_world(Path(folder), Azurite()) as world:
            await world.io.citizens(CITIZENS)
            await world.io.faults(*_faults(seed, faulty))
            await world.start_hosts(HOSTS, LEASE)
            rotation = KeyRotation(world, Path(folder))
            feeding = asyncio.create_task(_feed(world, ids, rng, result))
            with console.status(f"seed {seed}: killing"):
                while result.kills < kills or not feeding.done():
                    await asyncio.sleep(rng.uniform(0.5, 1.5))
                    await _kill_one(world, rng)
                    rotation.kill(rng)
                    result.kills += 1
                    if result.kills == kills // 3:
                        rotation.add_key()
                    if result.kills == 2 * kills // 3:
                        await rotation.begin(LEASE)
                    if result.kills % 4 == 0:
                        await world.make_due()
            await feeding
            await world.io.clear_faults()
            with console.status(f"seed {seed}: settling, until the last lease is over"):
                await _settle(world, ids)
                await _look_once_more(world)
            result.broken.update(await rotation.end())
            await _judge(world, ids, result)
    result.seconds = time.monotonic() - began
    return result


def _faults(seed: int, rate: float) -> list[dict[str, object]]:
    share = rate / len(FAULTS)
    return [
        {"operation": "submit_message", "kind": kind, "probability": share, "seed": seed + number}
        for number, kind in enumerate(FAULTS)
    ]


async def _feed(world: World, ids: list[str], rng: random.Random, result: Result) -> None:
    """Put every request, a fifth of them twice, in random order; a few at a time, as Azurite is slow."""
    deliveries = [each for each in ids for _ in range(2 if rng.random() < 0.2 else 1)]
    rng.shuffle(deliveries)
    result.deliveries = len(deliveries)
    for at in range(0, len(deliveries), 40):
        batch = deliveries[at : at + 40]
        await world.put(*(_request(each, ids.index(each)) for each in batch))
        await asyncio.sleep(1.5)


def _request(request_id: str, number: int) -> dict[str, Any]:
    """A STANDARD, Premium, or Premium payment request; each kind of citizen gets each kind of request."""
    kinds: list[dict[str, Any]] = [{}, PREMIUM, PREMIUM | {"content": {"payment_data": payment()}}]
    return request(request_id, fiscal_code(number), **kinds[number // 3 % 3])


async def _kill_one(world: World, rng: random.Random) -> None:
    """SIGKILL one host, and start another in its place."""
    running = [host for host in world.hosts if host.exit_code is None]
    rng.choice(running).kill()
    await world.start_hosts(1, LEASE)


async def _settle(world: World, ids: list[str]) -> None:
    deadline = time.monotonic() + SETTLE_SECONDS
    while time.monotonic() < deadline:
        await world.take_outcomes()
        entries = await world.entries()
        if await world.queues_are_empty() and all(_ended(entries.get(each)) for each in ids):
            return
        await asyncio.sleep(2)


async def _look_once_more(world: World) -> None:
    """Make every followed message due a last time, and wait until a killed host's lease has expired."""
    await world.make_due()
    deadline = time.monotonic() + SETTLE_SECONDS
    while time.monotonic() < deadline:
        await world.take_outcomes()
        due = await world.due_entries()
        if all(entry.due_at > datetime.now(UTC) for entry in due):
            return
        await asyncio.sleep(2)


def _ended(entry: Entry | None) -> bool:
    return entry is not None and entry.state in ENDS


async def _judge(world: World, ids: list[str], result: Result) -> None:
    accepted: dict[str, list[str]] = defaultdict(list)
    for message in await world.io.messages():
        accepted[message["subject"].split()[-1]].append(message["id"])
    entries = await world.entries()
    result.accepted = len(accepted)
    result.polls = (await world.io.calls())["get_message"]["received"]
    rows = Counter(entry.request_id for entry in await world.due_entries())
    result.followed = rows.total()
    for each in ids:
        _judge_one(entries.get(each), accepted[each], result)
        _judge_rows(entries.get(each), rows[each], result)
    result.broken["conflict"] = sum(one.reason == "conflict" for one in await world.all_parked())
    result.broken["left on queues"] = sum((await world.depths()).values())


def _judge_one(entry: Entry | None, accepted: list[str], result: Result) -> None:
    broken = result.broken
    broken["duplicate"] += len(accepted) > 1
    broken["lost"] += not _ended(entry)
    if entry is None:
        return
    broken["false row"] += entry.state in UNSENT and bool(accepted)
    broken["false row"] += entry.message_id is not None and entry.message_id not in accepted
    if entry.state is State.IN_DOUBT:
        reason = str(entry.last_step.get("reason"))
        result.in_doubt[reason] += 1
        result.in_doubt_but_accepted += bool(accepted)
        broken["unexplained doubt"] += reason not in AMBIGUOUS | {"lease_over"}


def _judge_rows(entry: Entry | None, rows: int, result: Result) -> None:
    """Check that each message that can still change has one row, and any other has none."""
    followed = entry is not None and _can_change(entry)
    result.broken["left the index"] += followed and rows == 0
    result.broken["row too many"] += rows > followed


def _can_change(entry: Entry) -> bool:
    if entry.state is State.ACCEPTED:
        return entry.message_id is not None
    if entry.state not in DELIVERED or entry.feature_level_type != "ADVANCED":
        return False
    return entry.read_status != "READ" or (entry.has_payment and entry.payment_status != "PAID")


def show(console: Console, results: list[Result]) -> None:
    """Print one row a seed."""
    table = Table(title="Hosts killed with SIGKILL while they work")
    for column in (
        *("seed", "deliveries", "kills", "accepted by IO", "in doubt: answer", "in doubt: kill"),
        *("of these accepted", "duplicates", "lost", "false rows", "unexplained", "left"),
        *("polls", "still followed", "left the index", "rows too many", "conflicts", "old key", "seconds"),
    ):
        table.add_column(column, justify="right")
    for result in results:
        by_kill = result.in_doubt["lease_over"]
        kinds = ("duplicate", "lost", "false row", "unexplained doubt", "left on queues")
        table.add_row(
            *(str(number) for number in (result.seed, result.deliveries, result.kills, result.accepted)),
            *(str(number) for number in (result.in_doubt.total() - by_kill, by_kill)),
            str(result.in_doubt_but_accepted),
            *(str(result.broken[kind]) for kind in kinds),
            *(str(number) for number in (result.polls, result.followed)),
            *(str(result.broken[kind]) for kind in ("left the index", "row too many", "conflict")),
            str(result.broken["not encrypted again"] + result.broken["not ended"]),
            f"{result.seconds:.0f}",
        )
    console.print(table)


async def main() -> int:
    """Run every seed; return the exit code."""
    parser = argparse.ArgumentParser(prog="make kill9", description=__doc__)
    parser.add_argument("--requests", type=int, default=400)
    parser.add_argument("--faulty", type=float, default=0.1, help="share of faulty answers to POST /messages")
    parser.add_argument("--kills", type=int, default=20, help="at least so many a seed")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    arguments = parser.parse_args()
    console = Console(width=None if sys.stdout.isatty() else 210)
    results = [
        await run(seed, arguments.requests, arguments.faulty, arguments.kills, console)
        for seed in arguments.seeds
    ]
    show(console, results)
    return int(any((+result.broken).total() for result in results))


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
