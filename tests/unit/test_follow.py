"""Following: a poll, its record, the next poll; a crash between any two steps loses nothing."""

import logging
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import pytest

from check_status.schedule import GRACE, HORIZON
from io_api.errors import (
    IoError,
    MessageNotFound,
    Misconfigured,
    PaymentLookupFailed,
    RateLimited,
    Suspended,
    Unavailable,
    Unreachable,
)
from io_api.models import MessageStatus
from io_api.tick_backoff import LONGEST_DELAY, SHORTEST_DELAY
from storage.due_processing import CONCURRENCY
from storage.ledger import State
from storage.queues import MESSAGE_OUTCOMES
from storage.table import Changed, Unanswered
from tests.fake_app import FakeApp
from tests.fakes import Died, seen
from tests.samples import FISCAL_CODE, payment, personal_data_in

TICK = timedelta(minutes=5)


@pytest.fixture
async def app() -> FakeApp:
    """Return an app with one Premium message with a notice, accepted and due, and with empty queues."""
    app = FakeApp()
    await app.accepted(feature_level_type="ADVANCED", content=payment())
    app.queues.messages.clear()
    app.io.asked.clear()
    app.clock.now += TICK
    return app


def _next_tick(app: FakeApp) -> None:
    """Advance to the first tick of the timer at which a message is due."""
    due_at = app.due_entries()[0].due_at
    while app.clock() < due_at:
        app.clock.now += TICK


async def _tick(app: FakeApp, *answer: str | None) -> None:
    app.io.status = seen(*answer)
    await app.follow()


async def test_due_message_is_asked_for_with_its_own_key(app: FakeApp) -> None:
    """IO is asked for the message's id, with its citizen's fiscal code and its service's key."""
    await _tick(app, "PROCESSED", "UNREAD", "NOT_PAID")
    assert app.io.asked == [("message", FISCAL_CODE, "01JWCZ5V6Q4M3N2P1R0T9S8W7X", "default")]


async def test_delivery_is_written_told_and_followed_on(app: FakeApp) -> None:
    """A processed Premium message changes its state, is published, and stays followed."""
    await _tick(app, "PROCESSED", "UNREAD", "NOT_PAID")
    entry = app.entry()
    assert (entry.state, entry.status, entry.read_status) == (State.PROCESSED, "PROCESSED", "UNREAD")
    assert (app.told(), len(app.due())) == (["r-1/0/processed"], 1)
    assert list(app.queues.messages) == [MESSAGE_OUTCOMES]


async def test_everything_seen_at_once_is_told_in_order_and_ends_the_following(app: FakeApp) -> None:
    """Changes found by one poll are published in order; a message both read and paid is followed no more."""
    await _tick(app, "PROCESSED", "READ", "PAID")
    assert app.told() == ["r-1/0/processed", "r-1/0/read", "r-1/0/paid"]
    assert app.due() == []
    assert app.history()[-3:] == ["PROCESSED", "READ", "PAID"]


async def test_message_not_due_is_not_asked_for(app: FakeApp) -> None:
    """A tick polls due messages only."""
    await _tick(app, "PROCESSED", "UNREAD", "NOT_PAID")
    app.io.asked.clear()
    await _tick(app, "PROCESSED", "READ", "PAID")
    assert app.io.asked == []


async def test_payment_seen_before_reading_is_not_the_end(app: FakeApp) -> None:
    """PAID may come before READ: READ is still awaited, and PAID stays."""
    await _tick(app, "PROCESSED", "UNREAD", "PAID")
    app.clock.advance(days=1)
    await _tick(app, "PROCESSED", "READ", "NOT_PAID")
    entry = app.entry()
    assert (entry.state, entry.read_status, entry.payment_status) == (State.PAID, "READ", "PAID")
    assert app.told() == ["r-1/0/processed", "r-1/0/paid", "r-1/0/read"]
    assert app.due() == []


