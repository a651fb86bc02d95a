"""Whose turn it is: every state of the ledger against every kind of delivery."""

import json
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from contract.reference import Reference
from send_message.turn import (
    LOOK_AGAIN,
    MAX_AGE,
    Delivery,
    Turn,
    UnknownRequest,
    look_up,
    take_turn,
    turn,
    until_turn,
)
from storage.ledger import LEASE, Entry, NotMine, State, Step
from storage.queues import MESSAGE_SENDS, poison
from tests.road import Road
from tests.samples import a_request

MOVED_ON = sorted(set(State) - {State.REQUESTED, State.DEFERRED, State.SENDING})
SECOND = timedelta(seconds=1)


@pytest.fixture
def road() -> Road:
    return Road()


@pytest.fixture
async def entry(road: Road) -> Entry:
    return await road.ledger.open(a_request())


def _delivery(sequence: int = 0, *, redelivered: bool = False) -> Delivery:
    reference = Reference(request_id="r-1", sequence=sequence, language="fr_FR")
    return Delivery(reference, MESSAGE_SENDS, redelivered)


def _turn(road: Road, entry: Entry, *, redelivered: bool = False, **changes: Any) -> Turn:
    return turn(replace(entry, **changes), _delivery(redelivered=redelivered), road.clock())


@pytest.mark.parametrize("state", [State.REQUESTED, State.DEFERRED])
@pytest.mark.parametrize("redelivered", [False, True])
async def test_waiting_request_may_go(road: Road, entry: Entry, state: State, redelivered: bool) -> None:
    """A request that waits goes, also when its message has been delivered before."""
    assert _turn(road, entry, state=state, redelivered=redelivered) is Turn.GO


@pytest.mark.parametrize("state", MOVED_ON)
@pytest.mark.parametrize("redelivered", [False, True])
async def test_message_of_a_request_that_moved_on_hands_over_again(
    road: Road, entry: Entry, state: State, redelivered: bool
) -> None:
    """Whoever moved the request on may have died before handing it over, so the next message sees to it."""
    assert _turn(road, entry, state=state, redelivered=redelivered) is Turn.HAND_OVER


@pytest.mark.parametrize("state", [State.REQUESTED, State.DEFERRED, *MOVED_ON])
async def test_copy_older_than_the_ledger_is_stale(road: Road, entry: Entry, state: State) -> None:
    """Only the newest copy goes on; an older one is dropped, or hands over again if its delivery died."""
    assert _turn(road, entry, state=state, sequence=1) is Turn.STALE
    assert _turn(road, entry, state=state, sequence=1, redelivered=True) is Turn.HAND_OVER


@pytest.mark.parametrize("redelivered", [False, True])
async def test_request_being_sent_waits_until_its_lease_is_over(
    road: Road, entry: Entry, redelivered: bool
) -> None:
    """Nobody touches a request that another worker is sending, before its lease has run out."""
    sending = replace(entry, state=State.SENDING, lease_until=road.clock() + LEASE)
    assert _turn(road, sending, redelivered=redelivered) is Turn.WAIT
    road.clock.advance(seconds=LEASE.total_seconds() - 1)
    assert _turn(road, sending, redelivered=redelivered) is Turn.WAIT
    road.clock.advance(seconds=1)
    assert _turn(road, sending, redelivered=redelivered) is Turn.LEASE_OVER


async def test_expired_request_does_not_go(road: Road, entry: Entry) -> None:
    """From its expires_at on a request is not sent, whatever else holds."""
    now = road.clock()
    assert _turn(road, entry, expires_at=now + SECOND) is Turn.GO
    assert _turn(road, entry, expires_at=now) is Turn.OVER
    assert _turn(road, entry, expires_at=now, next_at=now + SECOND) is Turn.OVER


async def test_request_waits_for_its_time(road: Road, entry: Entry) -> None:
    """Neither not_before nor a deferral is jumped."""
    now = road.clock()
    assert _turn(road, entry, next_at=now + SECOND) is Turn.WAIT
    assert _turn(road, entry, next_at=now) is Turn.GO


async def test_request_that_waited_too_long_is_exhausted(road: Road, entry: Entry) -> None:
    """Trying ends by age, and not by how often IO failed: that is not the message's fault."""
    assert _turn(road, entry, failures=1000) is Turn.GO
    road.clock.advance(seconds=MAX_AGE.total_seconds())
    assert _turn(road, entry) is Turn.GO
    road.clock.advance(seconds=1)
    assert _turn(road, entry) is Turn.EXHAUSTED


