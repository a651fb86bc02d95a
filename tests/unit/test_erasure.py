"""Erasure of one person: nothing of theirs is left, nothing of others' goes, and no message leaves twice."""

import json
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest

from contract.fiscal_code import hash_at_io, omocodia_forms
from contract.request import parse_request
from io_api.errors import InDoubt
from send_message.documents import examine
from storage.erasure import ERASED, BeingSent, Doubtful, Erasure, Result
from storage.ledger import LEASE, LostRace, State, Step
from storage.periods import Periods
from storage.person import Person
from storage.queues import MESSAGE_REQUESTS, MESSAGE_SENDS, MESSAGE_SETTLED, poison
from storage.table import Unanswered
from tests.fake_app import FakeApp
from tests.fakes import Died
from tests.samples import (
    BLOB,
    FISCAL_CODE,
    MARKDOWN,
    NOTICE_NUMBER,
    PDF_A,
    a_body,
    payment,
    remote_content,
)

SERVICE = "tributi"
OTHER = "VRDLGU80A01H501X"
VARIANT = "RSSMRA80A01H50MX"
OTHERS_BLOB, SHARED, UNEXAMINED = "altro.pdf", "opuscolo.pdf", "modulo.pdf"
PREMIUM = {"feature_level_type": "ADVANCED"}


@pytest.fixture
def app() -> FakeApp:
    app = FakeApp(periods=Periods(documents=90))
    app.documents.blobs = dict.fromkeys((BLOB, OTHERS_BLOB, SHARED, UNEXAMINED), PDF_A)
    return app


def _erasure(app: FakeApp, code: str = FISCAL_CODE, *, with_all_forms: bool = False) -> Erasure:
    return Erasure(Person.of(code, with_all_forms=with_all_forms), app.stores, app.documents)


async def _erase(app: FakeApp, *, force: bool = False) -> Result:
    # Without the other forms, whose thousands of keyed hashes take most of the time.
    erasure = Erasure(Person(frozenset({FISCAL_CODE}), frozenset()), app.stores, app.documents)
    return await erasure.carry_out(await erasure.find(), force=force)


def _body(request_id: str, code: str, *blobs: str, **changes: Any) -> str:
    with_documents = {"remote_content": remote_content(*blobs)} | PREMIUM if blobs else {}
    return a_body(request_id=request_id, fiscal_code=code, **(with_documents | changes))


async def _accepted(app: FakeApp, request_id: str, code: str, *blobs: str, **changes: Any) -> None:
    await app.check(_body(request_id, code, *blobs, **changes))
    for body in app.queues.take(MESSAGE_SENDS):
        is_its = json.loads(body)["request_id"] == request_id
        await (app.send(body) if is_its else app.queues.put(MESSAGE_SENDS, body))


async def _fill(app: FakeApp, code: str, prefix: str, notice: str, *blobs: str) -> None:
    """Leave rows of one person in every store, and copies on the queues."""
    reminders = {"unread": {"after_days": 1}}
    content = payment(notice_number=notice)
    await _accepted(app, f"{prefix}-sent", code, *blobs, content=content, reminders=reminders)
    recipient = app.entry(f"{prefix}-sent").recipient
    await app.days.take(recipient, app.clock().date(), 2, reminder="x")
    await app.check(_body(f"{prefix}-waiting", code))
    await app.park(_body(f"{prefix}-invalid", code, content={"subject": "x"}))
    await app.park("Non è JSON: " + code.lower())
    feed = await app.subscriptions.feed(SERVICE)
    await app.subscriptions.take(feed, app.clock().date(), [hash_at_io(code)], [])
    await app.park(json.dumps({"notice_number": notice}), MESSAGE_SETTLED)
    await app.queues.put(MESSAGE_REQUESTS, _body(f"{prefix}-new", code))
    await app.queues.put(poison(MESSAGE_REQUESTS), _body(f"{prefix}-poisoned", code))
    await app.queues.put(MESSAGE_SETTLED, json.dumps({"notice_number": notice}))


