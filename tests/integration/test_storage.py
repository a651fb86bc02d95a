"""Tables and queues on a real emulator, and the fakes held to the same behaviour."""

import asyncio
import json
import socket
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from azure.data.tables.aio import TableServiceClient
from azure.storage.queue.aio import QueueServiceClient

from contract.violations import Violation
from local.azurite import Azurite, connection_string
from settings import Settings
from storage.account import StorageAccount
from storage.cipher import PROPERTY_BYTES
from storage.due_index import MARGIN, DueIndex, Lease, LeaseLost
from storage.ledger import IllegalStep, Ledger, LostRace, State, Step
from storage.outcomes import Outcomes
from storage.parked import Parked, ParkedMessage
from storage.queues import MESSAGE_OUTCOMES, Queues
from storage.table import MOST_AT_ONCE, AlreadyThere, Changed, Row, Table, Unanswered
from storage.table_service import Access, TableService
from tests.fakes import FakeClock, FakeQueues, FakeTable
from tests.samples import KEYS, a_body, a_cipher, a_request, payment
from tests.sdk_table import SdkTableClient

NOW = datetime(2026, 11, 24, 9, 0, 0, 123456, tzinfo=UTC)


def _settings(connection: str) -> Settings:
    keys = ",".join(key.get_secret_value() for key in KEYS)
    values = {"AzureWebJobsStorage": connection, "IO_API_KEY": "a", "ENCRYPTION_KEYS": keys}
    return Settings.model_validate(values)


@pytest.fixture
async def account(azurite: Azurite) -> AsyncIterator[StorageAccount]:
    account = StorageAccount(_settings(azurite.connection_string))
    yield account
    await account.aclose()


def _new_name() -> str:
    return f"t{uuid.uuid4().hex[:12]}"


@pytest.fixture(params=["fake", "real", "sdk"])
async def table(request: pytest.FixtureRequest, azurite: Azurite) -> AsyncIterator[Table]:
    """A table that does not exist yet: the fake, ours, and ours over the client of Azure's SDK."""
    if request.param == "fake":
        yield FakeTable()
    elif request.param == "sdk":
        async with TableServiceClient.from_connection_string(azurite.connection_string) as client:
            yield Table(SdkTableClient(client.get_table_client(_new_name())))
    else:
        account = StorageAccount(_settings(azurite.connection_string))
        yield account.table(_new_name())
        await account.aclose()


async def _keys(rows: AsyncIterator[Row]) -> list[tuple[str, str]]:
    return [(row.partition, row.key) async for row in rows]


async def _read(table: Table, partition: str = "p", key: str = "k") -> Row:
    row = await table.get(partition, key)
    assert row is not None
    return row


async def test_table_that_is_missing_is_empty(table: Table) -> None:
    """Before the first write a table is empty, and a read or a delete does not fail."""
    assert await table.get("p", "k") is None
    assert await _keys(table.rows("")) == []
    assert await _keys(table.rows("RowKey eq @key", key="k")) == []
    await table.delete("p", "k")
    with pytest.raises(Changed):
        await table.replace(Row("p", "k", {}, 'W/"1"'), {})


async def test_inserted_row_is_read_as_it_was_written(table: Table) -> None:
    """Every kind of value reads back equal, under the ETag that the insert returned."""
    values = {
        "text": "è una <riga> & 'altra'\n\u2028😀",
        "empty": "",
        "number": 2**31 - 1,
        "yes": True,
        "no": False,
        "at": NOW,
        "bytes": bytes(range(256)),
        "none": b"",
    }
    etag = await table.insert("p", "a:b.c_d-E", values)
    row = await _read(table, "p", "a:b.c_d-E")
    assert row == Row("p", "a:b.c_d-E", values, etag)
    assert {name: type(value) for name, value in values.items() if name not in ("at",)} == {
        name: type(value) for name, value in row.values.items() if name != "at"
    }


async def test_row_is_inserted_once(table: Table) -> None:
    """A second insert is refused, and the first row stays."""
    await table.insert("p", "k", {"value": 1})
    with pytest.raises(AlreadyThere):
        await table.insert("p", "k", {"value": 2})
    assert (await _read(table)).values == {"value": 1}


