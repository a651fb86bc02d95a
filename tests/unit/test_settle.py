"""Settlements: the creditor's settlement marks the payment, and is published once, whenever it comes."""

import json
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest

from check_status.settle import RETRY_AFTER
from storage.ledger import State, Step
from storage.notices import Notices
from storage.queues import MESSAGE_SENDS, MESSAGE_SETTLED, poison
from storage.table import Changed, Unanswered
from tests.fake_app import FakeApp
from tests.fakes import Died, FakeTable, seen
from tests.samples import (
    FORMER_KEY,
    INDEX_KEY,
    KEYS,
    NOTICE_NUMBER,
    a_body,
    a_cipher,
    payment,
    personal_data_in,
)

PAID_AT = datetime(2026, 11, 24, 8, 30, tzinfo=UTC)
BY_NOTICE = json.dumps({"notice_number": NOTICE_NUMBER, "paid_at": "2026-11-24T08:30:00Z"})
BY_REQUEST = json.dumps({"request_id": "r-1", "paid_at": "2026-11-24T08:30:00Z"})
STEPS = [
    "ends.upsert",
    "notices.merge",
    "notices.rows",
    "notices.rows",
    "ledger.get",
    "message-outcomes.put",
    "ledger.replace",
]
PREMIUM = {"feature_level_type": "ADVANCED", "content": payment()}


async def _accepted(request_id: str = "r-1", app: FakeApp | None = None) -> FakeApp:
    app = app or FakeApp()
    await app.accepted(request_id, **PREMIUM)
    app.clock.advance(minutes=5)
    return app


async def _delivered(*answer: str) -> FakeApp:
    """Return an app with a delivered Premium message with a notice, and its queues emptied."""
    app = await _accepted()
    app.io.status = seen("PROCESSED", *(answer or ("UNREAD", "NOT_PAID")))
    await app.follow()
    app.queues.messages.clear()
    app.io.asked.clear()
    return app


def _words(app: FakeApp) -> list[tuple[str, str | None]]:
    return [(event["data"]["state"], event["data"].get("reason")) for event in app.events()]


@pytest.mark.parametrize("body", [BY_NOTICE, BY_REQUEST])
async def test_payment_is_written_down_and_told(body: str) -> None:
    """A settlement by notice or by request marks the message as paid since the creditor's time."""
    app = await _delivered()
    await app.settle(body)
    entry = app.entry()
    assert (entry.state, entry.payment_status, entry.settled_at) == (State.PAID, "PAID", PAID_AT)
    assert (entry.last_step["what"], entry.last_step["reason"]) == ("PAID", "settled_upstream")
    assert app.told() == ["r-1/0/paid"]
    assert _words(app) == [("paid", "settled_upstream")]


async def test_settlement_without_a_time_is_of_now() -> None:
    """A settlement without a time counts from now."""
    app = await _delivered()
    await app.settle('{"request_id": "r-1"}')
    assert app.entry().settled_at == app.clock()


async def test_payment_is_followed_no_longer() -> None:
    """A message that was read is polled no more after its settlement, and leaves the index."""
    app = await _delivered("READ", "NOT_PAID")
    await app.settle(BY_NOTICE)
    app.clock.advance(days=1)
    await app.follow()
    assert (app.io.asked, app.due()) == ([], [])


async def test_reading_is_still_followed() -> None:
    """A settled message is polled until it is read, and IO's own PAID publishes nothing more."""
    app = await _delivered()
    await app.settle(BY_NOTICE)
    app.clock.advance(days=1)
    app.io.status = seen("PROCESSED", "READ", "PAID")
    await app.follow()
    assert _words(app) == [("paid", "settled_upstream"), ("read", None)]
    assert (app.entry().state, app.due()) == (State.PAID, [])


async def test_what_io_told_already_is_not_told_again() -> None:
    """A settlement of a payment that IO reported before only adds its time."""
    app = await _delivered("UNREAD", "PAID")
    await app.settle(BY_NOTICE)
    assert (app.told(), app.entry().settled_at) == ([], PAID_AT)


async def test_poorer_answer_of_io_undoes_nothing() -> None:
    """IO's NOT_PAID after a settlement is ignored: IO may not know of a payment made elsewhere."""
    app = await _delivered()
    await app.settle(BY_NOTICE)
    app.clock.advance(days=1)
    await app.follow()
    assert (app.entry().payment_status, app.told()) == ("PAID", ["r-1/0/paid"])


async def test_repeated_settlement_changes_nothing() -> None:
    """A repeated settlement, even with another time, changes and publishes nothing."""
    app = await _delivered()
    await app.settle(BY_NOTICE)
    before = app.entry()
    await app.settle(BY_NOTICE)
    await app.settle('{"request_id": "r-1"}')
    assert (app.entry(), app.told()) == (before, ["r-1/0/paid"])


