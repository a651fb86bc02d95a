"""Settlements: the creditor's word ends the following of a payment, whenever it comes, and is told once."""

import json
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest

from check_status.settle import COME_BACK
from storage.cipher import Cipher
from storage.ledger import State, Step
from storage.notices import Notices
from storage.queues import MESSAGE_SENDS, MESSAGE_SETTLED, poison
from storage.table import Changed, Unanswered
from tests.fakes import Died, FakeTable, seen
from tests.road import Road
from tests.samples import KEYS, NOTICE_NUMBER, a_body, payment, personal_data_in

PAID_AT = datetime(2026, 11, 24, 8, 30, tzinfo=UTC)
BY_NOTICE = json.dumps({"notice_number": NOTICE_NUMBER, "paid_at": "2026-11-24T08:30:00Z"})
BY_REQUEST = json.dumps({"request_id": "r-1", "paid_at": "2026-11-24T08:30:00Z"})
STEPS = [
    "notices.upsert",
    "notices.rows",
    "notices.rows",
    "ledger.get",
    "message-outcomes.put",
    "ledger.replace",
]
PREMIUM = {"feature_level_type": "ADVANCED", "content": payment()}


async def _accepted(request_id: str = "r-1", road: Road | None = None) -> Road:
    road = road or Road()
    await road.accepted(request_id, **PREMIUM)
    road.clock.advance(minutes=5)
    return road


async def _delivered(*answer: str) -> Road:
    """A Premium message with a notice, delivered, and nothing told that was told before."""
    road = await _accepted()
    road.io.status = seen("PROCESSED", *(answer or ("UNREAD", "NOT_PAID")))
    await road.follow()
    road.queues.messages.clear()
    road.io.asked.clear()
    return road


def _words(road: Road) -> list[tuple[str, str | None]]:
    return [(event["data"]["state"], event["data"].get("reason")) for event in road.events()]


@pytest.mark.parametrize("body", [BY_NOTICE, BY_REQUEST])
async def test_payment_is_written_down_and_told(body: str) -> None:
    """By notice or by request, the message is paid since the time that the creditor names."""
    road = await _delivered()
    await road.settle(body)
    entry = road.entry()
    assert (entry.state, entry.payment_status, entry.settled_at) == (State.PAID, "PAID", PAID_AT)
    assert (entry.last_step["what"], entry.last_step["reason"]) == ("PAID", "settled_upstream")
    assert road.told() == ["r-1/0/paid"]
    assert _words(road) == [("paid", "settled_upstream")]


async def test_settlement_without_a_time_is_of_now() -> None:
    """A creditor that does not know when it was paid means that it is paid."""
    road = await _delivered()
    await road.settle('{"request_id": "r-1"}')
    assert road.entry().settled_at == road.clock()


async def test_payment_is_followed_no_longer() -> None:
    """A message that was read costs no further call after its settlement, and leaves the index."""
    road = await _delivered("READ", "NOT_PAID")
    await road.settle(BY_NOTICE)
    road.clock.advance(days=1)
    await road.follow()
    assert (road.io.asked, road.due()) == ([], [])


async def test_reading_is_still_followed() -> None:
    """A paid message that nobody has read is looked at until it is read; IO's own PAID is no news."""
    road = await _delivered()
    await road.settle(BY_NOTICE)
    road.clock.advance(days=1)
    road.io.status = seen("PROCESSED", "READ", "PAID")
    await road.follow()
    assert _words(road) == [("paid", "settled_upstream"), ("read", None)]
    assert (road.entry().state, road.due()) == (State.PAID, [])


async def test_what_io_told_already_is_not_told_again() -> None:
    """A payment that IO has seen is only dated."""
    road = await _delivered("UNREAD", "PAID")
    await road.settle(BY_NOTICE)
    assert (road.told(), road.entry().settled_at) == ([], PAID_AT)


async def test_poorer_answer_of_io_undoes_nothing() -> None:
    """IO may not know of a payment made elsewhere: its NOT_PAID does not count any more."""
    road = await _delivered()
    await road.settle(BY_NOTICE)
    road.clock.advance(days=1)
    await road.follow()
    assert (road.entry().payment_status, road.told()) == ("PAID", ["r-1/0/paid"])