async def test_row_is_replaced_only_as_it_was_read(table: Table) -> None:
    """A replacement with a stale ETag is refused, and a replaced row keeps no old column."""
    await table.insert("p", "k", {"old": 1, "value": 1})
    read = await _read(table)
    etag = await table.replace(read, {"value": 2})
    with pytest.raises(Changed):
        await table.replace(read, {"value": 3})
    assert await _read(table) == Row("p", "k", {"value": 2}, etag)
    await table.replace(replace(read, etag=etag), {"value": 4})
    assert (await _read(table)).values == {"value": 4}


async def test_row_that_went_away_is_not_replaced(table: Table) -> None:
    """A row that was removed cannot be replaced."""
    await table.insert("p", "k", {"value": 1})
    read = await _read(table)
    await table.delete("p", "k")
    with pytest.raises(Changed):
        await table.replace(read, {"value": 2})
    assert await table.get("p", "k") is None


async def test_upsert_writes_whatever_was_there(table: Table) -> None:
    """An upsert creates the row or replaces all of it, and makes an earlier ETag stale."""
    await table.upsert("p", "k", {"old": 1})
    read = await _read(table)
    await table.upsert("p", "k", {"value": 2})
    assert (await _read(table)).values == {"value": 2}
    with pytest.raises(Changed):
        await table.replace(read, {"value": 3})


async def test_rows_of_a_partition_are_written_at_once(table: Table) -> None:
    """A hundred rows are inserted or replaced by one call, in a table that may be missing."""
    await table.upsert_all("p", {f"k{number:02}": {"number": number, "old": True} for number in range(100)})
    await table.upsert_all("p", {"k00": {"number": -1}, "è 'k'": {"number": 100, "yes": True}})
    rows = {row.key: row.values async for row in table.rows("PartitionKey eq @p", p="p")}
    assert len(rows) == 101
    assert (rows["k00"], rows["è 'k'"]) == ({"number": -1}, {"number": 100, "yes": True})
    assert rows["k99"] == {"number": 99, "old": True}


async def test_too_many_rows_at_once_are_not_written(table: Table) -> None:
    """A batch of more rows than Table storage takes fails as a whole."""
    await table.insert("p", "k", {})
    with pytest.raises(Unanswered):
        await table.upsert_all("p", {f"k{number}": {} for number in range(MOST_AT_ONCE + 1)})
    assert await _keys(table.rows("")) == [("p", "k")]


async def test_merge_keeps_the_other_columns(table: Table) -> None:
    """A merge creates the row or writes only its own columns, and makes an earlier ETag stale."""
    await table.merge("p", "k", {"kept": "a", "value": 1})
    read = await _read(table)
    etag = await table.merge("p", "k", {"value": 2, "at": NOW})
    assert await _read(table) == Row("p", "k", {"kept": "a", "value": 2, "at": NOW}, etag)
    with pytest.raises(Changed):
        await table.replace(read, {"value": 3})
    with pytest.raises(AlreadyThere):
        await table.insert("p", "k", {"value": 3})


async def test_many_merges_of_one_row_keep_all_columns(table: Table) -> None:
    """Merges of different columns at the same moment all count, on a new table too."""
    await asyncio.gather(*(table.merge("p", "k", {f"column{number}": number}) for number in range(8)))
    assert (await _read(table)).values == {f"column{number}": number for number in range(8)}


async def test_row_without_values_is_a_row(table: Table) -> None:
    """A row may have keys only, as in the due index."""
    await table.upsert("p", "k", {})
    assert (await _read(table)).values == {}
    assert await _keys(table.rows("")) == [("p", "k")]


async def test_delete_twice_does_no_harm(table: Table) -> None:
    """A second delete does not fail, and other rows stay."""
    await table.insert("p", "k", {})
    await table.insert("p", "other", {})
    await table.delete("p", "k")
    await table.delete("p", "k")
    assert await _keys(table.rows("")) == [("p", "other")]