async def test_request_for_a_distant_day_is_not_exhausted_by_waiting(road: Road) -> None:
    """The time until not_before is not a time of failed attempts."""
    day = road.clock() + timedelta(days=30)
    entry = await road.ledger.open(a_request(not_before=day.isoformat()))
    assert _turn(road, entry) is Turn.WAIT
    road.clock.now = day
    assert _turn(road, entry) is Turn.GO


async def test_wait_lasts_until_just_after_what_it_waits_for(road: Road, entry: Entry) -> None:
    """The message comes back when its time has come, and soon while another worker is at it."""
    now = road.clock()
    waiting = replace(entry, next_at=now + timedelta(minutes=5))
    sending = replace(waiting, state=State.SENDING, lease_until=now + LEASE)
    assert until_turn(waiting, now) == timedelta(minutes=5) + SECOND
    assert until_turn(sending, now) == LOOK_AGAIN


async def _take(
    road: Road,
    entry: Entry,
    delivery: Delivery,
    go: Callable[[Entry], Awaitable[Entry | None]] | None = None,
) -> None:
    async def forbidden(entry: Entry) -> Entry | None:
        raise AssertionError("it was not its turn")

    await take_turn(
        entry,
        delivery,
        go=go or forbidden,
        ledger=road.ledger,
        handover=road.handover,
        clock=road.clock,
    )


async def test_stale_copy_is_dropped_with_a_log_line(
    road: Road, entry: Entry, caplog: pytest.LogCaptureFixture
) -> None:
    """A dropped copy leaves nothing but a line that says which."""
    caplog.set_level(logging.INFO)
    deferred = await road.ledger.advance(entry, Step(State.DEFERRED, "unreachable"), sequence=1)
    await _take(road, deferred, _delivery(sequence=0))
    assert road.queues.messages == {}
    assert "stale copy dropped request_id=r-1 state=DEFERRED" in caplog.text


async def test_message_before_its_time_is_put_back_as_it_is(road: Road) -> None:
    """Before its time the same reference comes back then, and the ledger is left alone."""
    entry = await road.ledger.open(a_request(not_before="2026-11-24T10:00:00Z"))
    await _take(road, entry, _delivery())
    message = road.queues.only(MESSAGE_SENDS)
    assert message.delay == timedelta(hours=1) + SECOND
    assert json.loads(message.body) == {
        "reference": 1,
        "request_id": "r-1",
        "sequence": 0,
        "language": "fr_FR",
    }
    assert road.entry() == entry


async def test_message_of_a_request_being_sent_comes_back_to_look_after_it(road: Road, entry: Entry) -> None:
    """It comes back soon, ahead of the ledger, and hands over what the other may not have."""
    claimed = await road.claim(entry)
    await _take(road, claimed, _delivery())
    message = road.queues.only(MESSAGE_SENDS)
    assert message.delay == LOOK_AGAIN
    assert road.entry() == claimed
    accepted = await road.ledger.advance(claimed, Step(State.ACCEPTED), message_id="M1", body={})
    ahead = Delivery(Reference.model_validate_json(message.body), MESSAGE_SENDS, redelivered=False)
    assert turn(accepted, ahead, road.clock()) is Turn.HAND_OVER


async def test_lease_that_ran_out_leaves_the_request_in_doubt(road: Road, entry: Entry) -> None:
    """A POST whose worker vanished is never repeated: upstream hears of the doubt, no queue carries it."""
    claimed = await road.claim(entry)
    road.clock.advance(seconds=LEASE.total_seconds())
    await _take(road, claimed, _delivery(redelivered=True))
    assert (road.entry().state, road.told()) == (State.IN_DOUBT, ["r-1/0/in_doubt"])
    assert road.queues.bodies(MESSAGE_SENDS) == []
    assert road.events()[0]["data"]["reason"] == "lease_over"


async def test_expired_request_ends_without_its_body(road: Road) -> None:
    """EXPIRED is an outcome, and the content is not kept for it."""
    entry = await road.ledger.open(a_request(expires_at="2026-11-24T08:00:00Z"))
    await _take(road, entry, _delivery())
    ended = road.entry()
    assert (ended.state, ended.body, road.told()) == (State.EXPIRED, {}, ["r-1/0/expired"])
    assert road.queues.bodies(poison(MESSAGE_SENDS)) == []


