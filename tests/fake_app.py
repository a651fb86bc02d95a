"""FakeApp: the product's own parts over the fakes, and the methods that drive a message through them."""

import json
from collections.abc import Awaitable, Callable, Iterator
from datetime import timedelta
from functools import partial
from typing import Any

from pydantic import SecretStr

from check_status.follow import follow_due
from check_status.settle import settle_payment
from context import Context
from contract.reminders import ReminderPolicy
from expire.expire import expire
from follow_subscriptions.follow_subscriptions import follow_subscriptions
from poison.park import park
from reminders.remind import remind_due
from rotate_keys.rotate_keys import rotate_keys
from send_message.check_recipient import check_recipient
from send_message.send_message import send_message
from storage.cipher import Cipher
from storage.due_index import DueEntry
from storage.index_key import IndexKey
from storage.key_checks import KeyChecks
from storage.ledger import Entry, entry_of
from storage.periods import DEFAULT, Periods
from storage.queues import (
    MESSAGE_OUTCOMES,
    MESSAGE_REQUESTS,
    MESSAGE_REQUESTS_BULK,
    MESSAGE_SENDS,
    MESSAGE_SENDS_BULK,
    REQUEST_QUEUES,
    SEND_QUEUES,
    poison,
)
from storage.readiness import Readiness
from storage.stores import Stores
from storage.table import Table
from tests.fakes import Died, FakeClock, FakeDocuments, FakeIo, FakeQueues, FakeTable, QueuedMessage, Steps
from tests.samples import FORMER_KEY, INDEX_KEY, KEYS, a_body, a_cipher

MAX_DEQUEUE_COUNT = 5
CONFIGURATION_ID = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
LEASE_OF_THE_PLATFORM = timedelta(minutes=10)