@pytest.mark.parametrize(
    ("condition", "parameters", "found"),
    [
        ("", {}, ["a1", "a2", "b1", "b2", "b3"]),
        ("RowKey eq @key", {"key": "1"}, ["a1", "b1"]),
        ("PartitionKey lt @partition", {"partition": "b"}, ["a1", "a2"]),
        ("PartitionKey ge @since and PartitionKey lt @until", {"since": "0", "until": "b"}, ["a1", "a2"]),
        (
            "PartitionKey ge @since and PartitionKey lt @until",
            {"since": "b", "until": "c"},
            ["b1", "b2", "b3"],
        ),
        ("colour eq @colour", {"colour": "it's red"}, ["a2", "b3"]),
        ("RowKey eq @id or colour eq @id", {"id": "it's red"}, ["a2", "b3"]),
        ("colour eq @colour", {"colour": "blue"}, []),
    ],
)
async def test_rows_that_meet_a_condition_come_in_order(
    table: Table, condition: str, parameters: dict[str, str], found: list[str]
) -> None:
    """Each condition in use finds its rows, in order of their keys; a row without the column is not found."""
    for partition, key in ("b3", "a2", "b1", "a1", "b2"):
        red = partition + key in ("a2", "b3")
        await table.insert(partition, key, {"colour": "it's red"} if red else {})
    rows = [partition + key for partition, key in await _keys(table.rows(condition, **parameters))]
    assert rows == found


async def test_rows_hold_only_the_columns_asked_for(table: Table) -> None:
    """A scan of some columns returns no others, and a missing column is absent or None."""
    await table.insert("p", "1", {"state": "READ", "body0": b"long"})
    await table.insert("p", "2", {"body0": b"long"})
    rows = [row async for row in table.rows("", columns=["state"])]
    assert [(row.key, row.values.get("state"), "body0" in row.values) for row in rows] == [
        ("1", "READ", False),
        ("2", None, False),
    ]


async def test_more_rows_than_a_page_are_all_found(table: Table) -> None:
    """A scan returns all rows beyond the service's page of 1,000."""
    for start in range(0, 1_050, 50):
        await table.upsert_all("p", {f"{key:04}": {} for key in range(start, start + 50)})
    assert [key for _, key in await _keys(table.rows(""))] == [f"{key:04}" for key in range(1_050)]


async def test_property_holds_64_kib_and_no_more(table: Table) -> None:
    """PROPERTY_BYTES, by which sealed bodies are split, is the service's own limit."""
    await table.insert("p", "k", {"body0": b"x" * PROPERTY_BYTES, "body1": b"y" * PROPERTY_BYTES})
    assert {name: len(value) for name, value in (await _read(table)).values.items()} == {
        "body0": 65_536,
        "body1": 65_536,
    }
    with pytest.raises(Unanswered):
        await table.insert("p", "longer", {"body0": b"x" * (PROPERTY_BYTES + 1)})


async def test_table_first_missed_by_many_is_created_once(table: Table) -> None:
    """Workers that miss a table at the same moment all write their rows."""
    await asyncio.gather(*(table.insert("p", str(number), {}) for number in range(8)))
    assert len(await _keys(table.rows(""))) == 8


async def test_upserts_create_the_table_too(table: Table) -> None:
    """Upserts to a missing table all succeed too."""
    await asyncio.gather(*(table.upsert("p", str(number), {}) for number in range(8)))
    assert len(await _keys(table.rows(""))) == 8


async def test_only_one_of_many_inserts_wins(table: Table) -> None:
    """Of many inserts of one row exactly one succeeds, on a new table too."""
    results = await asyncio.gather(
        *(table.insert("p", "k", {"value": number}) for number in range(8)), return_exceptions=True
    )
    (won,) = [number for number, result in enumerate(results) if isinstance(result, str)]
    assert [type(result) for result in results].count(AlreadyThere) == 7
    assert (await _read(table)).values == {"value": won}


async def test_only_one_of_many_replacements_wins(table: Table) -> None:
    """Of many replacements of one row exactly one succeeds."""
    await table.insert("p", "k", {})
    read = await _read(table)
    results = await asyncio.gather(
        *(table.replace(read, {"value": number}) for number in range(8)), return_exceptions=True
    )
    (won,) = [number for number, result in enumerate(results) if isinstance(result, str)]
    assert [type(result) for result in results].count(Changed) == 7
    assert (await _read(table)).values == {"value": won}


