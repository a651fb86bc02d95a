"""One process that handles messages of a kind and reports their cost.

`python -m benchmarks.cost.worker KIND --messages N` reads the app's settings and prints a line of JSON. The
storage emulator and IO run in other processes.
"""

import argparse
import asyncio
import gc
import itertools
import json
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import aiohttp

import settings
from benchmarks.cost.calls import Call, Floor, recorded
from check_status.follow import follow_due
from context import Context
from contract.reference import Reference
from reminders.calendar import next_allowed
from reminders.remind import remind_due
from send_message.check_recipient import check_recipient
from send_message.send_message import send_message
from storage.account import StorageAccount
from storage.cipher import Cipher
from storage.readiness import Readiness
from tests.e2e.sample import as_text, fiscal_code, payment, request
from tests.e2e.simulator_control import SimulatorControl

CONCURRENT: Final = 16  # batchSize of host.json
# The calls that wait together share a read and a write of the rate budget's row. In a shorter run its first
# read and the others of a start would weigh too much.
RECORDED: Final = 96
PREMIUM: Final[Mapping[str, Any]] = {
    "feature_level_type": "ADVANCED",
    "content": {"payment_data": payment(), "due_date": "2027-12-31T22:59:59Z"},
}
TOO_MUCH: Final[Mapping[str, Any]] = {"content": {"payment_data": payment(cents=1_000_001)}}
REMINDED: Final[Mapping[str, Any]] = {
    "feature_level_type": "ADVANCED",
    "reminders": {"unread": {"after_days": 7}},
}
BLOCKED: Final = fiscal_code(1)
CITIZENS: Final[dict[str, dict[str, Any]]] = {BLOCKED: {"sender_allowed": False}}


@dataclass
class Bench:
    """The functions of one process, with a clock that can be moved on."""

    control: SimulatorControl
    concurrent: int = CONCURRENT
    numbers: Iterator[int] = field(default_factory=itertools.count)
    ahead: timedelta = timedelta(0)
    context: Context = field(init=False)

    def clock(self) -> datetime:
        """The time of the process."""
        return datetime.now(UTC) + self.ahead

    async def send(self, number: int, person: str | None = None, **fields: Any) -> list[str]:
        """Check the recipients and send the messages. Return their ids.

        Each message goes to another citizen unless `person` is given.
        """
        ids = [f"r-{next(self.numbers)}-{time.monotonic_ns()}" for _ in range(number)]
        await self._together(ids, lambda name: self._check(name, person, fields))
        if person != BLOCKED:
            await self.deliver(ids)
        return ids

    async def deliver(self, ids: list[str], sequence: int = 0) -> None:
        """Deliver the references of checked messages, as the trigger of message-sends does."""
        bodies = [Reference(request_id=name, sequence=sequence).to_json() for name in ids]
        await self._together(bodies, lambda body: send_message(body, self.context, redelivered=False))

    async def _check(self, request_id: str, person: str | None, fields: Mapping[str, Any]) -> None:
        anybody = fiscal_code(10 + int(request_id.split("-")[1]) % 990)
        asked = request(request_id, person or anybody, **fields)
        await check_recipient(as_text(_with_own_notice(asked)), self.context, redelivered=False)

    async def _together(self, items: list[str], work: Callable[[str], Awaitable[None]]) -> None:
        """Work on so many at a time, as a host does."""
        places = asyncio.Semaphore(self.concurrent)

        async def one(item: str) -> None:
            async with places:
                await work(item)

        await asyncio.gather(*map(one, items))

    async def pass_time(self, time: timedelta) -> None:
        """Move the clocks of the process and of IO on."""
        self.ahead += time
        await self.control.advance(time)


def _with_own_notice(asked: dict[str, Any]) -> dict[str, Any]:
    """Return the request with a notice number that no other request of this storage account carries."""
    payment_data = asked["content"].get("payment_data")
    if payment_data is None:
        return asked
    own = payment_data | {"notice_number": f"3{time.monotonic_ns() % 10**17:017}"}
    return asked | {"content": asked["content"] | {"payment_data": own}}


async def _nothing(bench: Bench, number: int) -> None:
    """Prepare nothing."""


async def _throttled(bench: Bench, number: int) -> None:
    await bench.control.faults({"operation": "submit_message", "kind": "429", "count": number})


async def _sent_after_a_429(bench: Bench, number: int) -> None:
    ids = await bench.send(number)
    bench.ahead += timedelta(minutes=15)
    await bench.deliver(ids, sequence=1)


