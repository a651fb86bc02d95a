"""A whole Postino: real storage and hosts, a simulated IO, and the upstream system's and operators' acts."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from azure.core.exceptions import ResourceNotFoundError
from azure.core.pipeline.transport import AioHttpTransport
from azure.storage.queue.aio import QueueServiceClient
from cryptography.fernet import Fernet
from jsonschema import Draft202012Validator, FormatChecker

from local.azurite import Azurite
from poison.redrive import redrive
from settings import Settings
from storage import due_index, ledger
from storage.account import StorageAccount
from storage.cipher import Cipher
from storage.due_index import DueEntry, DueIndex
from storage.ledger import Entry
from storage.parked import ParkedMessage
from storage.queues import INPUT_QUEUES, MESSAGE_OUTCOMES, MESSAGE_REQUESTS, POISON_QUEUES
from storage.stores import Stores
from storage.table import Table
from tests.e2e.processes import PROJECT, ChildProcess, host_process, simulator_process
from tests.e2e.simulator_control import SimulatorControl

INNER_QUEUES = (*INPUT_QUEUES, *POISON_QUEUES)
LIMIT_SECONDS = 90
"""The limit only ends a test that would hang: a condition is seen within a fraction of a second."""

# The pause of host.json after a failure would only make the tests wait.
_HOST_OPTIONS = {"AzureFunctionsJobHost__extensions__queues__visibilityTimeout": "00:00:00"}
_PAGE = 32
_SCHEMA = json.loads((PROJECT / "docs/schemas/message-outcome.schema.json").read_text())
_OUTCOME = Draft202012Validator(_SCHEMA, format_checker=FormatChecker())


class World:
    """Running storage and IO, and the hosts that a test starts; `events` holds the outcomes taken so far."""

    def __init__(
        self,
        folder: Path,
        storage: Azurite,
        simulator: ChildProcess,
        environ: dict[str, str],
        code: Path | None = None,
    ) -> None:
        self.storage = storage
        self._code = code
        self.simulator = simulator
        self.io = SimulatorControl(environ["IO_API_BASE_URL"].removesuffix("/api/v1"))
        self.environ = environ
        self.hosts: list[ChildProcess] = []
        self.events: list[dict[str, Any]] = []
        self._folder = folder
        settings = Settings.model_validate(environ)
        account = StorageAccount(settings)
        cipher = Cipher(settings.encryption_keys)
        self.queues = QueueServiceClient.from_connection_string(
            storage.connection_string, transport=AioHttpTransport(use_env_settings=False)
        )
        self.ledger_table = account.table(ledger.TABLE)
        self.stores = Stores.on(account.table, account.queues(), cipher, lambda: datetime.now(UTC))
        self.due_table = account.table(due_index.TABLE)
        self.reminders_table = account.table(due_index.REMINDERS_TABLE)
        self._account = account

    async def aclose(self) -> None:
        for host in self.hosts:
            host.kill()
        await self.io.aclose()
        await self.queues.close()
        await self._account.aclose()

    # Actions

    async def start_hosts(self, count: int = 1, settings: Mapping[str, str] = {}) -> list[ChildProcess]:
        """Start this many more hosts and wait until they are ready; `settings` override the world's."""
        first = len(self.hosts) + 1
        names = [f"host-{number}" for number in range(first, first + count)]
        started = [
            host_process(name, self._folder, {**_HOST_OPTIONS, **self.environ, **settings}, self._code)
            for name in names
        ]
        self.hosts += started
        for host in started:
            await host.address()
        return started

    async def stop_hosts(self) -> None:
        """Send SIGTERM to the running hosts, which finish their work and exit with 0."""
        running = [host for host in self.hosts if host.exit_code is None]
        for host in running:
            host.terminate()
        for host in running:
            assert await host.end() == 0, host.output

    async def put(self, *requests: dict[str, Any]) -> None:
        """Put requests, as the upstream system does."""
        await self.put_text(*(json.dumps(request, ensure_ascii=False) for request in requests))

    async def put_text(self, *bodies: str, queue: str = MESSAGE_REQUESTS) -> None:
        """Put messages with any text."""
        client = self.queues.get_queue_client(queue)
        await asyncio.gather(*(client.send_message(body, time_to_live=-1) for body in bodies))

    async def redrive(self, *messages: ParkedMessage) -> None:
        """Redrive parked messages, as an operator does."""
        for message in messages:
            await redrive(message, self.stores)

    async def make_due(self) -> None:
        """Make all followed messages due now."""
        now = datetime.now(UTC)
        index = DueIndex(self.due_table, lambda: now)
        for entry in await self.due_entries():
            if entry.due_at > now:
                await index.put(entry.request_id, now)
                await index.remove(entry)

    # Observations

    async def until(
        self, condition: Callable[[], Awaitable[bool]], limit_seconds: float = LIMIT_SECONDS
    ) -> None:
        """Wait until the condition holds, taking outcomes meanwhile; a failure shows the world's state."""
        deadline = time.monotonic() + limit_seconds
        while True:
            began_at = time.monotonic()
            await self.take_outcomes()
            if await condition():
                return
            if time.monotonic() > deadline:
                raise AssertionError(f"it never happened; there is\n{await self.picture()}")
            # The check loads storage too, and the hosts need that more.
            await asyncio.sleep(max(0.5, 4 * (time.monotonic() - began_at)))

    async def until_gone(self, expected: dict[str, str]) -> None:
        """Wait until each named request has taken these steps (see `paths`), or more."""

        async def arrived() -> bool:
            paths = await self.paths()
            return all(paths.get(request_id, "").startswith(path) for request_id, path in expected.items())

        await self.until(arrived)
        await self.take_outcomes()

    async def until_parked(self, count: int) -> None:
        """Wait until this many messages are parked, the queues are empty and all outcomes are published."""

        async def parked() -> bool:
            return len(await self.all_parked()) >= count and await self.queues_are_empty()

        await self.until(parked)
        await self.take_outcomes()

    async def entries(self) -> dict[str, Entry]:
        """The ledger's entries, by request_id."""
        return {entry.request_id: entry async for entry in self.stores.ledger.entries()}

    async def due_entries(self) -> list[DueEntry]:
        """The rows of the due index, oldest first."""
        return await _rows(self.due_table)

    async def reminder_entries(self) -> list[DueEntry]:
        """The rows of the reminders' index, oldest first."""
        return await _rows(self.reminders_table)

    async def paths(self) -> dict[str, str]:
        """The steps of each request after REQUESTED, by request_id, such as "SENDING ACCEPTED"."""
        entries = await self.entries()
        return {name: " ".join(step["what"] for step in entry.history[1:]) for name, entry in entries.items()}

    async def states(self) -> Counter[str]:
        """The number of requests in each state."""
        return Counter(str(entry.state) for entry in (await self.entries()).values())

    async def all_parked(self) -> list[ParkedMessage]:
        """All parked messages."""
        return [message async for message in self.stores.parked.all()]

    async def depths(self) -> dict[str, int]:
        """The number of messages on each inner queue, hidden ones included."""
        return {queue: await self._depth(queue) for queue in INNER_QUEUES}

    async def poisoned(self) -> int:
        """The number of messages on the poison queues."""
        depths = await self.depths()
        return sum(depths[queue] for queue in POISON_QUEUES)

    async def queues_are_empty(self) -> bool:
        """Whether no message is left, visible or hidden."""
        for queue in INNER_QUEUES:
            if await self._depth(queue):
                return False
        return True

    async def visible(self, queue: str) -> bool:
        """Whether a message on the queue is visible now."""
        return bool(await self.queues.get_queue_client(queue).peek_messages())

    async def take_outcomes(self) -> None:
        """Take and validate every outcome, as the upstream system does."""
        client = self.queues.get_queue_client(MESSAGE_OUTCOMES)
        while messages := await self._page(client):
            for message in messages:
                event = json.loads(message.content)
                _OUTCOME.validate(event)
                self.events.append(event)
            await asyncio.gather(*(client.delete_message(message) for message in messages))

    def told(self) -> dict[str, list[str]]:
        """The outcomes of each request_id (or parked_id, without one), without repeated deliveries."""
        told: dict[str, list[str]] = {}
        for event in {event["id"]: event for event in self.events}.values():
            data = event["data"]
            told.setdefault(data.get("request_id") or data["parked_id"], []).append(data["state"])
        return told

    async def picture(self) -> str:
        """The world's state, for the message of a failing test."""
        unfinished = {name: path for name, path in (await self.paths()).items() if "ACCEPTED" not in path}
        lines = {
            "states": dict(await self.states()),
            "not accepted": dict(list(unfinished.items())[:20]),
            "queues": await self.depths(),
            "parked": [(message.parked_id, message.reason) for message in await self.all_parked()][:20],
            "outcomes": dict(Counter(event["data"]["state"] for event in self.events)),
            "calls to IO": await self.io.calls(),
            **{host.name: f"exit code {host.exit_code}\n{host.output[-3000:]}" for host in self.hosts},
        }
        return "\n".join(f"{name}: {value}" for name, value in lines.items())

    async def _depth(self, queue: str) -> int:
        try:
            properties = await self.queues.get_queue_client(queue).get_queue_properties()
        except ResourceNotFoundError:
            return 0
        return int(properties.approximate_message_count or 0)

    async def _page(self, client: Any) -> list[Any]:
        try:
            pages = client.receive_messages(messages_per_page=_PAGE).by_page()
            return [message async for message in await anext(pages)]
        except (ResourceNotFoundError, StopAsyncIteration):
            return []


async def _rows(index: Table) -> list[DueEntry]:
    rows = index.rows("PartitionKey lt @control", control="control")
    return [DueEntry(row.partition, row.key) async for row in rows]


@asynccontextmanager
async def running_world(folder: Path, storage: Azurite, code: Path | None = None) -> AsyncIterator[World]:
    """Run a world with storage and IO, whose processes write below `folder`, within the block.

    The hosts run the code of another checkout if `code` is one.
    """
    with simulator_process(folder) as simulator, storage:
        environ = {
            "AzureWebJobsStorage": storage.connection_string,
            "ENCRYPTION_KEYS": new_key(),
            "IO_API_BASE_URL": await simulator.address(),
            "IO_API_KEY": "simulator-key",
            "CHECK_STATUS_SCHEDULE": "* * * * * *",
        }
        async with aclosing(World(folder, storage, simulator, environ, code)) as world:
            yield world


def new_key() -> str:
    """A key for ENCRYPTION_KEYS."""
    return Fernet.generate_key().decode()