async def test_unavailable_is_told_and_followed_on(app: FakeApp) -> None:
    """UNAVAILABLE is not UNREAD: each change to it is published, and the message stays followed."""
    for word in ("UNAVAILABLE", "UNREAD", "UNAVAILABLE", "READ"):
        _next_tick(app)
        await _tick(app, "PROCESSED", word, "NOT_PAID")
    assert [told for told in app.told() if "read" in told] == [
        "r-1/0/read_unavailable",
        "r-1/1/read_unavailable",
        "r-1/0/read",
    ]
    assert app.entry().read_status == "READ"


async def test_standard_message_ends_with_its_delivery() -> None:
    """A STANDARD message is no longer followed once it is delivered."""
    app = FakeApp()
    await app.accepted()
    app.clock.now += TICK
    await _tick(app, "PROCESSED")
    assert (app.told()[-1], app.due()) == ("r-1/0/processed", [])


@pytest.mark.parametrize("word", ["REJECTED", "FAILED"])
async def test_undelivered_message_is_told_and_over(app: FakeApp, word: str) -> None:
    """A message that IO did not deliver is published and no longer followed."""
    await _tick(app, word)
    assert (app.told(), app.due()) == ([f"r-1/0/{word.lower()}"], [])
    assert app.entry().state == word


async def test_message_that_io_still_works_on_is_followed_on(app: FakeApp) -> None:
    """A message that IO is still processing is polled again, and no outcome is published."""
    await _tick(app, "ACCEPTED")
    assert (app.told(), len(app.due()), app.entry().status) == ([], 1, "ACCEPTED")
    await _tick(app, "ACCEPTED")
    assert app.entry().state is State.ACCEPTED


async def test_same_answer_again_writes_nothing(app: FakeApp) -> None:
    """A poll without news writes and publishes nothing, and its message stays due."""
    await _tick(app, "PROCESSED", "UNREAD", "NOT_PAID")
    before, told = app.entry(), app.told()
    app.clock.advance(days=1)
    await _tick(app, "PROCESSED", "UNREAD", "NOT_PAID")
    assert (app.entry(), app.told(), len(app.due())) == (before, told, 1)


def _limited(retry_after: float) -> IoError:
    error = RateLimited(reason="rate_limited", status=429)
    error.retry_after = retry_after
    return error


@pytest.mark.parametrize(
    "error",
    [
        PaymentLookupFailed(reason="payment_lookup_failed", status=500),
        Unavailable(reason="timeout"),
        Misconfigured(reason="invalid_key", status=401),
        _limited(30),
    ],
)
async def test_poll_without_an_answer_keeps_the_status(
    app: FakeApp, error: IoError, caplog: pytest.LogCaptureFixture
) -> None:
    """When IO fails, as it does when pagoPA does, the known status stays and the message is polled again."""
    await _tick(app, "PROCESSED", "READ", "NOT_PAID")
    known, told = app.entry(), app.told()
    app.clock.advance(days=1)
    app.io.status = error
    await app.follow()
    assert (app.entry(), app.told(), len(app.due())) == (known, told, 1)
    levels = [(record.levelno, record.name) for record in caplog.records]
    assert levels == [(logging.WARNING, "check_status.follow")]
    assert f"request_id=r-1 reason={error.reason}" in caplog.text


@pytest.mark.parametrize("error", [Misconfigured(reason="invalid_key", status=401), _limited(3)])
async def test_poll_that_was_not_made_is_made_later(app: FakeApp, error: IoError) -> None:
    """A call that was not made does not use up a poll: the message is polled a few ticks later."""
    app.io.status = error
    await app.follow()
    app.clock.now += 2 * LONGEST_DELAY
    await _tick(app, "PROCESSED", "READ", "PAID")
    assert (app.told()[-1], app.due()) == ("r-1/0/paid", [])