async def test_repeated_settlement_changes_nothing() -> None:
    """The same word again, or with another time, is no news, and the first time stays."""
    road = await _delivered()
    await road.settle(BY_NOTICE)
    before = road.entry()
    await road.settle(BY_NOTICE)
    await road.settle('{"request_id": "r-1"}')
    assert (road.entry(), road.told()) == (before, ["r-1/0/paid"])


async def test_every_request_that_carried_the_notice_is_settled() -> None:
    """A notice that was sent again, as a reminder, is paid for each of its messages."""
    road = await _accepted("r-2", await _delivered())
    await road.follow()
    road.queues.messages.clear()
    await road.settle(BY_NOTICE)
    assert sorted(road.told()) == ["r-1/0/paid", "r-2/0/paid"]


async def test_notice_that_nobody_sent_is_no_failure(caplog: pytest.LogCaptureFixture) -> None:
    """The creditor announces all its payments: one of another channel leaves a line without the number."""
    caplog.set_level(logging.INFO)
    road = Road()
    await road.settle(BY_NOTICE)
    assert (road.queues.messages, road.ledger_table.rows_by_key) == ({}, {})
    assert "settlement of a notice that no request carried" in caplog.text
    assert NOTICE_NUMBER not in caplog.text


@pytest.mark.parametrize("body", ["not json", "{}", '{"request_id": "nobody"}'])
async def test_what_cannot_be_taken_goes_to_the_poison_queue(body: str) -> None:
    """An invalid settlement, or one of a request that was never seen, is for an operator."""
    road = Road()
    await road.settle(body)
    assert road.queues.bodies(poison(MESSAGE_SETTLED)) == [body]


async def _requested(road: Road) -> None:
    await road.check(a_body(**PREMIUM))


async def _waiting(road: Road) -> None:
    await road.check(a_body(**PREMIUM, not_before="2026-11-24T09:30:00Z"))


async def _in_doubt(road: Road) -> None:
    await road.check(a_body(**PREMIUM))
    entry = await road.claim(road.entry())
    await road.ledger.advance(entry, Step(State.IN_DOUBT, "timeout"))


@pytest.mark.parametrize("before", [_requested, _waiting, _in_doubt])
async def test_payment_before_the_sending_is_kept_and_told_with_the_delivery(
    before: Callable[[Road], Awaitable[None]],
) -> None:
    """Nothing can be told of a message that is not sent yet, and nothing is forgotten."""
    road = Road()
    await before(road)
    history = road.history()
    await road.settle(BY_NOTICE)
    entry = road.entry()
    assert (entry.settled_at, entry.payment_status, road.history()) == (PAID_AT, "PAID", history)
    assert [word for word, _ in _words(road)] == []


async def test_payment_before_the_delivery_is_told_with_it() -> None:
    """The message is read and paid in the end, in whatever order that became known."""
    road = await _accepted()
    await road.settle(BY_NOTICE)
    road.io.status = seen("PROCESSED", "READ", "NOT_PAID")
    await road.follow()
    assert _words(road)[-3:] == [("processed", None), ("read", None), ("paid", "settled_upstream")]
    assert (road.entry().state, road.due()) == (State.PAID, [])


async def test_payment_during_the_sending_waits() -> None:
    """A worker in the POST is not disturbed: the settlement comes back when it is done or dead."""
    road = Road()
    await road.check(a_body(**PREMIUM))
    (body,) = road.queues.take(MESSAGE_SENDS)

    async def settle() -> None:
        await road.settle(BY_NOTICE)

    road.io.while_sending = settle
    await road.send(body)
    assert (road.entry().state, road.entry().settled_at) == (State.ACCEPTED, None)
    assert road.queues.only(MESSAGE_SETTLED).delay == COME_BACK
    road.clock.now += COME_BACK
    (again,) = road.queues.take(MESSAGE_SETTLED)
    await road.settle(again)
    assert road.entry().settled_at == PAID_AT


async def test_loser_of_a_race_comes_back() -> None:
    """When somebody else writes the request at the same moment, the settlement is taken again later."""
    road = await _delivered()
    road.steps.fail_before(Changed(), skip=STEPS.index("ledger.replace"))
    await road.settle(BY_NOTICE)
    assert road.steps.to_come == 0
    road.clock.now += COME_BACK
    (again,) = road.queues.take(MESSAGE_SETTLED)
    await road.settle(again)
    assert road.entry().settled_at == PAID_AT
    assert set(road.told()) == {"r-1/0/paid"}


