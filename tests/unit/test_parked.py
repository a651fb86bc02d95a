"""The parked table: each message once, with its reason and its encrypted body."""

from dataclasses import replace
from datetime import timedelta

import pytest

from contract.violations import Violation
from storage.cipher import Undecipherable
from storage.parked import Parked, ParkedMessage
from storage.table import Unanswered
from tests.fakes import FakeClock, FakeTable, Steps
from tests.samples import FISCAL_CODE, FORMER_KEY, KEYS, MARKDOWN, a_body, a_cipher, personal_data_in

NOW = FakeClock()()
MESSAGE = ParkedMessage("message-requests", "body-1", "invalid", first_at=NOW, last_at=NOW)
FULL = replace(
    MESSAGE,
    parked_id="r-1",
    attempts=3,
    request_id="r-1",
    service="default",
    campaign="tari 2026",
    http_status=400,
    traceparent="00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    violations=(Violation(field="content.subject", rule="is required"), Violation(field="b", rule="c")),
)


@pytest.fixture
def steps() -> Steps:
    return Steps()


@pytest.fixture
def table(steps: Steps) -> FakeTable:
    return FakeTable("parked", steps)


@pytest.fixture
def parked(table: FakeTable) -> Parked:
    return Parked(table, a_cipher(KEYS))


@pytest.mark.parametrize("message", [MESSAGE, FULL])
async def test_kept_message_is_found_as_it_was(parked: Parked, message: ParkedMessage) -> None:
    """A kept message reads back with every field and its body."""
    kept = await parked.keep(message, a_body())
    assert await parked.get(message.queue, message.parked_id) == kept
    assert replace(kept, sealed_body={}) == message
    assert parked.body_of(kept) == a_body()


async def test_same_message_counts_up_and_keeps_its_first_time(parked: Parked) -> None:
    """A message that is parked again is one row with a count and its newest reason."""
    await parked.keep(MESSAGE, "first")
    later = NOW + timedelta(days=1)
    again = replace(MESSAGE, reason="conflict", first_at=later, last_at=later)
    kept = await parked.keep(again, "second")
    assert (kept.times, kept.first_at, kept.last_at, kept.reason) == (2, NOW, later, "conflict")
    assert parked.body_of(kept) == "second"
    assert [message async for message in parked.all()] == [kept]


async def test_message_dropped_during_its_return_is_kept_as_new(
    parked: Parked, table: FakeTable, steps: Steps
) -> None:
    """A message that an operator drops while it is parked again is kept as new."""
    await parked.keep(MESSAGE, "first")
    steps.fail_after(Unanswered(), skip=1)
    with pytest.raises(Unanswered):
        await parked.keep(MESSAGE, "second")
    table.rows_by_key.clear()
    assert (await parked.keep(MESSAGE, "second")).times == 1


async def test_same_id_on_another_queue_is_another_message(parked: Parked) -> None:
    """A request can be parked on each of its queues."""
    await parked.keep(FULL, "request")
    await parked.keep(replace(FULL, queue="message-sends"), "reference")
    found = await parked.find("r-1")
    assert [(message.queue, parked.body_of(message)) for message in found] == [
        ("message-requests", "request"),
        ("message-sends", "reference"),
    ]


async def test_find_by_parked_id_or_request_id(parked: Parked) -> None:
    """A parked message is found by its parked id or its request_id, and by nothing else."""
    await parked.keep(MESSAGE, "no request_id")
    await parked.keep(replace(MESSAGE, parked_id="body-2", request_id="r-2"), "invalid")
    assert [message.parked_id for message in await parked.find("body-1")] == ["body-1"]
    assert [message.parked_id for message in await parked.find("r-2")] == ["body-2"]
    assert await parked.find("r-9") == []
    assert await parked.get("message-requests", "r-2") is None


async def test_id_of_a_body_is_the_same_for_the_same_body_only(parked: Parked) -> None:
    """The id of a body is the same for the same body only, and depends on the index key."""
    assert parked.id_of("a") == parked.id_of("a") != parked.id_of("b")
    assert parked.id_of("a") != Parked(FakeTable(), a_cipher(KEYS, [FORMER_KEY])).id_of("a")


async def test_body_longer_than_a_column_comes_back_whole(parked: Parked) -> None:
    """The longest body of a queue message fits in several columns."""
    body = "è" * 32_000
    kept = await parked.keep(MESSAGE, body)
    assert len(kept.sealed_body) == 2
    found = await parked.get(MESSAGE.queue, MESSAGE.parked_id)
    assert found is not None
    assert parked.body_of(found) == body


async def test_shorter_body_leaves_nothing_of_the_longer_one(parked: Parked) -> None:
    """A shorter body replaces a longer one completely."""
    await parked.keep(MESSAGE, "è" * 32_000)
    await parked.keep(MESSAGE, "short")
    found = await parked.get(MESSAGE.queue, MESSAGE.parked_id)
    assert found is not None
    assert parked.body_of(found) == "short"


async def test_nothing_personal_is_in_the_clear(parked: Parked, table: FakeTable) -> None:
    """Neither the row nor a repr shows the parked body."""
    body = a_body(content={"subject": "short", "markdown": MARKDOWN})
    kept = await parked.keep(replace(FULL, parked_id=parked.id_of(body)), body)
    (row,) = table.rows_by_key.values()
    shown = f"{row.partition} {row.key} {row.values} {kept!r}"
    assert "violations" in shown
    assert personal_data_in(shown) == []


async def test_body_of_a_foreign_key_is_undecipherable(parked: Parked, table: FakeTable) -> None:
    """A body cannot be read without the key that sealed it."""
    kept = await parked.keep(MESSAGE, FISCAL_CODE)
    with pytest.raises(Undecipherable):
        Parked(table, a_cipher(KEYS[1:])).body_of(kept)
