"""One process that checks and sends as fast as its strategy allows, and reports the times.

`python -m benchmarks.budget.worker STRATEGY [--polls N]` reads the app's settings, prints "ready", works
until SIGTERM and prints a line of JSON: the seconds of each call by kind, waiting included, and the number of
operations on the shared rows. It polls N messages at most, as many at a time as the timer does.
"""

import argparse
import asyncio
import json
import random
import signal
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import Any

from pydantic import SecretStr

import settings
from io_api import rate_limiter
from io_api.account import IoAccount, Keys
from io_api.breakers import Breakers
from io_api.client import IoClient
from io_api.errors import IoError, NotSent, RateLimited
from io_api.models import NewMessage
from io_api.rate_budget import Priority
from io_api.rate_limiter import RateLimiter
from io_api.suspension_store import SuspensionStore
from storage.account import StorageAccount
from storage.due_processing import CONCURRENCY
from storage.table import ETag, Row, Table
from tests.e2e.sample import fiscal_code

SERVICE = "default"
WAITING = 10_000
URGENT_RATE = 1.0  # per second
CHECK, SEND, BULK_CHECK, BULK_SEND = Priority.CHECK, Priority.SEND, Priority.BULK_CHECK, Priority.BULK_SEND
CONCURRENT = 24  # batchSize plus newBatchThreshold of host.json, for each of the two functions
TEXT = {"subject": "Un avviso per te", "markdown": "Gentile cittadino, c'è un avviso per te. " * 3}

Call = Callable[[], Awaitable[Any]]


class CountingTable(Table):
    """A table that counts its transactions."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self.operations = 0

    async def get(self, partition: str, key: str) -> Row | None:
        self.operations += 1
        return await self._table.get(partition, key)

    async def insert(self, partition: str, key: str, values: Mapping[str, Any]) -> ETag:
        self.operations += 1
        return await self._table.insert(partition, key, values)

    async def replace(self, row: Row, values: Mapping[str, Any]) -> ETag:
        self.operations += 1
        return await self._table.replace(row, values)

    async def upsert(self, partition: str, key: str, values: Mapping[str, Any]) -> ETag:
        self.operations += 1
        return await self._table.upsert(partition, key, values)

    async def delete_as_read(self, partition: str, key: str, etag: str) -> None:
        self.operations += 1
        await self._table.delete_as_read(partition, key, etag)

    async def rows(
        self, condition: str, *, columns: Collection[str] = (), **parameters: str
    ) -> AsyncIterator[Row]:
        self.operations += 1
        async for row in self._table.rows(condition, columns=columns, **parameters):
            yield row


class Worker:
    """The loops of one process. `claims` stands for the ledger: one write before each message."""

    def __init__(self, claims: Table, polls: int) -> None:
        self.seconds: dict[str, list[float]] = {"check": [], "send": [], "poll": []}
        self.refused = 0
        self._claims = claims
        self._polls = polls
        self._checked: asyncio.Queue[int] = asyncio.Queue()
        self._sent: list[tuple[int, str]] = []

    async def check(self) -> None:
        """Check one citizen after another."""
        while True:
            number = random.randrange(1000)
            await self._timed("check", lambda: self.get_profile(fiscal_code(number)))  # noqa: B023 - awaited here
            self._checked.put_nowait(number)

    async def send(self) -> None:
        """Send a message to each checked citizen."""
        while True:
            number = await self._checked.get()
            message = NewMessage.model_validate({"fiscal_code": fiscal_code(number), "content": TEXT})
            message_id = await self._timed("send", lambda: self.submit(message))  # noqa: B023
            if message_id:
                self._sent.append((number, message_id))

    async def poll(self) -> None:
        """Poll messages that were sent."""
        while self._polls > 0:
            if not self._sent:
                await asyncio.sleep(0.1)
                continue
            self._polls -= 1
            number, message_id = random.choice(self._sent)
            await self._timed("poll", lambda: self.get_message(fiscal_code(number), message_id))  # noqa: B023

    async def claim(self) -> None:
        """Write an intent."""
        await self._claims.insert("claims", f"{random.getrandbits(64):x}", {})

    async def get_profile(self, fiscal_code: str) -> None:
        raise NotImplementedError

    async def submit(self, message: NewMessage) -> str | None:
        raise NotImplementedError

    async def get_message(self, fiscal_code: str, message_id: str) -> None:
        raise NotImplementedError

    async def _timed(self, kind: str, call: Call) -> Any:
        began = time.monotonic()
        while True:
            try:
                result = await call()
            except NotSent as error:  # as if the message went back to its queue and came again
                self.refused += isinstance(error, RateLimited)
                await asyncio.sleep(random.random())
            except IoError:
                return None
            else:
                self.seconds[kind].append(time.monotonic() - began)
                return result


class SharedRateLimiter(Worker):
    """Postino's strategy: every call waits for a permit."""

    def __init__(self, claims: Table, polls: int, io: IoAccount) -> None:
        super().__init__(claims, polls)
        self._io = io

    async def get_profile(self, fiscal_code: str) -> None:
        await self._io.get_profile(fiscal_code, service=SERVICE)

    async def submit(self, message: NewMessage) -> str | None:
        async with self._io.permit_to_send(SERVICE) as permit:
            await self.claim()
            return await self._io.submit_message(message, service=SERVICE, permit=permit)

    async def get_message(self, fiscal_code: str, message_id: str) -> None:
        await self._io.get_message(fiscal_code, message_id, service=SERVICE)