@pytest.fixture
def nowhere() -> str:
    """The connection string of a storage account that does not answer."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    return connection_string((port, port, port))


async def test_storage_that_is_away_is_unanswered(nowhere: str) -> None:
    """Each table operation on a storage account that does not answer raises Unanswered."""
    async with aclosing(TableService(Access.of(nowhere), attempts=1)) as service:
        table = Table(service.get_table_client("away"))
        operations: list[Callable[[], Any]] = [
            lambda: table.get("p", "k"),
            lambda: table.insert("p", "k", {}),
            lambda: table.replace(Row("p", "k", {}, 'W/"1"'), {}),
            lambda: table.upsert("p", "k", {}),
            lambda: table.merge("p", "k", {}),
            lambda: table.delete("p", "k"),
            lambda: _keys(table.rows("")),
        ]
        for operation in operations:
            with pytest.raises(Unanswered, match="ServiceRequestError"):
                await operation()


async def test_queue_that_is_away_is_unanswered(nowhere: str) -> None:
    """Each queue operation on a storage account that does not answer raises Unanswered."""
    async with QueueServiceClient.from_connection_string(nowhere, retry_total=0) as client:
        with pytest.raises(Unanswered):
            await Queues(client).put("away", "body")
        with pytest.raises(Unanswered):
            await Queues(client).depth("away")


class Received:
    """Queues, and the bodies that a listener would receive from them now."""

    def __init__(self, queues: Queues, receive: Callable[[str], Any]) -> None:
        self.queues = queues
        self.receive = receive


@pytest.fixture(params=["fake", "real"])
async def received(request: pytest.FixtureRequest) -> AsyncIterator[Received]:
    if request.param == "fake":
        fake = FakeQueues(FakeClock())

        async def take(queue: str) -> list[str]:
            return fake.take(queue)

        yield Received(fake, take)
        return
    azurite: Azurite = request.getfixturevalue("azurite")
    async with QueueServiceClient.from_connection_string(azurite.connection_string) as client:

        async def receive(queue: str) -> list[str]:
            return [message.content async for message in client.get_queue_client(queue).receive_messages()]

        yield Received(Queues(client), receive)


@pytest.mark.parametrize("body", ["plain", '{"a": "è <b> & \\"c\\" 😀"}', "x" * 65_536, " spaces \n"])
async def test_message_is_received_as_it_was_put(received: Received, queue_name: str, body: str) -> None:
    """A body of up to 64 KiB arrives unchanged, even on a queue that did not exist."""
    await received.queues.put(queue_name, body)
    assert await received.receive(queue_name) == [body]


async def test_queue_is_sifted(received: Received, queue_name: str) -> None:
    """The unwanted bodies of a long queue go and are returned; the others are visible again at once."""
    for number in range(40):
        await received.queues.put(queue_name, f"{number} {'a' if number % 4 else 'b'}")
    await received.queues.put(queue_name, "hidden b", delay=timedelta(minutes=5))
    removed, hidden = await received.queues.sift(queue_name, lambda body: body.endswith("b"))
    assert (sorted(removed), hidden) == (sorted(f"{number} b" for number in range(0, 40, 4)), 1)
    left = {body for _ in range(30) for body in await received.receive(queue_name)}
    assert left == {f"{number} a" for number in range(40) if number % 4}


async def test_missing_queue_has_nothing_to_sift(received: Received, queue_name: str) -> None:
    """A queue that does not exist holds nothing unwanted."""
    assert await received.queues.sift(queue_name, lambda _: True) == ([], 0)


async def test_what_xml_cannot_carry_is_put_all_the_same(
    account: StorageAccount, azurite: Azurite, queue_name: str
) -> None:
    """A text with characters that a queue refuses is put with JSON escapes, and reads back unchanged."""
    odd = "".join(map(chr, [*range(32), 0x7F, 0x85, 0xFDD0, 0xFFFE, 0xFFFF, 0x1F600, 0x1FFFE]))
    await account.queues().put(queue_name, json.dumps({"text": odd}, ensure_ascii=False))
    async with QueueServiceClient.from_connection_string(azurite.connection_string) as client:
        (message,) = [one async for one in client.get_queue_client(queue_name).receive_messages()]
    assert json.loads(message.content) == {"text": odd}


async def test_delayed_message_is_not_seen_before_its_time(received: Received, queue_name: str) -> None:
    """A delay hides a message; no delay, or a negative one, does not."""
    await received.queues.put(queue_name, "later", delay=timedelta(hours=1))
    await received.queues.put(queue_name, "now")
    await received.queues.put(queue_name, "past", delay=timedelta(seconds=-5))
    assert sorted(await received.receive(queue_name)) == ["now", "past"]


async def test_longest_delay_is_cut_to_what_a_queue_takes(received: Received, queue_name: str) -> None:
    """A delay of a month is cut to the longest that a queue allows."""
    await received.queues.put(queue_name, "next month", delay=timedelta(days=31))
    assert await received.receive(queue_name) == []


async def test_queue_first_missed_by_many_is_created_once(received: Received, queue_name: str) -> None:
    """Workers that miss a queue at the same moment all put their messages."""
    await asyncio.gather(*(received.queues.put(queue_name, str(number)) for number in range(8)))
    assert sorted(await received.receive(queue_name)) == [str(number) for number in range(8)]


async def test_message_never_expires(account: StorageAccount, azurite: Azurite, queue_name: str) -> None:
    """A message outlives the default of seven days, and its delay is at most seven days."""
    await account.queues().put(queue_name, "body", delay=timedelta(days=31))
    async with QueueServiceClient.from_connection_string(azurite.connection_string) as client:
        queue = client.get_queue_client(queue_name)
        assert (await queue.get_queue_properties()).approximate_message_count == 1
        await account.queues().put(queue_name, "seen")
        (message,) = [message async for message in queue.receive_messages()]
    assert message.expires_on is not None
    assert message.expires_on.year > 2100


async def test_oldest_is_what_is_in_sight(account: StorageAccount, queue_name: str) -> None:
    """The oldest visible message gives its insertion time; a hidden message or a missing queue gives none."""
    queues = account.queues()
    assert await queues.oldest(queue_name) is None
    await queues.put(queue_name, "later", delay=timedelta(hours=1))
    assert await queues.oldest(queue_name) is None
    before = datetime.now(UTC) - timedelta(seconds=2)  # the emulator's clock has whole seconds
    await queues.put(queue_name, "now")
    oldest = await queues.oldest(queue_name)
    assert oldest
    assert before <= oldest <= datetime.now(UTC) + timedelta(seconds=1)


async def test_depth_counts_what_is_hidden_too(account: StorageAccount, queue_name: str) -> None:
    """The depth counts visible and hidden messages, and is zero for a missing queue."""
    queues = account.queues()
    assert await queues.depth(queue_name) == 0
    await queues.put(queue_name, "now")
    await queues.put(queue_name, "later", delay=timedelta(hours=1))
    assert await queues.depth(queue_name) == 2


async def test_body_that_is_too_long_is_unanswered(account: StorageAccount, queue_name: str) -> None:
    """A body too long for a queue raises Unanswered and is not cut."""
    with pytest.raises(Unanswered):
        await account.queues().put(queue_name, "x" * 65_537)
    assert await account.queues().depth(queue_name) == 0


@pytest.fixture
def ledger(account: StorageAccount) -> Ledger:
    return Ledger(account.table(_new_name()), a_cipher(KEYS), FakeClock(NOW))


async def test_entry_is_read_as_it_was_written(ledger: Ledger) -> None:
    """Every column of the ledger reads back equal from the service, at a request's start and at its end."""
    request = a_request(
        content=payment() | {"due_date": "2026-12-01T22:59:59Z"},
        feature_level_type="ADVANCED",
        not_before="2026-11-24T08:00:00Z",
        expires_at="2026-12-30T08:00:00Z",
    )
    opened = await ledger.open(request)
    assert await ledger.get("r-1") == opened
    assert ledger.request_of(opened) == request
    claimed = await ledger.commit(ledger.intent(opened))
    read = await ledger.get("r-1")
    assert read == claimed
    assert read is not None
    accepted = await ledger.advance(read, Step(State.ACCEPTED), message_id="M1", body={})
    assert await ledger.get("r-1") == accepted
    assert accepted.body == {}