async def test_service_that_cannot_be_asked_is_not_asked_again_in_the_tick() -> None:
    """One wrong key costs one round of calls, and the messages of another service are polled."""
    app = FakeApp()
    for number in range(40):
        await app.accepted(f"r-{number}", service="tributi" if number % 2 else "default")
    app.io.asked.clear()
    app.clock.now += TICK
    app.io.failing = {"tributi": Misconfigured(reason="invalid_key", status=401)}
    await _tick(app, "PROCESSED")
    asked = [call[-1] for call in app.io.asked]
    assert asked.count("default") == 20
    assert asked.count("tributi") <= CONCURRENCY
    assert len(app.due()) == 20


async def test_short_pause_is_over_soon(app: FakeApp) -> None:
    """A message of a service that was just paused is polled again within minutes."""
    await app.accepted()
    app.clock.advance(minutes=1)
    app.io.status = Suspended(reason="paused")
    await app.follow()
    app.clock.now += 2 * SHORTEST_DELAY
    app.io.status = seen("PROCESSED")
    await app.follow()
    assert app.entry().state is State.PROCESSED


async def test_put_off_messages_come_back_spread_out() -> None:
    """Messages that were postponed together are not due together again."""
    app = FakeApp()
    for number in range(40):
        await app.accepted(f"r-{number}")
    app.clock.now += TICK
    app.io.status = Unreachable(reason="unreachable")
    await app.follow()
    times = [due.due_at for due in app.due_entries()]
    assert app.clock() + SHORTEST_DELAY <= min(times) + timedelta(seconds=1)
    assert SHORTEST_DELAY * 2 / 3 < max(times) - min(times) < SHORTEST_DELAY


async def test_message_that_io_does_not_know_is_an_alarm(
    app: FakeApp, caplog: pytest.LogCaptureFixture
) -> None:
    """A 404 is logged as an error, because IO accepted the message, and the message stays followed."""
    app.io.status = MessageNotFound(reason="message_not_found", status=404)
    await app.follow()
    (record,) = caplog.records
    assert (record.levelno, record.getMessage()) == (
        logging.ERROR,
        "status unknown request_id=r-1 reason=message_not_found",
    )
    assert len(app.due()) == 1


async def test_message_that_io_does_not_know_has_one_line_of_it(app: FakeApp) -> None:
    """The history records the 404 once, however often IO repeats it, and no outcome is published."""
    app.io.status = MessageNotFound(reason="message_not_found", status=404)
    for _ in range(3):
        _next_tick(app)
        await app.follow()
    line = app.entry().last_step
    assert (line["what"], line["reason"], line["http_status"]) == ("MISSING", "message_not_found", 404)
    assert app.history().count("MISSING") == 1
    assert (app.entry().state, app.told()) == (State.ACCEPTED, [])
    _next_tick(app)
    await _tick(app, "PROCESSED", "READ", "PAID")
    assert app.told() == ["r-1/0/processed", "r-1/0/read", "r-1/0/paid"]


@pytest.mark.parametrize("retry_after", [0, 0.2])
async def test_message_looked_at_in_the_second_it_is_due_stays_followed(retry_after: float) -> None:
    """A message whose postponed poll falls in the same second stays due."""
    app = FakeApp()
    await app.accepted()
    app.clock.advance(seconds=10)
    app.io.status = _limited(retry_after)
    await app.follow()
    assert len(app.due()) == 1


async def test_following_ends_at_its_horizon(app: FakeApp) -> None:
    """A message that is never read is no longer followed after the horizon."""
    await _tick(app, "PROCESSED", "UNREAD", "NOT_PAID")
    app.clock.advance(days=HORIZON.days + 1)
    await app.follow()
    assert app.due() == []


@pytest.mark.parametrize(
    "error", [Unavailable(reason="timeout"), Unreachable(reason="unreachable"), _limited(1)]
)
async def test_following_ends_at_its_horizon_when_io_never_answers(app: FakeApp, error: IoError) -> None:
    """A message that IO never answers for is no longer followed after the horizon and its grace."""
    app.io.status = error
    app.clock.now += HORIZON + GRACE + TICK
    await app.follow()
    assert app.due() == []


