"""Following: a look, its record, the next look; and no death in between that loses anything."""

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
    Stopped,
    Unavailable,
    Unreachable,
)
from io_api.gate import LEFT_ALONE, SOONEST
from io_api.models import MessageStatus
from storage.drain import CONCURRENT_VISITS
from storage.ledger import State
from storage.queues import MESSAGE_OUTCOMES
from storage.table import Changed, Unanswered
from tests.fakes import Died, seen
from tests.road import Road
from tests.samples import FISCAL_CODE, payment, personal_data_in

TICK = timedelta(minutes=5)


@pytest.fixture
async def road() -> Road:
    """One Premium message with a notice, accepted and due, and nothing told that was told before."""
    road = Road()
    await road.accepted(feature_level_type="ADVANCED", content=payment())
    road.queues.messages.clear()
    road.io.asked.clear()
    road.clock.now += TICK
    return road


def _next_tick(road: Road) -> None:
    """Move on to the first tick of the timer at which something is due."""
    due_at = road.due_entries()[0].due_at
    while road.clock() < due_at:
        road.clock.now += TICK


async def _tick(road: Road, *answer: str | None) -> None:
    road.io.status = seen(*answer)
    await road.follow()


async def test_due_message_is_asked_for_with_its_own_key(road: Road) -> None:
    """IO is asked for the very message, of the very citizen, by the service that sent it."""
    await _tick(road, "PROCESSED", "UNREAD", "NOT_PAID")
    assert road.io.asked == [("message", FISCAL_CODE, "01JWCZ5V6Q4M3N2P1R0T9S8W7X", "default")]


async def test_delivery_is_written_told_and_followed_on(road: Road) -> None:
    """A processed Premium message changes its state, is told, and is looked at again."""
    await _tick(road, "PROCESSED", "UNREAD", "NOT_PAID")
    entry = road.entry()
    assert (entry.state, entry.status, entry.read_status) == (State.PROCESSED, "PROCESSED", "UNREAD")
    assert (road.told(), len(road.due())) == (["r-1/0/processed"], 1)
    assert list(road.queues.messages) == [MESSAGE_OUTCOMES]


async def test_everything_seen_at_once_is_told_in_order_and_ends_the_following(road: Road) -> None:
    """A message that was read and paid has nothing more to wait for."""
    await _tick(road, "PROCESSED", "READ", "PAID")
    assert road.told() == ["r-1/0/processed", "r-1/0/read", "r-1/0/paid"]
    assert road.due() == []
    assert road.history()[-3:] == ["PROCESSED", "READ", "PAID"]


async def test_message_not_due_is_not_asked_for(road: Road) -> None:
    """A tick costs what is due."""
    await _tick(road, "PROCESSED", "UNREAD", "NOT_PAID")
    road.io.asked.clear()
    await _tick(road, "PROCESSED", "READ", "PAID")
    assert road.io.asked == []


async def test_payment_seen_before_reading_is_not_the_end(road: Road) -> None:
    """PAID may come first; READ is still waited for, and undoes nothing."""
    await _tick(road, "PROCESSED", "UNREAD", "PAID")
    road.clock.advance(days=1)
    await _tick(road, "PROCESSED", "READ", "NOT_PAID")
    entry = road.entry()
    assert (entry.state, entry.read_status, entry.payment_status) == (State.PAID, "READ", "PAID")
    assert road.told() == ["r-1/0/processed", "r-1/0/paid", "r-1/0/read"]
    assert road.due() == []


async def test_unavailable_is_told_and_followed_on(road: Road) -> None:
    """UNAVAILABLE is not UNREAD: it is told as itself, each time, and may turn back."""
    for word in ("UNAVAILABLE", "UNREAD", "UNAVAILABLE", "READ"):
        _next_tick(road)
        await _tick(road, "PROCESSED", word, "NOT_PAID")
    assert [told for told in road.told() if "read" in told] == [
        "r-1/0/read_unavailable",
        "r-1/1/read_unavailable",
        "r-1/0/read",
    ]
    assert road.entry().read_status == "READ"


async def test_standard_message_ends_with_its_delivery() -> None:
    """Of a STANDARD message IO tells nothing after its delivery."""
    road = Road()
    await road.accepted()
    road.clock.now += TICK
    await _tick(road, "PROCESSED")
    assert (road.told()[-1], road.due()) == ("r-1/0/processed", [])


@pytest.mark.parametrize("word", ["REJECTED", "FAILED"])
async def test_undelivered_message_is_told_and_over(road: Road, word: str) -> None:
    """A message that IO did not deliver is never looked at again."""
    await _tick(road, word)
    assert (road.told(), road.due()) == ([f"r-1/0/{word.lower()}"], [])
    assert road.entry().state == word