async def test_longest_request_takes_several_columns(ledger: Ledger) -> None:
    """A request as long as a queue message is stored whole in one row."""
    text = {"subject": "S" * 120, "markdown": "è" * 10_000}
    request = a_request(content=text, translations={"en_GB": text, "de_DE": text})
    assert len(request.to_json().encode()) > 60_000
    await ledger.open(request)
    entry = await ledger.get("r-1")
    assert entry is not None
    assert list(entry.body) == ["body0", "body1"]
    assert ledger.request_of(entry) == request
    assert await ledger.open(request) == entry


async def test_settlement_ahead_of_its_request_is_replaced_by_it(ledger: Ledger) -> None:
    """A settlement that came before its request is no entry, and is in the entry once the request comes."""
    assert await ledger.settle_ahead("r-1", NOW) is None
    assert await ledger.get("r-1") is None
    assert [one async for one in ledger.columns("state")] == []
    assert [one async for one in ledger.entries()] == []
    opened = await asyncio.gather(*(ledger.open(a_request(content=payment())) for _ in range(8)))
    entry = await ledger.get("r-1")
    assert entry is not None
    assert (entry.settled_at, entry.payment_status) == (NOW, "PAID")
    assert all(one == entry for one in opened)
    assert await ledger.settle_ahead("r-1", NOW) == entry