@pytest.mark.parametrize("answer", [seen("ACCEPTED"), Unavailable(reason="timeout")])
async def test_message_that_io_never_confirms_is_told_once(
    app: FakeApp, answer: MessageStatus | IoError
) -> None:
    """An accepted message that IO never confirms ends with one history line and one outcome."""
    app.io.status = answer
    while app.due():
        _next_tick(app)
        await app.follow()
    assert app.clock() - app.entry().created_at < HORIZON + GRACE + timedelta(days=2)
    assert (app.history()[-1], app.entry().state) == ("UNCONFIRMED", State.ACCEPTED)
    assert app.told() == ["r-1/0/unconfirmed"]


@pytest.mark.parametrize("step", range(9))
async def test_death_while_that_is_told_repeats_it(app: FakeApp, step: int) -> None:
    """After a crash at any step of the last poll, the same event is published and the line written once."""
    app.clock.now += HORIZON + GRACE + TICK
    app.steps.fail_before(Died(), skip=step)
    with suppress(Died, BaseExceptionGroup):
        await app.follow()
    for _ in range(2):
        app.clock.now += TICK
        await app.follow()
    assert (set(app.told()), app.history().count("UNCONFIRMED")) == ({"r-1/0/unconfirmed"}, 1)
    assert app.due() == []


@pytest.mark.parametrize("state", [State.REJECTED, State.FAILED, State.PAID])
async def test_message_that_is_over_is_not_asked_for(app: FakeApp, state: State) -> None:
    """A row that a crash left for an ended message is removed without a call to IO."""
    (row,) = app.ledger_table.rows_by_key.values()
    ended = {"state": str(state), "read_status": "READ", "payment_status": "PAID"}
    app.ledger_table.rows_by_key[row.partition, row.key] = replace(row, values=dict(row.values) | ended)
    await app.follow()
    assert (app.due(), app.io.asked) == ([], [])


@pytest.mark.parametrize(
    "answer",
    [
        seen("PROCESSED", "UNREAD", "NOT_PAID"),
        seen("PROCESSED", "UNAVAILABLE", "NOT_PAID"),
        PaymentLookupFailed(reason="payment_lookup_failed", status=500),
        MessageNotFound(reason="message_not_found", status=404),
    ],
)
async def test_polls_become_rare(app: FakeApp, answer: MessageStatus | IoError) -> None:
    """A message without news costs about a dozen calls in two months."""
    app.io.status = answer
    while app.due() and len(app.io.asked) < 50:
        _next_tick(app)
        await app.follow()
    assert app.due() == []
    assert 10 < len(app.io.asked) < 22


async def test_due_row_of_an_unknown_request_goes(app: FakeApp) -> None:
    """The due row of an erased request is removed without a call to IO."""
    app.ledger_table.rows_by_key.clear()
    await app.follow()
    assert (app.due(), app.io.asked) == ([], [])


async def test_due_row_of_a_message_without_an_id_goes(app: FakeApp) -> None:
    """The due row of a message without IO's id is removed without a call to IO."""
    ((at, row),) = app.ledger_table.rows_by_key.items()
    values = {name: value for name, value in row.values.items() if name != "message_id"}
    app.ledger_table.rows_by_key[at] = replace(row, values=values)
    await app.follow()
    assert (app.due(), app.io.asked) == ([], [])


async def test_one_message_that_fails_does_not_stop_the_others() -> None:
    """A tick polls everything that is due and then raises the failures; a failed message stays due."""
    app = FakeApp()
    for number in range(5):
        await app.accepted(f"r-{number}")
    app.clock.now += TICK
    app.io.status = seen("PROCESSED")
    damaged = next(at for at in app.ledger_table.rows_by_key if at[1] == "r-2")
    row = app.ledger_table.rows_by_key[damaged]
    app.ledger_table.rows_by_key[damaged] = replace(
        row, values=dict(row.values) | {"sealed_fiscal_code": b"x"}
    )
    with pytest.raises(ExceptionGroup, match="stay due") as raised:
        await app.follow()
    assert len(raised.value.exceptions) == 1
    assert [due.partition("-")[2] for due in app.due()] == ["r-2"]
    assert sorted(told for told in app.told() if "processed" in told) == [
        f"r-{number}/0/processed" for number in (0, 1, 3, 4)
    ]