class FakeApp:
    """The product's own parts over the fakes, with the methods that drive a message through them.

    A test may replace `io`, `policies`, `most_per_day`, `retention`, `feed_services` and what concerns
    documents.
    """

    def __init__(self, *, periods: Periods = DEFAULT) -> None:
        self.clock = self.storage_clock = FakeClock()
        self.steps = Steps()
        self.io = FakeIo(steps=self.steps)
        self.queues = FakeQueues(self.clock, self.steps)
        self.tables: dict[str, FakeTable] = {}
        # An account that was used before there was an index key: its older rows are under another hash.
        self.cipher = a_cipher(KEYS, (INDEX_KEY, FORMER_KEY))
        self.policies: dict[str, ReminderPolicy] = {}
        self.most_per_day = 2
        self.documents = FakeDocuments(self.steps)
        self.serves_documents = True
        self.configuration_ids = {"default": CONFIGURATION_ID}
        self.feed_services: tuple[str, ...] = ("default",)
        self._periods = periods
        self._start()

    async def restart(self, *keys: SecretStr) -> None:
        """Stop every host, and start with this keyring. Raises NotReady."""
        self.cipher = Cipher(keys)
        table = self._table("keys")
        await Readiness(
            {"keys": table}, KeyChecks(table, self.cipher), IndexKey(table, self.cipher, [])
        ).check()
        self._start()

    def _start(self) -> None:
        stores = Stores.on(self._table, self.queues, self.cipher, self.clock, periods=self._periods)
        self.stores = stores
        self.ledger, self.parked, self.notices = stores.ledger, stores.parked, stores.notices
        self.campaigns, self.days = stores.campaigns, stores.reminder_days
        self.due_index, self.reminder_index = stores.due_index, stores.reminder_index
        self.outcomes, self.dispatcher = stores.outcomes, stores.dispatcher
        self.remote_contents, self.retention = stores.remote_contents, stores.retention
        self.ledger_table, self.due_table = self.tables["ledger"], self.tables["due"]
        self.parked_table, self.notices_table = self.tables["parked"], self.tables["notices"]
        self.reminders_table = self.tables["reminders"]
        self.contents_table, self.ends_table = self.tables["remotecontents"], self.tables["ends"]
        self.subscriptions, self.feed_table = stores.subscriptions, self.tables["subscriptions"]

    def _table(self, name: str) -> Table:
        table = FakeTable(name, self.steps, lambda: self.storage_clock())
        return self.tables.setdefault(name, table)

    @property
    def context(self) -> Context:
        """The context that the functions get."""
        return Context(
            **{**vars(self.stores), "retention": self.retention},
            io=self.io,
            policies=self.policies,
            most_per_day=self.most_per_day,
            documents=self.documents if self.serves_documents else None,
            configuration_ids=self.configuration_ids,
            feed_services=self.feed_services,
        )

    async def check(self, body: str, *, redelivered: bool = False, queue: str = MESSAGE_REQUESTS) -> None:
        """Deliver a body of a queue of requests."""
        await check_recipient(body, self.context, redelivered=redelivered, queue=queue)

    async def send(self, body: str, *, redelivered: bool = False, queue: str = MESSAGE_SENDS) -> None:
        """Deliver a body of a queue of sends."""
        await send_message(body, self.context, redelivered=redelivered, queue=queue)

    async def remind(self) -> None:
        """Run one tick of the reminder timer."""
        await remind_due(self.context)

    async def follow(self) -> None:
        """Run one tick of the status timer."""
        await follow_due(self.context)

    async def expire(self) -> None:
        """Run one tick of the timer of retention."""
        await expire(self.context)

    async def follow_subscriptions(self) -> None:
        """Run one tick of the timer of the subscriptions feed."""
        await follow_subscriptions(self.context)

    async def rotate_keys(self) -> None:
        """Run one tick of the timer that rotates keys."""
        await rotate_keys(self.stores)

    async def settle(self, body: str) -> None:
        """Deliver a body of message-settled."""
        await settle_payment(body, self.stores)

    async def park(self, body: str, queue: str = MESSAGE_REQUESTS) -> None:
        """Deliver a body of the poison queue of `queue`."""
        await park(body, queue, self.context)

    async def run(self) -> None:
        """Deliver until the queues are empty, as the platform does.

        The clock jumps to the time at which the next message is visible.
        """
        functions: dict[str, Callable[..., Awaitable[None]]] = {
            MESSAGE_REQUESTS: self.check,
            MESSAGE_SENDS: self.send,
            MESSAGE_REQUESTS_BULK: partial(self.check, queue=MESSAGE_REQUESTS_BULK),
            MESSAGE_SENDS_BULK: partial(self.send, queue=MESSAGE_SENDS_BULK),
        }
        for queue in (*REQUEST_QUEUES, *SEND_QUEUES):
            functions[poison(queue)] = partial(self._park, queue=queue)
        while waiting := [(queue, m) for queue in functions for m in self.queues.messages.get(queue, [])]:
            queue, message = min(waiting, key=lambda item: item[1].visible_at)
            self.clock.now = max(self.clock.now, message.visible_at)
            self.queues.messages[queue].remove(message)
            message.deliveries += 1
            try:
                await functions[queue](message.body, redelivered=message.deliveries > 1)
            except (Exception, Died):  # noqa: BLE001 - the platform takes any failure of a function
                self._comes_back(queue, message)

    def _comes_back(self, queue: str, message: QueuedMessage) -> None:
        if message.deliveries >= MAX_DEQUEUE_COUNT and not queue.endswith("-poison"):
            message.deliveries, queue = 0, poison(queue)
        message.visible_at = self.clock() + LEASE_OF_THE_PLATFORM
        self.queues.messages.setdefault(queue, []).append(message)

    async def _park(self, body: str, *, redelivered: bool, queue: str) -> None:
        await self.park(body, queue)

    async def accepted(self, request_id: str = "r-1", **changes: Any) -> Entry:
        """Take a request through to IO's acceptance, and return its entry."""
        await self.check(a_body(request_id=request_id, **changes))
        for body in self.queues.take(MESSAGE_SENDS):
            await self.send(body)
        return self.entry(request_id)

    async def claim(self, entry: Entry) -> Entry:
        """Claim the request, as a worker does just before it sends."""
        return await self.ledger.commit(self.ledger.intent(entry))

    def entry(self, request_id: str = "r-1") -> Entry:
        """The ledger's entry of a request."""
        (row,) = (row for row in self.ledger_table.rows_by_key.values() if row.key == request_id)
        return entry_of(row)

    def reference(self, request_id: str = "r-1", **changes: Any) -> str:
        """A reference to a request with its present sequence."""
        sequence = self.entry(request_id).sequence
        return json.dumps({"reference": 1, "request_id": request_id, "sequence": sequence} | changes)

    def history(self, request_id: str = "r-1") -> list[str]:
        """The steps in a request's history."""
        (row,) = (row for row in self.ledger_table.rows_by_key.values() if row.key == request_id)
        return [line["what"] for line in json.loads(row.values["history"])]

    def events(self) -> list[dict[str, Any]]:
        """The published outcomes."""
        return [json.loads(body) for body in self.queues.bodies(MESSAGE_OUTCOMES)]

    def told(self) -> list[str]:
        """The ids of the published outcomes."""
        return [event["id"] for event in self.events()]

    def due(self) -> list[str]:
        """The keys of the due index."""
        return [due.key for due in self.due_entries()]

    def due_entries(self) -> list[DueEntry]:
        """The rows of the due index, oldest first, without the control row."""
        rows = sorted(at for at in self.due_table.rows_by_key if at[0] != "control")
        return [DueEntry(*at) for at in rows]

    def everything_kept(self) -> Iterator[tuple[str, str]]:
        """Every key and value in tables and queues, each with its place; poison queues are left out.

        Poison queues hold what the upstream system wrote, so they may contain personal data.
        """
        kept = (self.ledger_table, self.due_table, self.parked_table, self.notices_table, self.contents_table)
        for table in kept:
            for row in table.rows_by_key.values():
                yield f"keys of {table.name}", f"{row.partition} {row.key}"
                for column, value in row.values.items():
                    text = value.decode("latin-1") if isinstance(value, bytes) else str(value)
                    yield f"{table.name}.{column}", text
        for queue, messages in self.queues.messages.items():
            if queue not in (poison(MESSAGE_REQUESTS), poison(MESSAGE_SENDS)):
                yield from ((queue, message.body) for message in messages)