async def test_race_for_a_request_has_one_winner(ledger: Ledger) -> None:
    """Of many workers that open and claim the same request at once, one gets the claim."""

    async def work() -> bool:
        entry = await ledger.open(a_request())
        try:
            await ledger.commit(ledger.intent(entry))
        except (LostRace, IllegalStep):
            return False
        return True

    assert (await asyncio.gather(*(work() for _ in range(8)))).count(True) == 1
    entry = await ledger.get("r-1")
    assert entry is not None
    assert (entry.state, entry.attempt) == (State.SENDING, 1)


async def test_due_index_finds_by_time(account: StorageAccount) -> None:
    """A query over partitions gives the due rows and no others."""
    clock = FakeClock(NOW - timedelta(minutes=600))
    due_index = DueIndex(account.table(_new_name()), clock)
    for minutes in (-600, -1, 0, 1):
        await due_index.put(f"r{minutes}", NOW + timedelta(minutes=minutes))
    clock.now = NOW
    found = [entry async for entry in due_index.due()]
    assert [entry.request_id for entry in found] == ["r-600", "r-1", "r0"]
    for entry in found:
        await due_index.remove(entry)
    assert [entry async for entry in due_index.due()] == []


async def test_lease_of_the_due_index_is_in_the_table(account: StorageAccount) -> None:
    """One of many hosts gets the lease, and the next one starts from its watermark."""
    clock = FakeClock(NOW)
    due_index = DueIndex(account.table(_new_name()), clock)
    results = await asyncio.gather(*(due_index.acquire() for _ in range(8)), return_exceptions=True)
    (lease,) = [result for result in results if isinstance(result, Lease)]
    assert [type(result) for result in results].count(LeaseLost) == 7
    await due_index.release(await due_index.renew(lease), None)
    assert (await due_index.acquire()).since == f"{NOW - MARGIN:%Y%m%d%H%M}"


async def test_parked_message_is_read_as_it_was_kept(account: StorageAccount) -> None:
    """Every field of a parked message reads back equal, with a long body and violations."""
    parked = Parked(account.table(_new_name()), a_cipher(KEYS))
    message = ParkedMessage(
        queue="message-requests",
        parked_id="r-1",
        reason="invalid",
        first_at=NOW,
        last_at=NOW,
        attempts=2,
        request_id="r-1",
        service="default",
        campaign="tari 2026",
        http_status=400,
        violations=(Violation(field="a", rule="b"),),
    )
    body = a_body(padding="è" * 30_000)
    kept = await parked.keep(message, body)
    assert await parked.get("message-requests", "r-1") == kept
    assert await parked.find("r-1") == [kept]
    assert [found async for found in parked.all()] == [kept]
    assert parked.body_of(kept) == body
    assert (await parked.keep(replace(message, last_at=NOW + timedelta(days=1)), "short")).times == 2
    assert parked.body_of((await parked.find("r-1"))[0]) == "short"


async def test_outcomes_are_told_of_what_was_read_back(account: StorageAccount, ledger: Ledger) -> None:
    """Outcomes can be published from rows that were read back, with the service's own date type."""
    await ledger.open(a_request())
    entry = await ledger.get("r-1")
    assert entry is not None
    parked = Parked(account.table(_new_name()), a_cipher(KEYS))
    await parked.keep(ParkedMessage("message-requests", "body-1", "invalid", NOW, NOW), "body")
    queues = FakeQueues(FakeClock())
    await Outcomes(queues).publish(await ledger.advance(entry, Step(State.SKIPPED, "recipient_not_found")))
    await Outcomes(queues).publish_parked((await parked.find("body-1"))[0])
    assert len(queues.bodies(MESSAGE_OUTCOMES)) == 2
