"""Retention: all that is kept has an end, nothing that may still be needed goes, and no id is sent twice."""

import asyncio
from collections.abc import Awaitable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from check_status.schedule import is_over
from contract.request import parse_request
from expire.catch_up import LONGEST, catch_up
from expire.expire import ClockIsOff
from io_api.errors import InDoubt, Refused
from io_api.models import Profile
from poison.redrive import AlreadyOnItsWay, drop, redrive
from send_message.resolve_in_doubt import settle
from storage.audit import Audit
from storage.ledger import DELIVERED, GIVEN_UP, Entry, State, Step
from storage.periods import Periods
from storage.queues import MESSAGE_REQUESTS
from storage.retention import Retention, followed_until
from storage.table import Unanswered
from tests.fake_app import FakeApp
from tests.fakes import Died, FakeClock, FakeTable, seen
from tests.samples import BLOB, FISCAL_CODE, KEYS, NOTICE_NUMBER, PDF_A, a_body, payment, remote_content

PERIODS = Periods(contents=90, documents=90, parked=30, ledger=200, tombstones=200, audit=200)
SETTLED = f'{{"notice_number": "{NOTICE_NUMBER}"}}'


@pytest.fixture
def app() -> FakeApp:
    return FakeApp(periods=PERIODS)


def _request(request_id: str = "r-1", **changes: Any) -> str:
    advanced = {"feature_level_type": "ADVANCED", "content": payment()}
    return a_body(request_id=request_id, **advanced | changes)


async def _paid(app: FakeApp, request_id: str = "r-1", **changes: Any) -> None:
    """Take a message to READ and PAID, where its following ends."""
    await app.check(_request(request_id, **changes))
    for body in app.queues.take("message-sends"):
        await app.send(body)
    app.io.status = seen("PROCESSED", "READ", "PAID")
    app.clock.advance(minutes=1)
    await app.follow()
    assert app.due() == []


async def _pass(app: FakeApp, days: float) -> None:
    """Let days pass, and then two ticks: the first leaves a second row of one request to the other."""
    app.clock.advance(days=days)
    await app.expire()
    await app.expire()


async def _is_buried(app: FakeApp, request_id: str = "r-1") -> bool:
    return await app.ledger.tombstone(request_id) is not None


def _index(app: FakeApp) -> list[str]:
    return sorted(key[3:] for partition, key in app.ends_table.rows_by_key if partition != "control")


def _kept(app: FakeApp) -> dict[str, int]:
    """The number of rows of each table, without control rows and keys."""
    counts = {name: len(table.rows_by_key) for name, table in app.tables.items()}
    counts["ends"], counts["due"] = len(_index(app)), len(app.due())
    counts["audit"] = 0
    return {name: count for name, count in counts.items() if count}


async def test_message_that_was_read_and_paid_becomes_a_tombstone(app: FakeApp) -> None:
    """At the end of its row nothing about the person is left, in any table, but the id and the state are."""
    await _paid(app)
    await _pass(app, 199)
    assert app.entry().recipient
    await _pass(app, 1)
    (row,) = app.ledger_table.rows_by_key.values()
    assert (row.key, row.values["state"], set(row.values)) == (
        "r-1",
        "PAID",
        {"state", "campaign", "buried_at"},
    )
    assert _kept(app) == {"ledger": 1, "ends": 1}


async def test_tombstone_goes_at_its_end(app: FakeApp) -> None:
    """After the last period nothing is left of a message, and its id is free again."""
    await _paid(app)
    await _pass(app, 201)
    await _pass(app, 198)
    assert _kept(app) == {"ledger": 1, "ends": 1}
    await _pass(app, 2)
    assert _kept(app) == {}


@pytest.mark.parametrize("changes", [{}, {"campaign": "altra"}])
async def test_repeated_request_of_a_tombstone_is_not_sent(app: FakeApp, changes: dict[str, Any]) -> None:
    """A request with the id of a tombstone sends nothing, whatever its content, and is not parked."""
    await _paid(app)
    await _pass(app, 201)
    await app.queues.put(MESSAGE_REQUESTS, _request(**changes))
    await app.run()
    assert len(app.io.sent) == 1
    assert app.parked_table.rows_by_key == {}
    assert await _is_buried(app)