class Campaign(SharedRateLimiter):
    """A campaign of 10,000 bulk messages waits, and an urgent one comes each second or so.

    `apart`: bulk messages have a queue of their own and give way. Otherwise all wait in one queue, and an
    urgent message takes its place at the end.
    """

    def __init__(self, claims: Table, io: IoAccount, *, apart: bool) -> None:
        super().__init__(claims, 0, io)
        self.seconds["urgent"] = []
        self._apart = apart
        self._bulk: deque[float] = deque([0.0] * WAITING)  # the times of their arrival; 0: bulk
        self._urgent: deque[float] = deque() if apart else self._bulk

    async def arrive(self) -> None:
        """Put an urgent message now and then."""
        while True:
            await asyncio.sleep(random.expovariate(URGENT_RATE))
            self._urgent.append(time.monotonic())

    async def take_urgent(self) -> None:
        """Check and send the urgent messages that have a queue of their own."""
        while True:
            if self._apart and self._urgent:
                await self._message(self._urgent.popleft())
            await asyncio.sleep(0.05)

    async def take_bulk(self) -> None:
        """Check and send what waits in the queue of the campaign."""
        while self._bulk:
            await self._message(self._bulk.popleft())

    def end(self) -> None:
        """Count the urgent messages that have not left by the time that they have waited."""
        self.seconds["urgent"] += [time.monotonic() - came for came in self._urgent if came]

    async def _message(self, came: float) -> None:
        first, then = (CHECK, SEND) if came or not self._apart else (BULK_CHECK, BULK_SEND)
        number = random.randrange(1000)
        message = NewMessage.model_validate({"fiscal_code": fiscal_code(number), "content": TEXT})
        profile = partial(self._io.get_profile, fiscal_code(number), service=SERVICE, priority=first)
        await self._timed("check", profile)
        await self._timed("send", lambda: self._send(message, then))
        if came:
            self.seconds["urgent"].append(time.monotonic() - came)

    async def _send(self, message: NewMessage, priority: Priority) -> str | None:
        async with self._io.permit_to_send(SERVICE, priority=priority) as permit:
            await self.claim()
            return await self._io.submit_message(message, service=SERVICE, permit=permit)


class Naive(Worker):
    """Calls without a permit.

    After a 429 it waits `wait` seconds before the same call again, or as long as the 429 asks if that is 0.
    """

    def __init__(self, claims: Table, client: IoClient, key: SecretStr, *, pause: float, wait: float) -> None:
        super().__init__(claims, 0)
        self._client = client
        self._key = key
        self._pause = pause
        self._wait = wait

    async def get_profile(self, fiscal_code: str) -> None:
        await self._until_taken(lambda: self._client.get_profile(fiscal_code, key=self._key))

    async def submit(self, message: NewMessage) -> str | None:
        await self.claim()
        message_id: str | None = await self._until_taken(
            lambda: self._client.submit_message(message, key=self._key)
        )
        return message_id

    async def _until_taken(self, call: Call) -> Any:
        while True:
            try:
                result = await call()
            except RateLimited as error:
                self.refused += 1
                await asyncio.sleep(self._wait or error.retry_after)
            else:
                await asyncio.sleep(self._pause)
                return result


async def work(strategy: str, polls: int) -> dict[str, Any]:
    """Work until SIGTERM, and return the figures."""
    configured = settings.load()
    service = configured.services[SERVICE]
    account = StorageAccount(configured)
    shared, claims = CountingTable(account.table(rate_limiter.TABLE)), account.table("claims")
    our_limiter = RateLimiter(shared, configured.io_rate_limit)
    client = IoClient(str(configured.io_api_base_url), observe=our_limiter.observe)
    concurrent = CONCURRENT
    match strategy:
        case "shared" | "urgent-apart" | "urgent-behind":
            keys = {SERVICE: Keys(service.key, service.secondary_key)}
            suspensions = SuspensionStore(shared, lambda: datetime.now(UTC))
            breakers = Breakers(shared, lambda: datetime.now(UTC))
            io = IoAccount(client, keys, rate_limiter=our_limiter, suspensions=suspensions, breakers=breakers)
            worker: Worker = SharedRateLimiter(claims, polls, io)
            if strategy != "shared":
                worker = Campaign(claims, io, apart=strategy == "urgent-apart")
        case "retry-after":
            worker = Naive(claims, client, service.key, pause=0, wait=0)
        case _:  # like IO's own bulk tool: one after another, 10 ms between calls, 5 s after a 429
            worker, concurrent = Naive(claims, client, service.key, pause=0.01, wait=5), 1
    await _until_terminated(worker, concurrent)
    await client.aclose()
    await account.aclose()
    return {"seconds": worker.seconds, "refused": worker.refused, "operations": shared.operations}


async def _until_terminated(worker: Worker, concurrent: int) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    loops = [worker.check, worker.send] * concurrent + [worker.poll] * CONCURRENCY
    if isinstance(worker, Campaign):
        loops = [worker.take_bulk, worker.take_urgent] * concurrent + [worker.arrive]
    tasks = [asyncio.create_task(loop()) for loop in loops]
    print("ready", flush=True)
    await stop.wait()
    for task in tasks:
        task.cancel()
    for task in tasks:
        with suppress(asyncio.CancelledError):
            await task
    if isinstance(worker, Campaign):
        worker.end()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.budget.worker")
    parser.add_argument(
        "strategy", choices=["shared", "retry-after", "fixed-sleep", "urgent-apart", "urgent-behind"]
    )
    parser.add_argument("--polls", type=int, default=0)
    arguments = parser.parse_args()
    print(json.dumps(asyncio.run(work(arguments.strategy, arguments.polls))), flush=True)


if __name__ == "__main__":
    main()
