"""Messages that cannot be decided are requeued, and the fault that prevents it is logged."""

import logging
from dataclasses import dataclass
from datetime import timedelta

import pytest
from cryptography.fernet import Fernet
from pydantic import SecretStr

from storage.cipher import Cipher, Undecipherable
from storage.index_key import IndexKey
from storage.intake import MARK, Intake, PutBack
from storage.key_checks import KeyChecks
from storage.queues import LONGEST_BODY, MESSAGE_REQUESTS, poison
from storage.readiness import LONGEST_WAIT, LONGEST_WAIT_AT_FIRST, RECHECK_SECONDS, Fault, Readiness
from storage.table import Unanswered
from tests.fakes import FakeClock, FakeQueues, FakeTable, Steps
from tests.samples import KEYS

REFUSED = Unanswered("", 403)


def new_key() -> SecretStr:
    return SecretStr(Fernet.generate_key().decode())


@dataclass
class Message:
    """A message as the platform passes it to a function."""

    body: str
    dequeue_count: int | None = 1

    def get_body(self) -> bytes:
        return self.body.encode()


class Process:
    """A process of the app with this keyring; the stores outlive it."""

    def __init__(self, stores: "Stores", keys: list[SecretStr]) -> None:
        tables = {"ledger": stores.ledger, "parked": stores.parked}
        self.cipher = Cipher(keys)
        self.readiness = Readiness(
            tables,
            KeyChecks(stores.keys, self.cipher),
            IndexKey(stores.keys, self.cipher, [stores.ledger]),
            prepare=self._prepare,
            monotonic=lambda: stores.clock().timestamp(),
        )
        self.intake = Intake(self.readiness, stores.queues)
        self.taken: list[tuple[str, bool]] = []
        self.fails: list[Exception] = []
        self.prepared_after: list[int] = []

    async def take(self, body: str, queue: str = MESSAGE_REQUESTS, dequeue_count: int = 1) -> None:
        await self.intake.take("a_function", queue, Message(body, dequeue_count), self._handle)

    async def _prepare(self) -> None:
        self.prepared_after.append(len(self.taken))

    async def _handle(self, body: str, redelivered: bool) -> None:
        if self.fails:
            raise self.fails.pop(0)
        self.taken.append((body, redelivered))


class Stores:
    """The storage that outlives a process, and the clock."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.steps = Steps()
        self.ledger, self.parked = FakeTable("ledger", self.steps), FakeTable("parked", self.steps)
        self.keys = FakeTable("keys", self.steps)
        self.queues = FakeQueues(self.clock, Steps())

    def process(self, *keys: SecretStr) -> Process:
        return Process(self, list(keys or KEYS))

    def delays(self, queue: str = MESSAGE_REQUESTS) -> list[timedelta]:
        return [message.delay for message in self.queues.messages.get(queue, [])]


@pytest.fixture
def stores() -> Stores:
    return Stores()


async def test_message_is_handled(stores: Stores) -> None:
    """A ready process passes the body to its handler, and checks storage only once."""
    process = stores.process()
    for dequeue_count in (1, 2):
        await process.take("{}", dequeue_count=dequeue_count)
    assert process.taken == [("{}", False), ("{}", True)]
    assert sorted(stores.steps.done) == [
        *["keys.get"] * 3, *["keys.insert"] * 2, "keys.rows",
        "ledger.delete", "ledger.get", "ledger.rows", "parked.delete", "parked.get",
    ]  # fmt: skip


async def test_process_prepares_before_its_first_message(stores: Stores) -> None:
    """A new process prepares once, together with its proof, and handles no message before."""
    process = stores.process()
    for _ in range(2):
        await process.take("{}")
    assert process.prepared_after == [0]


async def test_process_that_is_not_ready_prepares_again(stores: Stores) -> None:
    """Preparing belongs to each proof, so a process prepares again when storage did not answer."""
    process = stores.process()
    stores.steps.fail_before(REFUSED)
    for _ in range(2):
        await process.take("{}")
        stores.clock.advance(seconds=RECHECK_SECONDS + 1)
    assert process.prepared_after == [0, 0]


async def test_table_that_refuses(stores: Stores, caplog: pytest.LogCaptureFixture) -> None:
    """While a table answers 403 every message is requeued; the table and remedy are logged each minute."""
    process = stores.process()
    for minute in range(2):
        for _ in range(10):
            stores.steps.fail_before(REFUSED)  # the first table refuses; the others answer
            await process.take("{}")
            stores.clock.advance(seconds=RECHECK_SECONDS + 1)
        assert [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR] == [
            "no message is taken: table ledger refuses the app; "
            "grant its identity the role Storage Table Data Contributor"
        ] * (minute + 1)
    assert process.taken == []
    assert stores.queues.bodies(MESSAGE_REQUESTS) == [f"{MARK}{{}}"] * 20
    assert all(timedelta(seconds=2) <= delay <= timedelta(minutes=1) for delay in stores.delays())


async def test_table_that_may_only_be_read(stores: Stores) -> None:
    """A role that allows reading but not writing a table keeps messages on their queue too."""
    stores.steps.fail_before(REFUSED, skip=2)  # each table is read, then written
    await stores.process().take("{}")
    assert stores.queues.bodies(MESSAGE_REQUESTS) == [f"{MARK}{{}}"]


async def test_goes_on_when_the_role_is_granted(stores: Stores, caplog: pytest.LogCaptureFixture) -> None:
    """Once the table accepts writes the next message is handled as a redelivered one, without a restart."""
    process = stores.process()
    stores.steps.fail_before(REFUSED)
    await process.take("{}")
    stores.clock.advance(seconds=RECHECK_SECONDS)
    (back,) = stores.queues.bodies(MESSAGE_REQUESTS)
    await process.take(back)
    assert process.taken == [("{}", True)]
    assert "messages are taken again after 5 s" in caplog.messages


async def test_storage_that_fails_in_the_middle(stores: Stores) -> None:
    """A message whose handling fails for storage is requeued each time, and is handled in the end."""
    process = stores.process()
    process.fails = [Unanswered(), REFUSED, Unanswered()]
    for _ in range(3):
        await process.take("{}")
    assert len(stores.delays()) == 3
    await process.take(stores.queues.bodies(MESSAGE_REQUESTS)[-1])
    assert process.taken == [("{}", True)]


async def test_what_storage_was_not_told_goes_back(stores: Stores) -> None:
    """A function whose result storage rejects has the result requeued in the body."""
    process = stores.process()
    process.fails = [PutBack("what was done")]
    await process.take("a body")
    assert stores.queues.bodies(MESSAGE_REQUESTS) == [MARK + "what was done"]


async def test_body_comes_back_as_it_was(stores: Stores) -> None:
    """A body that is requeued several times stays the same, with one mark."""
    process, body = stores.process(), '\n {"a": 1}'
    for _ in range(3):
        process.fails = [Unanswered()]
        await process.take(body)
        stores.clock.advance(seconds=60)
        (body,) = stores.queues.take(MESSAGE_REQUESTS)
    assert body == f'{MARK}\n {{"a": 1}}'


async def test_body_without_room_for_the_mark_goes_back_too(stores: Stores) -> None:
    """A body of the maximum length is requeued without the mark."""
    process, body = stores.process(), "x" * LONGEST_BODY
    process.fails = [Unanswered()]
    await process.take(body)
    assert stores.queues.bodies(MESSAGE_REQUESTS) == [body]


async def test_key_that_was_replaced(stores: Stores, caplog: pytest.LogCaptureFixture) -> None:
    """A process whose keyring lacks a key that sealed rows takes no message, and logs the key's name."""
    await stores.process().take("{}")
    before, name = dict(stores.keys.rows_by_key), stores.process().cipher.first_name
    process = stores.process(new_key())
    await process.take("{}")
    assert process.taken == []
    lacks = f"ENCRYPTION_KEYS lacks key {name}, which has sealed rows; put it back at the end"
    assert f"no message is taken: {lacks}" in caplog.messages
    assert stores.keys.rows_by_key == before, "a keyring that is not whole seals nothing"