@pytest.mark.parametrize("profile", [None, Profile(sender_allowed=False)])
async def test_skipped_request_goes(app: FakeApp, profile: Profile | None) -> None:
    """A request that was never sent has its row in the index as soon as it ends."""
    app.io.profile = profile
    await app.check(_request())
    assert app.entry().state == "SKIPPED"
    await _pass(app, 201)
    assert await _is_buried(app)
    await _pass(app, 200)
    assert _kept(app) == {}


async def test_what_has_not_ended_is_kept(app: FakeApp) -> None:
    """A request in doubt, one that waits and one that is followed stay for ten years of ticks."""
    await app.accepted("r-accepted")
    app.io.submitted = InDoubt(reason="timeout")
    await app.accepted("r-in-doubt")
    await app.ledger.advance(await _opened(app, "r-waits"), Step("DEFERRED", "rate_limited"))
    await _opened(app, "r-new")
    for _ in range(40):
        await _pass(app, 91)
    for name in ("r-accepted", "r-in-doubt", "r-waits", "r-new"):
        assert app.entry(name).sealed_fiscal_code, name
    assert all(app.entry(name).body for name in ("r-in-doubt", "r-waits", "r-new"))


async def _opened(app: FakeApp, request_id: str) -> Entry:
    return await app.ledger.open(parse_request(a_body(request_id=request_id), services=app.io.services))


async def test_later_due_date_keeps_the_message(app: FakeApp) -> None:
    """A message whose due date is after the period may still be paid: it is kept while it is followed."""
    due = app.clock() + timedelta(days=300)
    await _paid(app, content=payment() | {"due_date": due.isoformat()})
    await _pass(app, 308)
    assert not await _is_buried(app)
    await _pass(app, 2)
    assert await _is_buried(app)


async def test_message_with_reminders_to_come_is_kept(app: FakeApp) -> None:
    """As long as a reminder may be sent, neither the body nor the row goes."""
    await _paid(app)
    entry = await app.ledger.advance(app.entry(), may_remind=True, body={"body0": b"sealed"})
    await _pass(app, 150)
    await _pass(app, 150)
    assert app.entry().body
    await app.ledger.advance(app.entry(), may_remind=False)
    await _pass(app, 31)
    assert await _is_buried(app, entry.request_id)


async def test_reminder_is_kept_as_long_as_its_message_needs_it(app: FakeApp) -> None:
    """The reminder timer sends a reminder again whose row is gone, so the row outlives the timer's need."""
    await _paid(app)
    await app.ledger.advance(app.entry(), may_remind=True)
    await _paid(app, "r-1:unread-1", in_reply_to="r-1")
    await _pass(app, 300)
    assert not await _is_buried(app, "r-1:unread-1")
    await app.ledger.advance(app.entry(), may_remind=False)
    await _pass(app, 31)
    await _pass(app, 31)
    assert await _is_buried(app, "r-1:unread-1")


async def test_body_of_an_ended_request_goes_first(app: FakeApp) -> None:
    """A body that nobody needs goes at the end of its own period; the row stays."""
    await _paid(app)
    await app.ledger.advance(app.entry(), body={"body0": b"sealed"})
    await app.retention.begin(app.entry(), app.clock())
    await _pass(app, 89)
    assert app.entry().body
    await _pass(app, 1)
    assert app.entry().body == {}


async def test_message_without_ios_id_ends(app: FakeApp) -> None:
    """A message that cannot be followed has its end from its acceptance."""
    app.io.submitted = None
    await app.accepted()
    assert (app.due(), _index(app)) == ([], ["r-1"])
    await _pass(app, 201)
    assert await _is_buried(app)


async def test_unconfirmed_message_ends(app: FakeApp) -> None:
    """A message that IO never confirmed ends once its following has."""
    await app.accepted()
    app.io.status = seen("ACCEPTED")
    for _ in range(80):
        app.clock.advance(days=1)
        await app.follow()
    assert app.entry().has("UNCONFIRMED")
    await _pass(app, 125)
    assert await _is_buried(app)


async def test_parked_message_goes_when_nobody_decides(app: FakeApp) -> None:
    """A parked request loses its parked copy and its body, then its row; each at its own end."""
    app.io.submitted = Refused(reason="invalid_message", status=400)
    await app.queues.put(MESSAGE_REQUESTS, _request())
    await app.run()
    assert len(app.parked_table.rows_by_key) == 1
    await _pass(app, 29)
    assert (len(app.parked_table.rows_by_key), bool(app.entry().body)) == (1, True)
    await _pass(app, 1)
    await _pass(app, 1)
    assert (app.parked_table.rows_by_key, app.entry().body) == ({}, {})
    await _pass(app, 170)
    assert await _is_buried(app)
    await _pass(app, 201)
    assert _kept(app) == {}