async def test_message_that_io_still_works_on_is_followed_on(road: Road) -> None:
    """Before its end a message is looked at again, and nobody is told."""
    await _tick(road, "ACCEPTED")
    assert (road.told(), len(road.due()), road.entry().status) == ([], 1, "ACCEPTED")
    await _tick(road, "ACCEPTED")
    assert road.entry().state is State.ACCEPTED


async def test_same_answer_again_writes_nothing(road: Road) -> None:
    """A look without news costs no write and tells nothing, and the next one is later."""
    await _tick(road, "PROCESSED", "UNREAD", "NOT_PAID")
    before, told = road.entry(), road.told()
    road.clock.advance(days=1)
    await _tick(road, "PROCESSED", "UNREAD", "NOT_PAID")
    assert (road.entry(), road.told(), len(road.due())) == (before, told, 1)


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
async def test_look_without_an_answer_keeps_what_is_known(
    road: Road, error: IoError, caplog: pytest.LogCaptureFixture
) -> None:
    """When IO fails, as it does when pagoPA does, what is known stays, and the message is looked at again."""
    await _tick(road, "PROCESSED", "READ", "NOT_PAID")
    known, told = road.entry(), road.told()
    road.clock.advance(days=1)
    road.io.status = error
    await road.follow()
    assert (road.entry(), road.told(), len(road.due())) == (known, told, 1)
    levels = [(record.levelno, record.name) for record in caplog.records]
    assert levels == [(logging.WARNING, "check_status.follow")]
    assert f"request_id=r-1 reason={error.reason}" in caplog.text


@pytest.mark.parametrize("error", [Misconfigured(reason="invalid_key", status=401), _limited(3)])
async def test_look_that_was_not_made_is_made_up_for(road: Road, error: IoError) -> None:
    """A call that had no effect costs the message no look of its schedule: the next tick but a few asks."""
    road.io.status = error
    await road.follow()
    road.clock.now += 2 * LEFT_ALONE
    await _tick(road, "PROCESSED", "READ", "PAID")
    assert (road.told()[-1], road.due()) == ("r-1/0/paid", [])


async def test_service_that_cannot_be_asked_is_not_asked_again_in_the_tick() -> None:
    """One wrong key costs one round of calls, and the messages of another service are looked at."""
    road = Road()
    for number in range(40):
        await road.accepted(f"r-{number}", service="tributi" if number % 2 else "default")
    road.io.asked.clear()
    road.clock.now += TICK
    road.io.failing = {"tributi": Misconfigured(reason="invalid_key", status=401)}
    await _tick(road, "PROCESSED")
    asked = [call[-1] for call in road.io.asked]
    assert asked.count("default") == 20
    assert asked.count("tributi") <= CONCURRENT_VISITS
    assert len(road.due()) == 20


async def test_short_pause_is_over_soon(road: Road) -> None:
    """A message whose service was just paused is looked at again within minutes, not a quarter of an hour."""
    await road.accepted()
    road.clock.advance(minutes=1)
    road.io.status = Stopped(reason="paused")
    await road.follow()
    road.clock.now += 2 * SOONEST
    road.io.status = seen("PROCESSED")
    await road.follow()
    assert road.entry().state is State.PROCESSED


async def test_put_off_messages_come_back_spread_out() -> None:
    """What was put off together is not due together again."""
    road = Road()
    for number in range(40):
        await road.accepted(f"r-{number}")
    road.clock.now += TICK
    road.io.status = Unreachable(reason="unreachable")
    await road.follow()
    times = [due.due_at for due in road.due_entries()]
    assert road.clock() + SOONEST <= min(times) + timedelta(seconds=1)
    assert SOONEST * 2 / 3 < max(times) - min(times) < SOONEST


async def test_message_that_io_does_not_know_is_an_alarm(
    road: Road, caplog: pytest.LogCaptureFixture
) -> None:
    """IO accepted it, so a 404 is an error in the log, and the message stays followed."""
    road.io.status = MessageNotFound(reason="message_not_found", status=404)
    await road.follow()
    (record,) = caplog.records
    assert (record.levelno, record.getMessage()) == (
        logging.ERROR,
        "status unknown request_id=r-1 reason=message_not_found",
    )
    assert len(road.due()) == 1


async def test_message_that_io_does_not_know_has_one_line_of_it(road: Road) -> None:
    """The history tells it once, with IO's status, however often IO says it; upstream is not told."""
    road.io.status = MessageNotFound(reason="message_not_found", status=404)
    for _ in range(3):
        _next_tick(road)
        await road.follow()
    line = road.entry().last_step
    assert (line["what"], line["reason"], line["http_status"]) == ("MISSING", "message_not_found", 404)
    assert road.history().count("MISSING") == 1
    assert (road.entry().state, road.told()) == (State.ACCEPTED, [])
    _next_tick(road)
    await _tick(road, "PROCESSED", "READ", "PAID")
    assert road.told() == ["r-1/0/processed", "r-1/0/read", "r-1/0/paid"]