async def _sent_an_hour_ago(bench: Bench, number: int) -> None:
    await bench.send(number, **PREMIUM)
    await bench.pass_time(timedelta(hours=1))


async def _sent_a_week_ago(bench: Bench, number: int) -> None:
    await bench.control.citizens({"default": {"reads_after_seconds": None}})
    await bench.send(number, **REMINDED)
    due = next_allowed(bench.clock() + timedelta(days=8), ()) + timedelta(hours=1)
    await bench.pass_time(due - bench.clock())


type Work = Callable[[Bench, int], Awaitable[object]]


@dataclass(frozen=True)
class Kind:
    """What happens to messages: `prepare` is not measured, `work` is.

    requests: how many queue messages of other systems start the work of one message; a timer starts the rest.
    """

    work: Work
    prepare: Work = _nothing
    requests: int = 1


KINDS: Final[Mapping[str, Kind]] = {
    "basic": Kind(lambda bench, number: bench.send(number)),
    "premium payment": Kind(lambda bench, number: bench.send(number, **PREMIUM)),
    "skipped": Kind(lambda bench, number: bench.send(number, BLOCKED)),
    "refused": Kind(lambda bench, number: bench.send(number, **TOO_MUCH)),
    "deferred once": Kind(_sent_after_a_429, prepare=_throttled),
    "polled: read, paid": Kind(lambda bench, _: follow_due(bench.context), _sent_an_hour_ago, requests=0),
    "reminded": Kind(lambda bench, _: remind_due(bench.context), _sent_a_week_ago, requests=0),
}


async def measure(kind: Kind, messages: int) -> dict[str, Any]:
    """Return the cost of one message of this kind, and that of its calls alone."""
    configured = settings.load()
    account = StorageAccount(configured)
    bench = Bench(SimulatorControl(str(configured.io_api_base_url).removesuffix("/api/v1")))
    cipher = Cipher(configured.encryption_keys)
    bench.context = Context.of(configured, account, cipher, bench.clock, io_clock=lambda: datetime.now(UTC))
    try:
        await Readiness.of(account, cipher).check()
        await _run(kind, bench, CONCURRENT)
        with recorded() as calls:
            await _run(kind, bench, RECORDED, begin=calls.clear)
        ours = await _run(kind, bench, messages)
        floor = await _floor(configured, calls, messages)
    finally:
        await bench.control.aclose()
        await bench.context.io.aclose()
        await account.aclose()
    return {**_counted(calls), "requests": kind.requests, "ours": ours, "floor": floor}


async def _run(
    kind: Kind, bench: Bench, number: int, *, begin: Callable[[], None] = lambda: None
) -> dict[str, float]:
    await kind.prepare(bench, number)
    begin()
    return await _timed(lambda: kind.work(bench, number), 1, share=number)


def _counted(calls: list[Call]) -> dict[str, Any]:
    names = Counter(call.name for call in calls)
    return {
        "calls": {name: count / RECORDED for name, count in sorted(names.items())},
        "storage": sum(call.is_storage for call in calls) / RECORDED,
        "io": sum(not call.is_storage for call in calls) / RECORDED,
        "bytes": sum(len(call.body) for call in calls if call.is_storage) / RECORDED,
    }


async def _floor(configured: settings.Settings, calls: list[Call], messages: int) -> dict[str, float]:
    assert configured.storage_connection is not None
    text = configured.storage_connection.get_secret_value()
    parts = dict(part.split("=", 1) for part in text.split(";") if part)
    floor = Floor(parts["AccountName"], parts["AccountKey"])
    async with aiohttp.ClientSession() as session:
        await floor.repeat(session, calls)  # connects
        return await _timed(lambda: floor.repeat(session, calls), messages // RECORDED, share=RECORDED)


async def _timed(work: Callable[[], Awaitable[object]], times: int, *, share: int = 1) -> dict[str, float]:
    gc.collect()
    cpu, wall = time.process_time(), time.perf_counter()
    for _ in range(times):
        await work()
    number = times * share
    return {
        "cpu_ms": (time.process_time() - cpu) * 1000 / number,
        "wall_ms": (time.perf_counter() - wall) * 1000 / number,
    }


def main() -> None:
    """Measure one kind and print it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cost.worker")
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("--messages", type=int, required=True)
    arguments = parser.parse_args()
    print(json.dumps(asyncio.run(measure(KINDS[arguments.kind], arguments.messages))), flush=True)


if __name__ == "__main__":
    main()