async def test_parked_body_without_a_request_goes(app: FakeApp) -> None:
    """An invalid body is parked under a name of its own, and goes like any other."""
    await app.park("not json")
    await _pass(app, 29)
    assert len(app.parked_table.rows_by_key) == 1
    await _pass(app, 1)
    await _pass(app, 0.1)
    assert _kept(app) == {}


async def test_dropped_request_ends_too(app: FakeApp) -> None:
    """What an operator dropped leaves a row, which ends."""
    app.io.submitted = Refused(reason="invalid_message", status=400)
    await app.queues.put(MESSAGE_REQUESTS, _request())
    await app.run()
    (message,) = await app.parked.find("r-1")
    await drop(message, app.stores)
    await _pass(app, 31)
    await _pass(app, 170)
    assert await _is_buried(app)


async def test_message_parked_again_waits_again(app: FakeApp) -> None:
    """The period of a parked message counts from the last time it was parked."""
    await app.park("not json")
    app.clock.advance(days=20)
    await app.park("not json")
    await _pass(app, 29)
    assert len(app.parked_table.rows_by_key) == 1
    await _pass(app, 1)
    assert app.parked_table.rows_by_key == {}


async def test_redrive_after_the_end_reopens_nothing(app: FakeApp) -> None:
    """An operator who read the list before the end gets no request without a body onto the queue."""
    app.io.submitted = Refused(reason="invalid_message", status=400)
    await app.queues.put(MESSAGE_REQUESTS, _request())
    await app.run()
    (message,) = await app.parked.find("r-1")
    await _pass(app, 30)
    await _pass(app, 0.1)
    with pytest.raises(AlreadyOnItsWay):
        await redrive(message, app.stores)
    assert app.entry().state in GIVEN_UP
    assert app.queues.bodies(MESSAGE_REQUESTS) == []


async def test_settlement_of_an_unknown_notice_goes(app: FakeApp) -> None:
    """A settlement is kept for requests to come, for the period of the ledger from when it was told."""
    await app.settle(SETTLED)
    app.clock.advance(days=100)
    await app.settle(SETTLED)
    await _pass(app, 150)
    assert len(app.notices_table.rows_by_key) == 1
    await _pass(app, 50)
    assert _kept(app) == {}


async def test_settlement_ahead_of_its_request_goes(app: FakeApp) -> None:
    """A settlement in the place of a request that never came is removed; its id is free."""
    await app.settle('{"request_id": "r-9"}')
    await _pass(app, 199)
    assert len(app.ledger_table.rows_by_key) == 1
    await _pass(app, 1)
    assert app.ledger_table.rows_by_key == {}


async def test_settlement_outlives_the_request_that_it_reached(app: FakeApp) -> None:
    """The notice's guard loses the request's id with the request, and the settlement with its own end."""
    await _paid(app)
    app.clock.advance(days=100)
    await app.settle(SETTLED)
    await _pass(app, 100)
    (guard,) = app.notices_table.rows_by_key.values()
    assert set(guard.values) == {"paid_at", "told_at"}
    await _pass(app, 100)
    assert app.notices_table.rows_by_key == {}


async def test_settlement_of_a_tombstone_changes_nothing(app: FakeApp) -> None:
    """Nobody waits for news of a message that is forgotten, and the tombstone does not grow."""
    await _paid(app)
    await _pass(app, 201)
    before, told = dict(app.ledger_table.rows_by_key), app.told()
    await app.settle('{"request_id": "r-1"}')
    assert (app.ledger_table.rows_by_key, app.told()) == (before, told)
    assert app.queues.messages.get("message-settled-poison") is None


async def test_places_of_reminder_days_go_with_the_message(app: FakeApp) -> None:
    """The citizen's hash in the counts of reminders goes with the row of the message; later days stay."""
    await _paid(app)
    entry = await app.ledger.advance(app.entry(), Step("REMINDED", reminder="r-1:unread-1"))
    await app.days.take(entry.recipient, app.clock().date(), 2, reminder="r-1:unread-1")
    later = app.clock().date() + timedelta(days=195)
    await app.days.take(entry.recipient, later, 2, reminder="r-2:unread-1")
    await _pass(app, 201)
    assert [key for _, key in app.tables["reminderdays"].rows_by_key] == [f"{later:%Y%m%d}-0"]


