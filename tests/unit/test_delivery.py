"""What a worker does with each kind of delivery, for every state of the ledger."""

import json
import logging
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from contract.reference import Reference
from send_message.delivery import (
    MAX_AGE,
    RECHECK_AFTER,
    Action,
    Delivery,
    Proceed,
    UnknownRequest,
    handle_delivery,
    known,
    next_action,
    time_to_wait,
)
from storage.ledger import LEASE, Buried, Entry, LostRace, State, Step
from storage.queues import MESSAGE_SENDS, poison
from tests.fake_app import FakeApp
from tests.samples import a_request

MOVED_ON = sorted(set(State) - {State.REQUESTED, State.DEFERRED, State.SENDING})
SECOND = timedelta(seconds=1)


@pytest.fixture
def app() -> FakeApp:
    return FakeApp()


@pytest.fixture
async def entry(app: FakeApp) -> Entry:
    return await app.ledger.open(a_request())


def _delivery(sequence: int = 0, *, redelivered: bool = False) -> Delivery:
    reference = Reference(request_id="r-1", sequence=sequence, language="fr_FR")
    return Delivery(reference, MESSAGE_SENDS, redelivered)


def _action(app: FakeApp, entry: Entry, *, redelivered: bool = False, **changes: Any) -> Action:
    return next_action(replace(entry, **changes), _delivery(redelivered=redelivered), app.clock())


@pytest.mark.parametrize("state", [State.REQUESTED, State.DEFERRED])
@pytest.mark.parametrize("redelivered", [False, True])
async def test_waiting_request_may_go(app: FakeApp, entry: Entry, state: State, redelivered: bool) -> None:
    """A waiting request is processed, even if its message was delivered before."""
    assert _action(app, entry, state=state, redelivered=redelivered) is Action.PROCEED


@pytest.mark.parametrize("state", MOVED_ON)
@pytest.mark.parametrize("redelivered", [False, True])
async def test_message_of_a_request_that_moved_on_hands_over_again(
    app: FakeApp, entry: Entry, state: State, redelivered: bool
) -> None:
    """A message of a request that moved on dispatches it again, in case its worker crashed before it did."""
    assert _action(app, entry, state=state, redelivered=redelivered) is Action.DISPATCH


@pytest.mark.parametrize("state", [State.REQUESTED, State.DEFERRED, *MOVED_ON])
async def test_copy_older_than_the_ledger_is_stale(app: FakeApp, entry: Entry, state: State) -> None:
    """A stale copy is dropped on its first delivery, and dispatches the request on a redelivery."""
    assert _action(app, entry, state=state, sequence=1) is Action.DROP
    assert _action(app, entry, state=state, sequence=1, redelivered=True) is Action.DISPATCH


@pytest.mark.parametrize("redelivered", [False, True])
async def test_request_being_sent_waits_until_its_lease_is_over(
    app: FakeApp, entry: Entry, redelivered: bool
) -> None:
    """Another worker leaves a request that is being sent alone until the lease has expired."""
    sending = replace(entry, state=State.SENDING, lease_until=app.clock() + LEASE)
    assert _action(app, sending, redelivered=redelivered) is Action.WAIT
    app.clock.advance(seconds=LEASE.total_seconds() - 1)
    assert _action(app, sending, redelivered=redelivered) is Action.WAIT
    app.clock.advance(seconds=1)
    assert _action(app, sending, redelivered=redelivered) is Action.MARK_IN_DOUBT


async def test_expired_request_does_not_go(app: FakeApp, entry: Entry) -> None:
    """A request is closed from its expires_at on, even if its next_at is later."""
    now = app.clock()
    assert _action(app, entry, expires_at=now + SECOND) is Action.PROCEED
    assert _action(app, entry, expires_at=now) is Action.CLOSE
    assert _action(app, entry, expires_at=now, next_at=now + SECOND) is Action.CLOSE


async def test_request_waits_for_its_time(app: FakeApp, entry: Entry) -> None:
    """A request waits for its next_at, and is processed from that moment on."""
    now = app.clock()
    assert _action(app, entry, next_at=now + SECOND) is Action.WAIT
    assert _action(app, entry, next_at=now) is Action.PROCEED


async def test_request_that_waited_too_long_is_exhausted(app: FakeApp, entry: Entry) -> None:
    """A request is given up for its age, however often IO failed."""
    assert _action(app, entry, failures=1000) is Action.PROCEED
    app.clock.advance(seconds=MAX_AGE.total_seconds())
    assert _action(app, entry) is Action.PROCEED
    app.clock.advance(seconds=1)
    assert _action(app, entry) is Action.GIVE_UP