@pytest.mark.parametrize("retry_after", [0, 0.2])
async def test_message_looked_at_in_the_second_it_is_due_stays_followed(retry_after: float) -> None:
    """A limit that is over at once puts the message back, and what was dealt with is another row."""
    road = Road()
    await road.accepted()
    road.clock.advance(seconds=10)
    road.io.status = _limited(retry_after)
    await road.follow()
    assert len(road.due()) == 1


async def test_following_ends_at_its_horizon(road: Road) -> None:
    """A message that nobody reads is let go, whether IO answers or not."""
    await _tick(road, "PROCESSED", "UNREAD", "NOT_PAID")
    road.clock.advance(days=HORIZON.days + 1)
    await road.follow()
    assert road.due() == []


@pytest.mark.parametrize(
    "error", [Unavailable(reason="timeout"), Unreachable(reason="unreachable"), _limited(1)]
)
async def test_following_ends_at_its_horizon_when_io_never_answers(road: Road, error: IoError) -> None:
    """A message that cannot be looked at is not looked at for ever."""
    road.io.status = error
    road.clock.now += HORIZON + GRACE + TICK
    await road.follow()
    assert road.due() == []


@pytest.mark.parametrize("answer", [seen("ACCEPTED"), Unavailable(reason="timeout")])
async def test_message_that_io_never_confirms_is_told_once(
    road: Road, answer: MessageStatus | IoError
) -> None:
    """After sixty days an accepted message of which IO said no more has a line of it and an outcome."""
    road.io.status = answer
    while road.due():
        _next_tick(road)
        await road.follow()
    assert road.clock() - road.entry().created_at < HORIZON + GRACE + timedelta(days=2)
    assert (road.history()[-1], road.entry().state) == ("UNCONFIRMED", State.ACCEPTED)
    assert road.told() == ["r-1/0/unconfirmed"]


@pytest.mark.parametrize("step", range(9))
async def test_death_while_that_is_told_repeats_it(road: Road, step: int) -> None:
    """After a death at any step of the last look the next tell the same event, and the line stands once."""
    road.clock.now += HORIZON + GRACE + TICK
    road.steps.fail_before(Died(), skip=step)
    with suppress(Died, BaseExceptionGroup):
        await road.follow()
    for _ in range(2):
        road.clock.now += TICK
        await road.follow()
    assert (set(road.told()), road.history().count("UNCONFIRMED")) == ({"r-1/0/unconfirmed"}, 1)
    assert road.due() == []


@pytest.mark.parametrize("state", [State.REJECTED, State.FAILED, State.PAID])
async def test_message_that_is_over_is_not_asked_for(road: Road, state: State) -> None:
    """A row that is left of a message that has ended, as a death leaves one, costs no call."""
    (row,) = road.ledger_table.rows_by_key.values()
    ended = {"state": str(state), "read_status": "READ", "payment_status": "PAID"}
    road.ledger_table.rows_by_key[row.partition, row.key] = replace(row, values=dict(row.values) | ended)
    await road.follow()
    assert (road.due(), road.io.asked) == ([], [])


@pytest.mark.parametrize(
    "answer",
    [
        seen("PROCESSED", "UNREAD", "NOT_PAID"),
        seen("PROCESSED", "UNAVAILABLE", "NOT_PAID"),
        PaymentLookupFailed(reason="payment_lookup_failed", status=500),
        MessageNotFound(reason="message_not_found", status=404),
    ],
)
async def test_looks_become_rare(road: Road, answer: MessageStatus | IoError) -> None:
    """A message about which IO has nothing new to say costs about a dozen calls in two months."""
    road.io.status = answer
    while road.due() and len(road.io.asked) < 50:
        _next_tick(road)
        await road.follow()
    assert road.due() == []
    assert 10 < len(road.io.asked) < 22


async def test_due_row_of_an_unknown_request_goes(road: Road) -> None:
    """A request that was erased leaves nothing to look at."""
    road.ledger_table.rows_by_key.clear()
    await road.follow()
    assert (road.due(), road.io.asked) == ([], [])


async def test_due_row_of_a_message_without_an_id_goes(road: Road) -> None:
    """What IO cannot be asked about is not due."""
    ((at, row),) = road.ledger_table.rows_by_key.items()
    values = {name: value for name, value in row.values.items() if name != "message_id"}
    road.ledger_table.rows_by_key[at] = replace(row, values=values)
    await road.follow()
    assert (road.due(), road.io.asked) == ([], [])