async def test_places_of_an_entry_of_before_the_index_key_go(app: FakeApp) -> None:
    """Reminders count under the citizen's present hash, also where the message has an older one."""
    await _paid(app)
    entry = await app.ledger.advance(app.entry(), Step("REMINDED", reminder="r-1:unread-1"))
    await app.days.take(app.ledger.recipient_of(entry), app.clock().date(), 2, reminder="r-1:unread-1")
    await app.ledger.advance(entry, recipient="0" * 64)
    await _pass(app, 201)
    assert await _is_buried(app)
    assert app.tables["reminderdays"].rows_by_key == {}


async def test_actions_of_operators_go(app: FakeApp) -> None:
    """Actions are kept for their period, and the chain of the others is whole."""
    audit = Audit(app.tables["audit"], "operator", app.clock)
    await audit.record("drop", "r-1")
    app.clock.now = app.clock.now.replace(hour=0) + timedelta(days=199)
    await app.expire()
    await audit.record("drop", "r-2")
    assert [row["target"] async for row in audit.rows()] == ["r-1", "r-2"]
    await _pass(app, 2)
    assert [row["target"] async for row in audit.rows()] == ["r-2"]
    assert (await audit.verify()).reason is None


@pytest.mark.parametrize(
    "off", [timedelta(hours=1), timedelta(days=366), -timedelta(hours=1), -timedelta(days=366)]
)
async def test_host_whose_clock_is_off_removes_nothing(app: FakeApp, off: timedelta) -> None:
    """Storage's own time counts: a clock that is off by an hour or a year ends nothing, and moves nothing."""
    await _paid(app)
    before = {name: dict(table.rows_by_key) for name, table in app.tables.items() if name != "ends"}
    app.storage_clock = FakeClock(app.clock())
    app.clock.now += off
    with pytest.raises(ClockIsOff):
        await app.expire()
    assert {name: dict(table.rows_by_key) for name, table in app.tables.items() if name != "ends"} == before
    app.clock.now -= off
    await app.expire()
    assert not await _is_buried(app)


async def test_clock_that_jumps_during_the_tick_ends_nothing_early(app: FakeApp) -> None:
    """The time of a tick is read once: what becomes due by a jump is put back where it was."""
    await _paid(app)
    app.steps.do_before(lambda: app.clock.advance(days=3650), skip=12)
    await app.expire()
    assert not await _is_buried(app)
    app.clock.now -= timedelta(days=3650)
    assert _index(app) == ["r-1"]


async def _with_everything() -> FakeApp:
    """A message with notice, documents and reminder that has ended, a parked body and a settlement."""
    app = FakeApp(periods=PERIODS)
    app.documents.blobs = {BLOB: PDF_A}
    await _paid(app, remote_content=remote_content(BLOB))
    entry = await app.ledger.advance(app.entry(), Step("REMINDED", reminder="r-1:unread-1"))
    await app.days.take(entry.recipient, app.clock().date(), 2, reminder="r-1:unread-1")
    await app.park("not json")
    await app.settle('{"request_id": "r-9"}')
    app.clock.advance(days=201)
    return app


async def _steps_of_a_tick() -> int:
    app = await _with_everything()
    before = len(app.steps.done)
    await app.expire()
    return len(app.steps.done) - before


TICK_STEPS = 54


async def test_every_step_of_the_tick_is_died_at() -> None:
    """The deaths below reach every step of a tick that removes one of each kind."""
    assert await _steps_of_a_tick() == TICK_STEPS


@pytest.mark.parametrize("lost_answer", [False, True])
@pytest.mark.parametrize("step", range(TICK_STEPS))
async def test_death_at_any_step_is_made_up_for(step: int, lost_answer: bool) -> None:
    """Whichever step of a tick is the last, the ticks after it remove all that ended, and nothing else."""
    app = await _with_everything()
    inject = app.steps.fail_after if lost_answer else app.steps.fail_before
    inject(Died(), skip=step)
    with suppress(Died, BaseExceptionGroup):
        await app.expire()
    assert app.steps.to_come == 0
    for _ in range(3):
        await _pass(app, 1)
    assert await _is_buried(app)
    assert _kept(app) == {"ledger": 1, "ends": 1}
    assert app.documents.blobs == {}
    await _pass(app, 200)
    assert _kept(app) == {}