@pytest.mark.parametrize("step", range(len(STEPS)))
@pytest.mark.parametrize("lost", ["before", "answer"])
async def test_death_at_any_step_is_made_up_for(step: int, lost: str) -> None:
    """The platform delivers the settlement again, and it ends as if nothing had happened."""
    road = await _delivered()
    before = len(road.steps.done)
    if lost == "before":
        road.steps.fail_before(Died(), skip=step)
    else:
        road.steps.fail_after(Unanswered(), skip=step)
    with suppress(Died, Unanswered):
        await road.settle(BY_NOTICE)
    assert road.steps.done[before:][: step + 1] == STEPS[: step + 1]
    await road.settle(BY_NOTICE)
    assert road.entry().settled_at == PAID_AT
    assert set(road.told()) == {"r-1/0/paid"}
    assert road.history().count("PAID") == 1


async def test_notice_is_found_after_a_key_was_rotated() -> None:
    """A notice noted under the old first key is found under the new ring."""
    table = FakeTable()
    old, new = KEYS
    await Notices(table, Cipher([old])).note(NOTICE_NUMBER, "r-1")
    await Notices(table, Cipher([new, old])).note(NOTICE_NUMBER, "r-2")
    found = [name async for name in Notices(table, Cipher([new, old])).requests(NOTICE_NUMBER)]
    assert found == ["r-2", "r-1"]


async def test_only_requests_with_a_notice_are_noted() -> None:
    """A message without a payment costs no row, and noting twice makes none."""
    road = Road()
    await road.check(a_body(request_id="r-2"))
    assert road.notices_table.rows_by_key == {}
    for _ in range(2):
        await road.check(a_body(**PREMIUM))
    assert [key for _, key in road.notices_table.rows_by_key] == ["r-1"]


async def test_nothing_personal_shows_while_settling(caplog: pytest.LogCaptureFixture) -> None:
    """No key, row, event or log line shows the number of the notice or the person."""
    caplog.set_level(logging.DEBUG)
    road = await _delivered()
    await road.settle(BY_NOTICE)
    await road.settle(BY_NOTICE)
    road.clock.now += timedelta(days=1)
    await road.follow()
    kept = [*road.everything_kept(), ("log", caplog.text)]
    assert not [(place, found) for place, text in kept if (found := personal_data_in(text))]


PAID = ("SKIPPED", "settled_upstream")


def _end(road: Road, request_id: str = "r-1") -> tuple[str, str | None]:
    entry = road.entry(request_id)
    return entry.state, entry.last_step.get("reason")


@pytest.mark.parametrize("word", [BY_NOTICE, BY_REQUEST])
async def test_notice_paid_before_its_request_is_not_asked_for(word: str) -> None:
    """A settlement that comes before the request it is about is kept for it: nothing is sent."""
    road = Road()
    await road.settle(word)
    await road.check(a_body(**PREMIUM))
    await road.run()
    assert (_end(road), road.io.sent, road.entry().settled_at) == (PAID, [], PAID_AT)
    assert road.told()[-1].endswith("skipped")


@pytest.mark.parametrize("word", [BY_NOTICE, BY_REQUEST])
async def test_notice_paid_while_its_message_waits_is_not_asked_for(word: str) -> None:
    """A settlement that comes while the message waits for its day, or for its turn, counts."""
    road = Road()
    later = (road.clock() + timedelta(days=3)).isoformat()
    await road.check(a_body(**PREMIUM, not_before=later))
    await road.settle(word)
    await road.run()
    assert (_end(road), road.io.sent) == (PAID, [])


async def test_settlement_is_kept_for_requests_to_come() -> None:
    """A notice that is asked for a second time after it was paid is not sent either."""
    road = await _delivered()
    await road.settle(BY_NOTICE)
    await road.check(a_body(request_id="r-2", **PREMIUM))
    await road.run()
    assert _end(road, "r-2") == PAID


async def test_kept_word_is_no_request() -> None:
    """The row that keeps a creditor's word is not taken for a request that carried the notice."""
    road = Road()
    await road.settle(BY_NOTICE)
    await road.settle(BY_NOTICE)
    assert (road.queues.messages, [name async for name in road.notices.requests(NOTICE_NUMBER)]) == ({}, [])