def _stored(app: FakeApp) -> dict[str, int]:
    rows = {name: len(table.rows_by_key) for name, table in app.tables.items()}
    return rows | {name: len(messages) for name, messages in app.queues.messages.items() if messages}


def _traces(app: FakeApp, code: str) -> list[str]:
    """Each place that holds the code, its keyed hash, or a sealed text that holds it."""
    digests = [app.cipher.digest(one) for one in (code.encode(), bytes.fromhex(hash_at_io(code)))]
    found = []
    for name, table in app.tables.items():
        for row in table.rows_by_key.values():
            opened = "".join(_opened(app, value) for value in row.values.values())
            text = f"{row.partition} {row.key} {row.values} {opened}".upper()
            found += [name] if any(one in text for one in (code, *map(str.upper, digests))) else []
    for queue, messages in app.queues.messages.items():
        found += [queue for message in messages if code in message.body.upper()]
    return found


def _opened(app: FakeApp, value: object) -> str:
    return app.cipher.open(value).decode() if isinstance(value, bytes) else ""


async def test_nothing_of_the_person_is_left(app: FakeApp) -> None:
    """Tables, queues and documents hold nothing of the person, and all that they held of another."""
    await _fill(app, OTHER, "o", "302000100000099999", OTHERS_BLOB, SHARED)
    others = _stored(app)
    await _fill(app, FISCAL_CODE, "r", NOTICE_NUMBER, BLOB, SHARED)
    assert {"ledger", "parked", MESSAGE_REQUESTS, "reminderdays", "remotecontents", "subscriptions"} <= set(
        _traces(app, FISCAL_CODE)
    )
    result = await _erase(app)
    assert (result.left, result.hidden) == (0, 0)
    assert _traces(app, FISCAL_CODE) == []
    ids = [row.key for row in app.ledger_table.rows_by_key.values() if "buried_at" in row.values]
    after = _stored(app)
    assert after.pop("ledger") == others.pop("ledger") + len(ids)
    for name in ("message-outcomes", "ends"):  # a row of `ends` whose message is gone finds nothing when due
        after.pop(name), others.pop(name)
    assert after == others
    assert set(app.documents.blobs) == {OTHERS_BLOB, SHARED, UNEXAMINED}
    assert len(_traces(app, OTHER)) > 5


async def test_tombstone_says_no_more_than_that_the_request_was(app: FakeApp) -> None:
    """Of a message the request_id, its state, its campaign and the time of the erasure are left."""
    await app.accepted()
    await _erase(app)
    (row,) = app.ledger_table.rows_by_key.values()
    assert row.values == {"state": "ACCEPTED", "campaign": "tari 2026", "buried_at": app.clock()}
    assert await app.ledger.get("r-1") is None
    assert [one async for one in app.ledger.pending()] == []
    assert [one async for one in app.ledger.columns("state", campaign="tari 2026")] == []


async def test_erased_request_is_not_sent_again(app: FakeApp) -> None:
    """An erased request that is put again, as it was or changed, is dropped, and nothing of it stays."""
    await app.accepted()
    await _erase(app)
    for body in (a_body(), a_body(fiscal_code=OTHER)):
        await app.queues.put(MESSAGE_REQUESTS, body)
        await app.queues.put(poison(MESSAGE_REQUESTS), body)
    await app.run()
    assert len(app.io.sent) == 1
    assert (_traces(app, FISCAL_CODE), app.parked_table.rows_by_key) == ([], {})


async def test_waiting_message_does_not_leave(app: FakeApp) -> None:
    """A message that waits to be sent ends as skipped, which is published; its reference does nothing."""
    await app.check(a_body())
    (reference,) = app.queues.bodies(MESSAGE_SENDS)
    await _erase(app)
    await app.queues.put(MESSAGE_SENDS, reference)
    await app.run()
    assert app.io.sent == []
    assert [(one["id"], one["data"]["reason"]) for one in app.events()] == [("r-1/0/skipped", ERASED)]
    assert app.parked_table.rows_by_key == {}