@pytest.mark.parametrize("step", range(TICK_STEPS))
async def test_storage_that_is_gone_in_the_middle_loses_nothing(step: int) -> None:
    """Whichever call gets no answer, a later tick ends what this one left."""
    app = await _with_everything()
    app.steps.fail_after(Unanswered(), skip=step)
    with suppress(Unanswered, ExceptionGroup):
        await app.expire()
    for _ in range(3):
        await _pass(app, 1)
    assert _kept(app) == {"ledger": 1, "ends": 1}


async def test_two_hosts_remove_each_thing_once() -> None:
    """A second host finds the index leased, and its catch-up puts nothing that is not there."""
    app = await _with_everything()
    await asyncio.gather(app.expire(), app.expire())
    await _pass(app, 0.1)
    assert _kept(app) == {"ledger": 1, "ends": 1}


@pytest.mark.parametrize("step", range(10))
@pytest.mark.parametrize("lost_answer", [False, True])
async def test_death_at_the_end_of_following_loses_no_end(app: FakeApp, step: int, lost_answer: bool) -> None:
    """A message leaves the due index only when the index of ends has it."""
    await app.check(_request())
    for body in app.queues.take("message-sends"):
        await app.send(body)
    app.io.status = seen("PROCESSED", "READ", "PAID")
    app.clock.advance(minutes=1)
    inject = app.steps.fail_after if lost_answer else app.steps.fail_before
    inject(Died(), skip=step)
    with suppress(Died, BaseExceptionGroup):
        await app.follow()
    assert app.due() or _index(app) == ["r-1"]


async def test_rows_of_an_earlier_version_are_found(app: FakeApp) -> None:
    """The catch-up gives every ended request, parked message and settlement an end, without a command."""
    await _paid(app)
    await app.park("not json")
    await app.settle('{"request_id": "r-9"}')
    app.ends_table.rows_by_key.clear()
    app.clock.advance(days=201)
    await app.expire()
    await _pass(app, 0.1)
    assert await _is_buried(app)
    assert _kept(app) == {"ledger": 1, "ends": 1}


async def test_notice_of_a_request_of_an_earlier_version_is_found(app: FakeApp) -> None:
    """A row that does not name its notice loses it by one of the sixteen passes after its own end."""
    app.retention = Retention(app.retention.index, Periods(tombstones=3650))
    await _paid(app)
    await app.ledger.advance(app.entry(), notice=None)
    await _pass(app, 366)
    assert await _is_buried(app)
    for _ in range(17):
        await _pass(app, 30)
    assert app.notices_table.rows_by_key == {}


async def test_shorter_period_reaches_what_was_kept_before(app: FakeApp) -> None:
    """When the periods change, the catch-up begins anew, so a shorter period counts at once."""
    await _paid(app)
    await app.expire()
    app.retention = Retention(app.retention.index, Periods(contents=90, parked=30, ledger=90, tombstones=400))
    await _pass(app, 92)
    assert await _is_buried(app)


async def _eight_without_index(app: FakeApp) -> None:
    """Let eight requests have ended long ago, and their rows in the index be missing."""
    app.io.profile = None
    for number in range(8):
        await app.check(a_body(request_id=f"r-{number}"))
    app.ends_table.rows_by_key.clear()
    app.clock.advance(days=190)


async def test_catch_up_goes_on_where_it_was(app: FakeApp) -> None:
    """A pass over more rows than one tick looks at takes as many ticks as it needs, and skips none."""
    await _eight_without_index(app)
    found = []
    for _ in range(4):
        await catch_up(app.context, app.clock(), most=3)
        found.append(len(_index(app)))
    assert found == [3, 6, 8, 8]
    assert app.ends_table.rows_by_key["control", "catch-up"].values["table"] == ""


async def test_accepted_message_that_nobody_follows_is_followed_again(app: FakeApp) -> None:
    """If `in-doubt settle` dies between the ledger and the indexes, the message still gets to its end."""
    app.io.submitted = InDoubt(reason="timeout")
    await app.check(_request())
    await app.send(app.queues.take("message-sends")[0])
    app.steps.fail_after(Died(), skip=0)
    with suppress(Died):
        await settle(app.entry(), app.stores, {}, accepted=True, message_id="M-1")
    assert (app.entry().state, app.due()) == (State.ACCEPTED, [])
    app.io.status = seen("PROCESSED", "READ", "PAID")
    await _pass(app, 2)
    await app.follow()
    assert app.entry().state is State.PAID
    await _pass(app, 201)
    assert await _is_buried(app)