async def test_every_request_that_carried_the_notice_is_settled() -> None:
    """A settlement by notice settles every message that carried the notice."""
    app = await _accepted("r-2", await _delivered())
    await app.follow()
    app.queues.messages.clear()
    await app.settle(BY_NOTICE)
    assert sorted(app.told()) == ["r-1/0/paid", "r-2/0/paid"]


async def test_notice_that_nobody_sent_is_no_failure(caplog: pytest.LogCaptureFixture) -> None:
    """A settlement of an unknown notice is logged without its number and does not fail."""
    caplog.set_level(logging.INFO)
    app = FakeApp()
    await app.settle(BY_NOTICE)
    assert (app.queues.messages, app.ledger_table.rows_by_key) == ({}, {})
    assert "settlement of a notice that no request carried" in caplog.text
    assert NOTICE_NUMBER not in caplog.text


@pytest.mark.parametrize("body", ["not json", "{}", '{"request_id": "nobody"}'])
async def test_what_cannot_be_taken_goes_to_the_poison_queue(body: str) -> None:
    """An invalid settlement, or one of an unknown request, goes to the poison queue."""
    app = FakeApp()
    await app.settle(body)
    assert app.queues.bodies(poison(MESSAGE_SETTLED)) == [body]


async def _requested(app: FakeApp) -> None:
    await app.check(a_body(**PREMIUM))


async def _waiting(app: FakeApp) -> None:
    await app.check(a_body(**PREMIUM, not_before="2026-11-24T09:30:00Z"))


async def _in_doubt(app: FakeApp) -> None:
    await app.check(a_body(**PREMIUM))
    entry = await app.claim(app.entry())
    await app.ledger.advance(entry, Step(State.IN_DOUBT, "timeout"))


@pytest.mark.parametrize("before", [_requested, _waiting, _in_doubt])
async def test_payment_before_the_sending_is_kept_and_told_with_the_delivery(
    before: Callable[[FakeApp], Awaitable[None]],
) -> None:
    """A settlement before the message is sent is stored, and no outcome is published yet."""
    app = FakeApp()
    await before(app)
    history = app.history()
    await app.settle(BY_NOTICE)
    entry = app.entry()
    assert (entry.settled_at, entry.payment_status, app.history()) == (PAID_AT, "PAID", history)
    assert [word for word, _ in _words(app)] == []


async def test_payment_before_the_delivery_is_told_with_it() -> None:
    """A settlement before the delivery is published with it, in the order of the history."""
    app = await _accepted()
    await app.settle(BY_NOTICE)
    app.io.status = seen("PROCESSED", "READ", "NOT_PAID")
    await app.follow()
    assert _words(app)[-3:] == [("processed", None), ("read", None), ("paid", "settled_upstream")]
    assert (app.entry().state, app.due()) == (State.PAID, [])


async def test_payment_during_the_sending_waits() -> None:
    """A settlement during the POST is requeued, and takes effect after it."""
    app = FakeApp()
    await app.check(a_body(**PREMIUM))
    (body,) = app.queues.take(MESSAGE_SENDS)

    async def settle() -> None:
        await app.settle(BY_NOTICE)

    app.io.while_sending = settle
    await app.send(body)
    assert (app.entry().state, app.entry().settled_at) == (State.ACCEPTED, None)
    assert app.queues.only(MESSAGE_SETTLED).delay == RETRY_AFTER
    app.clock.now += RETRY_AFTER
    (again,) = app.queues.take(MESSAGE_SETTLED)
    await app.settle(again)
    assert app.entry().settled_at == PAID_AT


async def test_loser_of_a_race_comes_back() -> None:
    """A settlement that loses the race for a write is requeued, and takes effect later."""
    app = await _delivered()
    app.steps.fail_before(Changed(), skip=STEPS.index("ledger.replace"))
    await app.settle(BY_NOTICE)
    assert app.steps.to_come == 0
    app.clock.now += RETRY_AFTER
    (again,) = app.queues.take(MESSAGE_SETTLED)
    await app.settle(again)
    assert app.entry().settled_at == PAID_AT
    assert set(app.told()) == {"r-1/0/paid"}


@pytest.mark.parametrize("step", range(len(STEPS)))
@pytest.mark.parametrize("lost", ["before", "answer"])
async def test_death_at_any_step_is_made_up_for(step: int, lost: str) -> None:
    """After a crash at any step, the redelivered settlement has its full effect, once."""
    app = await _delivered()
    before = len(app.steps.done)
    if lost == "before":
        app.steps.fail_before(Died(), skip=step)
    else:
        app.steps.fail_after(Unanswered(), skip=step)
    with suppress(Died, Unanswered):
        await app.settle(BY_NOTICE)
    assert app.steps.done[before:][: step + 1] == STEPS[: step + 1]
    await app.settle(BY_NOTICE)
    assert app.entry().settled_at == PAID_AT
    assert set(app.told()) == {"r-1/0/paid"}
    assert app.history().count("PAID") == 1