async def test_one_message_that_fails_does_not_stop_the_others() -> None:
    """A tick looks at everything that is due, and raises at its end what failed; that stays due."""
    road = Road()
    for number in range(5):
        await road.accepted(f"r-{number}")
    road.clock.now += TICK
    road.io.status = seen("PROCESSED")
    damaged = next(at for at in road.ledger_table.rows_by_key if at[1] == "r-2")
    row = road.ledger_table.rows_by_key[damaged]
    road.ledger_table.rows_by_key[damaged] = replace(
        row, values=dict(row.values) | {"sealed_fiscal_code": b"x"}
    )
    with pytest.raises(ExceptionGroup, match="stay due") as raised:
        await road.follow()
    assert len(raised.value.exceptions) == 1
    assert [due.partition("-")[2] for due in road.due()] == ["r-2"]
    assert sorted(told for told in road.told() if "processed" in told) == [
        f"r-{number}/0/processed" for number in (0, 1, 3, 4)
    ]


async def test_loser_of_a_race_leaves_the_message_due(road: Road) -> None:
    """When somebody else wrote the request during the look, the next tick looks again with the same ids."""
    road.io.status = seen("PROCESSED", "UNREAD", "NOT_PAID")
    road.steps.fail_before(Changed(), skip=STEPS.index("ledger.replace") - 1)
    with pytest.raises(ExceptionGroup):
        await road.follow()
    assert (road.entry().state, len(road.due()), road.told()) == (State.ACCEPTED, 1, ["r-1/0/processed"])
    await road.follow()
    assert (road.entry().state, set(road.told())) == (State.PROCESSED, {"r-1/0/processed"})


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


async def test_steps_of_a_look_are_in_the_order_that_loses_nothing(road: Road) -> None:
    """The event comes before the ledger, the ledger before the next row, and the old row goes last."""
    before = len(road.steps.done)
    await _tick(road, "PROCESSED", "READ", "NOT_PAID")
    assert road.steps.done[before:] == STEPS


@pytest.mark.parametrize("step", range(len(STEPS)))
@pytest.mark.parametrize("lost", ["before", "answer"])
async def test_death_between_any_two_steps_repeats_the_rest(road: Road, step: int, lost: str) -> None:
    """After a death at any step the next ticks end where one would have, with the same event ids."""
    road.io.status = seen("PROCESSED", "READ", "NOT_PAID")
    if lost == "before":
        road.steps.fail_before(Died(), skip=step)
    else:
        road.steps.fail_after(Unanswered(), skip=step)
    with suppress(Died, Unanswered, BaseExceptionGroup):
        await road.follow()
    for _ in range(2):
        road.clock.now += TICK
        await road.follow()
    entry = road.entry()
    assert (entry.state, entry.read_status, entry.payment_status) == (State.READ, "READ", "NOT_PAID")
    assert road.history()[-2:] == ["PROCESSED", "READ"]
    assert set(road.told()) == {"r-1/0/processed", "r-1/0/read"}
    assert road.due()


async def test_death_before_the_old_row_goes_does_not_double_the_looks(road: Road) -> None:
    """A message has one row of the index, also after a death between its new row and its old one."""
    await _tick(road, "PROCESSED", "UNREAD", "NOT_PAID")
    road.clock.advance(hours=20)
    road.steps.fail_before(Died(), skip=6)
    with pytest.raises(Died):
        await road.follow()
    assert road.steps.done[-1] == "due.delete"
    road.clock.now += TICK
    await road.follow()
    for _ in range(6):
        _next_tick(road)
        await road.follow()
    assert len(road.due()) == 1


async def test_silent_storage_fails_the_tick(road: Road) -> None:
    """A tick that cannot read the index says so, and the next one does its work."""
    road.steps.fail_before(Unanswered())
    with pytest.raises(Unanswered):
        await road.follow()
    await _tick(road, "PROCESSED", "READ", "PAID")
    assert road.due() == []


async def test_nothing_personal_shows_while_following(road: Road, caplog: pytest.LogCaptureFixture) -> None:
    """No row of the index, event or log line shows the person or the content."""
    caplog.set_level(logging.DEBUG)
    await _tick(road, "PROCESSED", "UNAVAILABLE", "NOT_PAID")
    for error in (MessageNotFound(reason="message_not_found", status=404), Unavailable(reason="timeout")):
        road.clock.advance(days=1)
        road.io.status = error
        await road.follow()
    kept = [*road.everything_kept(), ("log", caplog.text)]
    assert not [(place, found) for place, text in kept if (found := personal_data_in(text))]