async def test_catch_up_leaves_time_for_what_is_due(app: FakeApp) -> None:
    """With a slow storage account a tick looks at fewer rows, and the next goes on there."""
    await _eight_without_index(app)
    app.steps.do_before(lambda: app.clock.advance(seconds=LONGEST.total_seconds()), skip=4)
    await catch_up(app.context, app.clock())
    assert 0 < len(_index(app)) < 8
    await catch_up(app.context, app.clock())
    assert len(_index(app)) == 8


async def test_pass_longer_than_a_month_reaches_the_last_row(app: FakeApp) -> None:
    """A pass over more rows than a month has ticks for goes on to its end before the next begins."""
    await _eight_without_index(app)
    for _ in range(3):
        await catch_up(app.context, app.clock(), most=3)
        app.clock.advance(days=16)
    assert len(_index(app)) == 8


@pytest.mark.parametrize("due", [None, 10, 59, 60, 400])
@pytest.mark.parametrize("state", [State.ACCEPTED, *sorted(DELIVERED)])
def test_no_message_is_followed_for_longer(state: State, due: int | None) -> None:
    """Following is over by the time that retention counts with, whatever the state and the due date."""
    at = datetime(2026, 1, 1, tzinfo=UTC)
    history = ({"at": at.isoformat(), "what": "ACCEPTED"},)
    entry = Entry(
        "r-1", state, "default", "ADVANCED", "", b"", "", at, at, at, message_id="m", history=history
    )
    if due:
        entry = replace(entry, has_payment=True, due_date=at + timedelta(days=due))
    assert is_over(entry, followed_until(entry) + timedelta(seconds=1))


async def test_nothing_personal_is_in_the_index(app: FakeApp) -> None:
    """The index holds request_ids and hashes, no fiscal code and no notice."""
    await _paid(app)
    await app.settle(SETTLED)
    await app.park(_request("r-2") + "broken")
    text = " ".join(f"{partition} {key}" for partition, key in app.ends_table.rows_by_key)
    assert FISCAL_CODE not in text
    assert NOTICE_NUMBER not in text
    assert isinstance(app.ends_table, FakeTable)


async def _transactions(app: FakeApp, work: Awaitable[None]) -> int:
    before = len(app.steps.done)
    await work
    done = [step for step in app.steps.done[before:] if not step.startswith(("io.", "documents."))]
    return len([step for step in done if not _is_of_the_tick(step)])


def _is_of_the_tick(step: str) -> bool:
    """Whether all messages of a tick share it: the lease of the due index, and the query of what is due."""
    return step in ("due.get", "due.insert", "due.rows", "due.replace")


async def test_end_of_following_costs_no_transaction_more(app: FakeApp) -> None:
    """Seven transactions from the request to its outcome, and seven from there to READ, PAID and its end."""
    await app.queues.put(MESSAGE_REQUESTS, _request())
    further_keys = len(KEYS) - 1  # each costs a read of the notice (docs/decisions/0015)
    assert await _transactions(app, app.run()) == 7 + further_keys
    app.io.status = seen("PROCESSED", "READ", "PAID")
    app.clock.advance(minutes=1)
    assert await _transactions(app, app.follow()) == 7
    assert _index(app) == ["r-1"]


async def test_skipped_request_costs_one_transaction_more(app: FakeApp) -> None:
    """Its row in the index is the fourth."""
    app.io.profile = None
    await app.queues.put(MESSAGE_REQUESTS, a_body())
    assert await _transactions(app, app.run()) == 4


async def test_counts_do_not_shrink(app: FakeApp) -> None:
    """What is counted of a request outlives its row and its tombstone."""
    await _paid(app)
    await app.stores.counters.flush()
    before = [(one.group, one.sums.numbers) for one in await app.stores.counters.read()]
    await _pass(app, 201)
    await _pass(app, 200)
    assert app.ledger_table.rows_by_key == {}
    await app.stores.counters.flush()
    assert [(one.group, one.sums.numbers) for one in await app.stores.counters.read()] == before


async def test_tombstone_of_an_erasure_goes_too(app: FakeApp) -> None:
    """A tombstone that has no row in the index is found by the catch-up before its end."""
    await app.ledger.bury(await app.accepted())
    for _ in range(8):
        await _pass(app, 31)
    assert app.ledger_table.rows_by_key == {}