async def test_loser_of_a_race_leaves_the_message_due(app: FakeApp) -> None:
    """If another worker wrote the request during the poll, the next tick repeats the poll and the event."""
    app.io.status = seen("PROCESSED", "UNREAD", "NOT_PAID")
    app.steps.fail_before(Changed(), skip=STEPS.index("ledger.replace") - 1)
    with pytest.raises(ExceptionGroup):
        await app.follow()
    assert (app.entry().state, len(app.due()), app.told()) == (State.ACCEPTED, 1, ["r-1/0/processed"])
    await app.follow()
    assert (app.entry().state, set(app.told())) == (State.PROCESSED, {"r-1/0/processed"})


STEPS = [
    "due.get",
    "due.insert",
    "due.rows",
    "ledger.get",
    "io.get_message",
    "message-outcomes.put",
    "message-outcomes.put",
    "ledger.replace",
    "due.upsert",
    "due.delete",
    "due.replace",
]


async def test_steps_of_a_poll_lose_nothing(app: FakeApp) -> None:
    """A poll publishes the event, writes the ledger, writes the next row, and removes the old row last."""
    before = len(app.steps.done)
    await _tick(app, "PROCESSED", "READ", "NOT_PAID")
    assert app.steps.done[before:] == STEPS


@pytest.mark.parametrize("step", range(len(STEPS)))
@pytest.mark.parametrize("lost", ["before", "answer"])
async def test_crash_between_two_steps_repeats_the_rest(app: FakeApp, step: int, lost: str) -> None:
    """After a crash at any step, the next ticks reach the same state and publish the same event ids."""
    app.io.status = seen("PROCESSED", "READ", "NOT_PAID")
    if lost == "before":
        app.steps.fail_before(Died(), skip=step)
    else:
        app.steps.fail_after(Unanswered(), skip=step)
    with suppress(Died, Unanswered, BaseExceptionGroup):
        await app.follow()
    for _ in range(2):
        app.clock.now += TICK
        await app.follow()
    entry = app.entry()
    assert (entry.state, entry.read_status, entry.payment_status) == (State.READ, "READ", "NOT_PAID")
    assert app.history()[-2:] == ["PROCESSED", "READ"]
    assert set(app.told()) == {"r-1/0/processed", "r-1/0/read"}
    assert app.due()


async def test_death_before_the_old_row_goes_does_not_double_the_looks(app: FakeApp) -> None:
    """A crash between the new row and the removal of the old one leaves one row after the next ticks."""
    await _tick(app, "PROCESSED", "UNREAD", "NOT_PAID")
    app.clock.advance(hours=20)
    app.steps.fail_before(Died(), skip=6)
    with pytest.raises(Died):
        await app.follow()
    assert app.steps.done[-1] == "due.delete"
    app.clock.now += TICK
    await app.follow()
    for _ in range(6):
        _next_tick(app)
        await app.follow()
    assert len(app.due()) == 1


async def test_silent_storage_fails_the_tick(app: FakeApp) -> None:
    """A tick that cannot read the index raises Unanswered, and the next tick does its work."""
    app.steps.fail_before(Unanswered())
    with pytest.raises(Unanswered):
        await app.follow()
    await _tick(app, "PROCESSED", "READ", "PAID")
    assert app.due() == []


async def test_nothing_personal_shows_while_following(app: FakeApp, caplog: pytest.LogCaptureFixture) -> None:
    """No row of the index, event or log line contains personal data."""
    caplog.set_level(logging.DEBUG)
    await _tick(app, "PROCESSED", "UNAVAILABLE", "NOT_PAID")
    for error in (MessageNotFound(reason="message_not_found", status=404), Unavailable(reason="timeout")):
        app.clock.advance(days=1)
        app.io.status = error
        await app.follow()
    kept = [*app.everything_kept(), ("log", caplog.text)]
    assert not [(place, found) for place, text in kept if (found := personal_data_in(text))]