async def test_notice_of_before_the_index_key_is_found() -> None:
    """A notice stored under a former key is found by its settlement, next to a newer one."""
    table = FakeTable()
    upgraded = Notices(table, a_cipher(KEYS, (INDEX_KEY, FORMER_KEY)))
    await Notices(table, a_cipher(KEYS, [FORMER_KEY])).note(NOTICE_NUMBER, "r-1")
    await upgraded.note(NOTICE_NUMBER, "r-2")
    assert [name async for name in upgraded.requests(NOTICE_NUMBER)] == ["r-2", "r-1"]


async def test_only_requests_with_a_notice_are_noted() -> None:
    """Only requests with a notice are stored in the notices table, and each is found once."""
    app = FakeApp()
    await app.check(a_body(request_id="r-2"))
    assert app.notices_table.rows_by_key == {}
    await app.check(a_body(**PREMIUM))
    assert len(app.notices_table.rows_by_key) == 1
    await app.check(a_body(**PREMIUM))
    assert [name async for name in app.notices.requests(NOTICE_NUMBER)] == ["r-1"]


async def test_nothing_personal_shows_while_settling(caplog: pytest.LogCaptureFixture) -> None:
    """No key, row, event or log line contains the notice number or other personal data."""
    caplog.set_level(logging.DEBUG)
    app = await _delivered()
    await app.settle(BY_NOTICE)
    await app.settle(BY_NOTICE)
    app.clock.now += timedelta(days=1)
    await app.follow()
    kept = [*app.everything_kept(), ("log", caplog.text)]
    assert not [(place, found) for place, text in kept if (found := personal_data_in(text))]


PAID = ("SKIPPED", "settled_upstream")


def _end(app: FakeApp, request_id: str = "r-1") -> tuple[str, str | None]:
    entry = app.entry(request_id)
    return entry.state, entry.last_step.get("reason")


@pytest.mark.parametrize("word", [BY_NOTICE, BY_REQUEST])
async def test_notice_paid_before_its_request_is_not_asked_for(word: str) -> None:
    """A request whose payment was settled before is skipped, and not sent."""
    app = FakeApp()
    await app.settle(word)
    await app.check(a_body(**PREMIUM))
    await app.run()
    assert (_end(app), app.io.sent, app.entry().settled_at) == (PAID, [], PAID_AT)
    assert app.told()[-1].endswith("skipped")


async def test_payment_of_an_unknown_request_is_kept_and_parked() -> None:
    """A settlement of a request that has not come is kept for it, and goes to the poison queue each time."""
    app = FakeApp()
    for _ in range(2):
        await app.settle(BY_REQUEST)
    assert app.queues.bodies(poison(MESSAGE_SETTLED)) == [BY_REQUEST, BY_REQUEST]
    assert app.steps.done.count("ledger.insert") == 2
    assert app.notices_table.rows_by_key == {}
    await app.check(a_body(**PREMIUM))
    assert _end(app) == PAID


async def test_payment_of_a_known_request_costs_no_record() -> None:
    """A settlement of a known request reads and writes its entry, and nothing else."""
    app = await _delivered()
    before = len(app.steps.done)
    await app.settle(BY_REQUEST)
    assert app.steps.done[before:] == ["ledger.get", "message-outcomes.put", "ledger.replace"]


@pytest.mark.parametrize("word", [BY_NOTICE, BY_REQUEST])
async def test_notice_paid_while_its_message_waits_is_not_asked_for(word: str) -> None:
    """A settlement while the message waits for its day counts: the message is skipped."""
    app = FakeApp()
    later = (app.clock() + timedelta(days=3)).isoformat()
    await app.check(a_body(**PREMIUM, not_before=later))
    await app.settle(word)
    await app.run()
    assert (_end(app), app.io.sent) == (PAID, [])


async def test_settlement_is_kept_for_requests_to_come() -> None:
    """A later request with a notice that was settled before is skipped too."""
    app = await _delivered()
    await app.settle(BY_NOTICE)
    await app.check(a_body(request_id="r-2", **PREMIUM))
    await app.run()
    assert _end(app, "r-2") == PAID


async def test_kept_word_is_no_request() -> None:
    """The row that stores a settlement is not taken for a request that carried the notice."""
    app = FakeApp()
    await app.settle(BY_NOTICE)
    await app.settle(BY_NOTICE)
    assert (app.queues.messages, [name async for name in app.notices.requests(NOTICE_NUMBER)]) == ({}, [])