async def test_worker_that_holds_a_request_loses_it(app: FakeApp) -> None:
    """A worker that read the request before the erasure cannot claim it afterwards."""
    await app.check(a_body())
    entry = app.entry()
    await _erase(app)
    with pytest.raises(LostRace):
        await app.claim(entry)


async def test_message_that_is_being_sent_prevents_the_erasure(app: FakeApp) -> None:
    """While a worker may be in the POST nothing is erased, not even by force."""
    await app.check(a_body())
    await app.claim(app.entry())
    before = _stored(app)
    with pytest.raises(BeingSent) as raised:
        await _erase(app, force=True)
    assert raised.value.request_ids == ["r-1"]
    assert _stored(app) == before


async def test_doubt_prevents_the_erasure_unless_forced(app: FakeApp) -> None:
    """A message in doubt prevents the erasure; forced, it is erased, also after its worker died."""
    app.io.submitted = InDoubt(reason="timeout")
    await app.accepted()
    await app.check(a_body(request_id="r-2"))
    await app.claim(app.entry("r-2"))
    app.clock.now += LEASE + timedelta(seconds=1)
    with pytest.raises(Doubtful) as raised:
        await _erase(app)
    assert raised.value.request_ids == ["r-1", "r-2"]
    await _erase(app, force=True)
    assert _traces(app, FISCAL_CODE) == []
    assert {(await app.ledger.tombstone(name)).state for name in ("r-1", "r-2")} == {State.IN_DOUBT}  # type: ignore[union-attr]


async def test_other_forms_are_told_and_left(app: FakeApp) -> None:
    """Another omocodia form is usually another person: it is counted and left, unless all forms are meant."""
    assert VARIANT in omocodia_forms(FISCAL_CODE)
    await app.accepted(fiscal_code=VARIANT)
    found = await _erasure(app).find()
    assert (found.entries, found.other_forms) == ((), 1)
    await _erase(app)
    assert app.entry().recipient
    every = _erasure(app, with_all_forms=True)
    await every.carry_out(await every.find(), force=False)
    assert _traces(app, VARIANT) == []


async def test_message_to_another_that_names_the_person_stays(app: FakeApp) -> None:
    """A parent's message that names the child is the parent's."""
    text = f"{MARKDOWN} Per l'alunno {FISCAL_CODE}."
    body = _body("o-1", OTHER, content={"subject": "x", "markdown": text})
    await app.park(body)
    await app.queues.put(MESSAGE_REQUESTS, body)
    result = await _erase(app)
    assert (result.removed["parked"], result.removed["queued"]) == (0, 0)


async def test_document_that_others_wait_for_stays(app: FakeApp) -> None:
    """A document stays if a request to somebody else names it, though nobody has examined that request."""
    await _accepted(app, "r-1", FISCAL_CODE, BLOB, SHARED, UNEXAMINED)
    await app.queues.put(MESSAGE_REQUESTS, _body("o-1", OTHER, SHARED))
    await app.ledger.open(parse_request(_body("o-2", OTHER, UNEXAMINED)))
    await _erase(app)
    assert set(app.documents.blobs) == {OTHERS_BLOB, SHARED, UNEXAMINED}


async def test_document_of_a_message_never_examined_goes(app: FakeApp) -> None:
    """The documents of a request that is still on its queue go with it."""
    await app.queues.put(MESSAGE_REQUESTS, _body("r-1", FISCAL_CODE, BLOB))
    await _erase(app)
    assert BLOB not in app.documents.blobs


async def test_notice_that_another_carried_keeps_its_settlement(app: FakeApp) -> None:
    """A notice of two persons stays settled for the other, without the erased request."""
    await app.accepted(content=payment())
    await app.accepted("o-1", fiscal_code=OTHER, content=payment())
    await app.settle(json.dumps({"notice_number": NOTICE_NUMBER}))
    await _erase(app)
    assert [name async for name in app.notices.requests(NOTICE_NUMBER)] == ["o-1"]
    assert await app.notices.note(NOTICE_NUMBER, "o-2") is not None