async def test_request_for_a_distant_day_is_not_exhausted_by_waiting(app: FakeApp) -> None:
    """The time until not_before does not count towards a request's maximum age."""
    day = app.clock() + timedelta(days=30)
    entry = await app.ledger.open(a_request(not_before=day.isoformat()))
    assert _action(app, entry) is Action.WAIT
    app.clock.now = day
    assert _action(app, entry) is Action.PROCEED


async def test_wait_lasts_until_just_after_what_it_waits_for(app: FakeApp, entry: Entry) -> None:
    """A message is hidden until just after next_at, and for a few seconds while another worker sends."""
    now = app.clock()
    waiting = replace(entry, next_at=now + timedelta(minutes=5))
    sending = replace(waiting, state=State.SENDING, lease_until=now + LEASE)
    assert time_to_wait(waiting, now) == timedelta(minutes=5) + SECOND
    assert time_to_wait(sending, now) == RECHECK_AFTER


async def _take(
    app: FakeApp,
    entry: Entry,
    delivery: Delivery,
    proceed: Proceed | None = None,
) -> None:
    async def forbidden(entry: Entry) -> Entry | None:
        raise AssertionError("the delivery must not proceed")

    await handle_delivery(entry, delivery, proceed or forbidden, app.stores)


async def test_stale_copy_is_dropped_with_a_log_line(
    app: FakeApp, entry: Entry, caplog: pytest.LogCaptureFixture
) -> None:
    """A dropped copy leaves only a log line that names its request."""
    caplog.set_level(logging.INFO)
    deferred = await app.ledger.advance(entry, Step(State.DEFERRED, "unreachable"), sequence=1)
    await _take(app, deferred, _delivery(sequence=0))
    assert app.queues.messages == {}
    assert "stale copy dropped request_id=r-1 state=DEFERRED" in caplog.text


async def test_message_before_its_time_is_put_back_as_it_is(app: FakeApp) -> None:
    """A message before its time is enqueued again with the same reference, and the ledger stays unchanged."""
    entry = await app.ledger.open(a_request(not_before="2026-11-24T10:00:00Z"))
    await _take(app, entry, _delivery())
    message = app.queues.only(MESSAGE_SENDS)
    assert message.delay == timedelta(hours=1) + SECOND
    assert json.loads(message.body) == {
        "reference": 1,
        "request_id": "r-1",
        "sequence": 0,
        "language": "fr_FR",
    }
    assert app.entry() == entry


async def test_message_of_a_request_being_sent_comes_back_to_look_after_it(
    app: FakeApp, entry: Entry
) -> None:
    """A message of a request being sent comes back soon, with a sequence ahead of the ledger's.

    When it comes back, it dispatches the request in case the other worker did not.
    """
    claimed = await app.claim(entry)
    await _take(app, claimed, _delivery())
    message = app.queues.only(MESSAGE_SENDS)
    assert message.delay == RECHECK_AFTER
    assert app.entry() == claimed
    accepted = await app.ledger.advance(claimed, Step(State.ACCEPTED), message_id="M1", body={})
    ahead = Delivery(Reference.model_validate_json(message.body), MESSAGE_SENDS, redelivered=False)
    assert next_action(accepted, ahead, app.clock()) is Action.DISPATCH


async def test_lease_that_ran_out_leaves_the_request_in_doubt(app: FakeApp, entry: Entry) -> None:
    """A request whose lease expired is marked IN_DOUBT and published, and no queue carries it any more."""
    claimed = await app.claim(entry)
    app.clock.advance(seconds=LEASE.total_seconds())
    await _take(app, claimed, _delivery(redelivered=True))
    assert (app.entry().state, app.told()) == (State.IN_DOUBT, ["r-1/0/in_doubt"])
    assert app.queues.bodies(MESSAGE_SENDS) == []
    assert app.events()[0]["data"]["reason"] == "lease_over"


async def test_expired_request_ends_without_its_body(app: FakeApp) -> None:
    """An expired request ends as EXPIRED, with its outcome published and its content removed."""
    entry = await app.ledger.open(a_request(expires_at="2026-11-24T08:00:00Z"))
    await _take(app, entry, _delivery())
    ended = app.entry()
    assert (ended.state, ended.body, app.told()) == (State.EXPIRED, {}, ["r-1/0/expired"])
    assert app.queues.bodies(poison(MESSAGE_SENDS)) == []