async def test_exhausted_request_is_dead_and_goes_to_be_parked(road: Road, entry: Entry) -> None:
    """A request that will not be tried again keeps its body and waits for an operator."""
    road.clock.advance(seconds=MAX_AGE.total_seconds() + 1)
    await _take(road, entry, _delivery())
    ended = road.entry()
    assert (ended.state, ended.last_step["reason"]) == (State.DEAD, "exhausted")
    assert road.ledger.request_of(ended) == a_request()
    assert len(road.queues.bodies(poison(MESSAGE_SENDS))) == 1


async def test_entry_that_go_returns_is_handed_over(road: Road, entry: Entry) -> None:
    """What its turn made of the request is handed over with the language of the message."""
    later = road.clock() + timedelta(seconds=9)

    async def go(entry: Entry) -> Entry | None:
        return await road.ledger.advance(entry, Step(State.DEFERRED, "x"), next_at=later, sequence=1)

    await _take(road, entry, _delivery(), go)
    message = road.queues.only(MESSAGE_SENDS)
    assert (message.delay, json.loads(message.body)["language"]) == (timedelta(seconds=9), "fr_FR")


async def test_nothing_is_handed_over_when_go_has_done_it(road: Road, entry: Entry) -> None:
    """A turn that passed the request on itself returns nothing to hand over."""

    async def go(entry: Entry) -> Entry | None:
        return None

    await _take(road, entry, _delivery(), go)
    assert road.queues.messages == {}


async def test_loser_of_a_race_looks_again_when_the_winner_must_be_done(road: Road, entry: Entry) -> None:
    """Who loses stops at once, and its message comes back: the winner may have died."""

    async def go(entry: Entry) -> Entry | None:
        raise NotMine

    await _take(road, entry, _delivery(), go)
    assert road.queues.only(MESSAGE_SENDS).delay == LOOK_AGAIN


async def test_two_who_find_the_lease_over_make_one_doubt(road: Road, entry: Entry) -> None:
    """Of two messages that find the same lease over one moves the request, and the other looks again."""
    claimed = await road.claim(entry)
    road.clock.advance(seconds=LEASE.total_seconds())
    await _take(road, claimed, _delivery())
    await _take(road, claimed, _delivery())
    assert road.history() == ["REQUESTED", "SENDING", "IN_DOUBT"]
    assert road.told() == ["r-1/0/in_doubt"]
    assert road.queues.only(MESSAGE_SENDS).delay == LOOK_AGAIN


async def test_failure_of_go_is_the_platforms(road: Road, entry: Entry) -> None:
    """An unexpected failure is neither caught nor handed over: the platform delivers again."""

    async def go(entry: Entry) -> Entry | None:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        await _take(road, entry, _delivery(), go)
    assert road.queues.messages == {}


async def test_redelivered_deferral_gets_its_copy(road: Road, entry: Entry) -> None:
    """A worker that died between the ledger and the queue loses no request."""
    later = road.clock() + timedelta(seconds=30)
    deferred = await road.ledger.advance(entry, Step(State.DEFERRED, "x"), next_at=later, sequence=1)
    road.clock.advance(minutes=10)
    await _take(road, deferred, _delivery(sequence=0, redelivered=True))
    message = road.queues.only(MESSAGE_SENDS)
    assert (json.loads(message.body)["sequence"], message.delay) == (1, timedelta(0))


async def test_redelivered_acceptance_tells_what_its_worker_could_not(road: Road, entry: Entry) -> None:
    """A message that has been looked at since is told as accepted all the same."""
    claimed = await road.claim(entry)
    accepted = await road.ledger.advance(claimed, Step(State.ACCEPTED), message_id="M1", body={})
    seen = await road.ledger.advance(accepted, Step(State.PROCESSED), status="PROCESSED")
    await _take(road, seen, _delivery(redelivered=True))
    assert road.told() == ["r-1/0/accepted", "r-1/0/processed"]


async def test_reference_to_an_unknown_request_is_an_error(road: Road, entry: Entry) -> None:
    """A reference is only worth what the ledger holds."""
    assert await look_up(Reference(request_id="r-1"), road.ledger) == entry
    with pytest.raises(UnknownRequest):
        await look_up(Reference(request_id="r-2"), road.ledger)