async def test_key_that_was_added(stores: Stores) -> None:
    """With the old key after the new one messages are handled, and from then on the ring needs both."""
    await stores.process().take("{}")
    added = new_key()
    process = stores.process(added, *KEYS)
    await process.take("{}")
    assert process.taken == [("{}", False)]
    faults = await stores.process(added).readiness.faults()
    assert [fault.kind for fault in faults] == ["missing_key"]


async def test_key_that_another_process_has_already(stores: Stores) -> None:
    """While a new key is rolled out, a process without it requeues the messages that it cannot decrypt."""
    behind = stores.process()
    await behind.take("{}")
    await stores.process(new_key(), *KEYS).take("{}")
    behind.fails = [Undecipherable()]
    await behind.take("{}")
    assert len(stores.delays()) == 1


async def test_damaged_row_is_its_own_fault(stores: Stores) -> None:
    """A row that no key of a whole keyring opens is a permanent fault, so the error is raised."""
    process = stores.process()
    process.fails = [Undecipherable()]
    with pytest.raises(Undecipherable):
        await process.take("{}")
    assert stores.delays() == []


@pytest.mark.parametrize("error", [Unanswered(), Undecipherable(), ValueError("of our own")])
async def test_nothing_on_a_poison_queue_is_lost(stores: Stores, error: Exception) -> None:
    """Whichever error prevents the parking of a message, a copy of it stays on the poison queue."""
    process = stores.process()
    process.fails = [error]
    await process.take("{}", poison(MESSAGE_REQUESTS), dequeue_count=4)
    assert stores.queues.bodies(poison(MESSAGE_REQUESTS)) == [f"{MARK}{{}}"]


async def test_fault_of_our_own_is_raised(stores: Stores) -> None:
    """An error of neither storage nor the keyring is raised, so the platform counts the delivery."""
    process = stores.process()
    process.fails = [ValueError("of our own")]
    with pytest.raises(ValueError, match="of our own"):
        await process.take("{}")


async def test_the_older_the_fault_the_longer_messages_wait(stores: Stores) -> None:
    """A message's wait grows with the fault's age: seconds, then up to a minute, after an hour up to five."""
    process = stores.process()
    process.readiness.recheck()
    waits = []
    for seconds in (0, 40, 1800, 3600):
        stores.clock.advance(seconds=seconds)
        waits.append(max(process.readiness.wait().total_seconds() for _ in range(200)))
    assert waits == pytest.approx([5, 20, LONGEST_WAIT_AT_FIRST, LONGEST_WAIT], rel=0.05)


async def test_fault_is_one_of_storage_or_of_its_rights(stores: Stores) -> None:
    """A table that does not answer and a table that refuses are different faults."""
    stores.steps.fail_before(Unanswered())
    faults = await stores.process().readiness.faults()
    assert faults == [Fault("unanswered", "ledger")]