async def test_exhausted_request_is_dead_and_goes_to_be_parked(app: FakeApp, entry: Entry) -> None:
    """A request that waited too long is DEAD, keeps its body, and goes to the poison queue."""
    app.clock.advance(seconds=MAX_AGE.total_seconds() + 1)
    await _take(app, entry, _delivery())
    ended = app.entry()
    assert (ended.state, ended.last_step["reason"]) == (State.DEAD, "exhausted")
    assert app.ledger.request_of(ended) == a_request()
    assert len(app.queues.bodies(poison(MESSAGE_SENDS))) == 1


async def test_entry_that_proceed_returns_is_dispatched(app: FakeApp, entry: Entry) -> None:
    """The entry that `proceed` returns is dispatched with the language of the message."""
    later = app.clock() + timedelta(seconds=9)

    async def go(entry: Entry) -> Entry | None:
        return await app.ledger.advance(entry, Step(State.DEFERRED, "x"), next_at=later, sequence=1)

    await _take(app, entry, _delivery(), go)
    message = app.queues.only(MESSAGE_SENDS)
    assert (message.delay, json.loads(message.body)["language"]) == (timedelta(seconds=9), "fr_FR")


async def test_nothing_is_dispatched_when_proceed_returns_none(app: FakeApp, entry: Entry) -> None:
    """Nothing is dispatched when `proceed` returns None."""

    async def go(entry: Entry) -> Entry | None:
        return None

    await _take(app, entry, _delivery(), go)
    assert app.queues.messages == {}


async def test_loser_of_a_race_looks_again_when_the_winner_must_be_done(app: FakeApp, entry: Entry) -> None:
    """A worker that loses a race stops, and enqueues a re-check: the winner may have crashed."""

    async def go(entry: Entry) -> Entry | None:
        raise LostRace

    await _take(app, entry, _delivery(), go)
    assert app.queues.only(MESSAGE_SENDS).delay == RECHECK_AFTER


async def test_two_who_find_the_lease_over_make_one_doubt(app: FakeApp, entry: Entry) -> None:
    """Of two messages that find an expired lease, one marks the request IN_DOUBT and one is re-checked."""
    claimed = await app.claim(entry)
    app.clock.advance(seconds=LEASE.total_seconds())
    await _take(app, claimed, _delivery())
    await _take(app, claimed, _delivery())
    assert app.history() == ["REQUESTED", "SENDING", "IN_DOUBT"]
    assert app.told() == ["r-1/0/in_doubt"]
    assert app.queues.only(MESSAGE_SENDS).delay == RECHECK_AFTER


async def test_failure_of_go_is_the_platforms(app: FakeApp, entry: Entry) -> None:
    """An unexpected failure of `proceed` is not caught, so the platform delivers the message again."""

    async def go(entry: Entry) -> Entry | None:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        await _take(app, entry, _delivery(), go)
    assert app.queues.messages == {}


async def test_redelivered_deferral_gets_its_copy(app: FakeApp, entry: Entry) -> None:
    """A redelivered message enqueues the deferred copy that its crashed worker did not enqueue."""
    later = app.clock() + timedelta(seconds=30)
    deferred = await app.ledger.advance(entry, Step(State.DEFERRED, "x"), next_at=later, sequence=1)
    app.clock.advance(minutes=10)
    await _take(app, deferred, _delivery(sequence=0, redelivered=True))
    message = app.queues.only(MESSAGE_SENDS)
    assert (json.loads(message.body)["sequence"], message.delay) == (1, timedelta(0))


async def test_redelivered_acceptance_tells_what_its_worker_could_not(app: FakeApp, entry: Entry) -> None:
    """A redelivered message publishes ACCEPTED too, when the request has reached PROCESSED meanwhile."""
    claimed = await app.claim(entry)
    accepted = await app.ledger.advance(claimed, Step(State.ACCEPTED), message_id="M1", body={})
    seen = await app.ledger.advance(accepted, Step(State.PROCESSED), status="PROCESSED")
    await _take(app, seen, _delivery(redelivered=True))
    assert app.told() == ["r-1/0/accepted", "r-1/0/processed"]


async def test_reference_to_an_unknown_request_is_an_error(app: FakeApp, entry: Entry) -> None:
    """A request that the ledger holds is known; of any other UnknownRequest is raised."""
    assert await known(await app.ledger.get("r-1"), Reference(request_id="r-1"), app.ledger) == entry
    with pytest.raises(UnknownRequest):
        await known(await app.ledger.get("r-2"), Reference(request_id="r-2"), app.ledger)


async def test_reference_to_an_erased_request_is_told_apart(app: FakeApp, entry: Entry) -> None:
    """A request of which only the tombstone is left raises Buried, so that its references are dropped."""
    await app.ledger.bury(entry)
    with pytest.raises(Buried):
        await known(await app.ledger.get("r-1"), Reference(request_id="r-1"), app.ledger)