async def test_worker_that_reads_documents_keeps_nothing_of_an_erased_request(app: FakeApp) -> None:
    """A worker that examines the documents while the person is erased leaves no remote content behind."""
    body = _body("r-1", FISCAL_CODE, BLOB)
    entry = await app.ledger.open(parse_request(body))
    await _erase(app)
    app.documents.blobs[BLOB] = PDF_A  # as the worker has read it
    with pytest.raises(LostRace):
        await examine(entry, parse_request(body), app.context)
    assert (_traces(app, FISCAL_CODE), app.tables["remotecontents"].rows_by_key) == ([], {})


async def test_reminder_on_its_way_is_refused(app: FakeApp) -> None:
    """A reminder whose worker is between decision and queue finds its tombstone."""
    entry = await app.accepted()
    entry = await app.ledger.advance(entry, Step("REMINDED", reminder="r-1:unread-1"))
    await _erase(app)
    await app.queues.put(MESSAGE_REQUESTS, a_body(request_id="r-1:unread-1", in_reply_to="r-1"))
    await app.run()
    assert (len(app.io.sent), _traces(app, FISCAL_CODE)) == (1, [])


async def test_settlement_of_an_erased_request_is_dropped(app: FakeApp) -> None:
    """A settlement that names an erased request is neither kept nor parked."""
    await app.accepted()
    await _erase(app)
    await app.settle(json.dumps({"request_id": "r-1"}))
    assert app.queues.bodies(poison(MESSAGE_SETTLED)) == []
    await app.park(json.dumps({"request_id": "r-1"}), MESSAGE_SETTLED)
    assert app.parked_table.rows_by_key == {}


async def test_following_of_an_erased_message_ends(app: FakeApp) -> None:
    """A due row that a worker puts after the erasure goes at the next tick, and IO is not asked."""
    await app.accepted()
    await _erase(app)
    assert app.due() == []
    await app.due_index.put("r-1", app.clock())
    app.io.asked.clear()
    await app.follow()
    assert (app.due(), app.io.asked) == ([], [])


async def test_hidden_message_is_told(app: FakeApp) -> None:
    """A message that nobody can read now is counted, so that the operator repeats the command later."""
    await app.queues.put(MESSAGE_REQUESTS, a_body(), delay=timedelta(minutes=5))
    assert (await _erase(app)).hidden == 1
    app.clock.advance(minutes=6)
    again = await _erase(app)
    assert (again.hidden, again.removed["queued"], _traces(app, FISCAL_CODE)) == (0, 1, [])


async def _app_with_everything() -> FakeApp:
    app = FakeApp(periods=Periods(documents=90))
    app.documents.blobs = dict.fromkeys((BLOB, SHARED), PDF_A)
    await _fill(app, FISCAL_CODE, "r", NOTICE_NUMBER, BLOB)
    return app


async def _steps_of_an_erasure() -> int:
    app = await _app_with_everything()
    before = len(app.steps.done)
    await _erase(app)
    return len(app.steps.done) - before


@pytest.mark.parametrize("part", range(5))
async def test_interrupted_erasure_is_finished_by_the_next(part: int) -> None:
    """Whatever step an erasure ends at, the next one leaves nothing, and no message has left in between."""
    steps = await _steps_of_an_erasure()
    assert steps > 80
    for step in range(part, steps, 5):
        app = await _app_with_everything()
        sent = len(app.io.sent)
        fail = app.steps.fail_before if step % 2 else app.steps.fail_after
        fail(Died() if step % 3 else Unanswered("", 500), skip=step)
        with suppress(Died, Unanswered):  # a write whose answer is lost is found to have happened
            await _erase(app)
        assert app.steps.to_come == 0
        assert (await _erase(app)).left == 0
        assert (_traces(app, FISCAL_CODE), BLOB in app.documents.blobs) == ([], False), step
        await app.run()
        assert len(app.io.sent) == sent
