"""What a dispatch does in each state: a queue message, a row in the due index, an outcome."""

import json
from datetime import timedelta
from typing import Any

import pytest

from storage.dispatcher import FIRST_POLL, reference_to
from storage.ledger import Entry, State, Step
from storage.queues import MESSAGE_OUTCOMES, MESSAGE_REQUESTS, MESSAGE_SENDS, poison
from tests.fake_app import FakeApp
from tests.samples import TRACEPARENT, a_request


@pytest.fixture
def app() -> FakeApp:
    return FakeApp()


async def _settled(app: FakeApp, step: Step, **changes: Any) -> Entry:
    return await app.ledger.advance(await app.claim(await app.ledger.open(a_request())), step, **changes)


async def test_deferred_goes_back_to_its_queue_until_its_time(app: FakeApp) -> None:
    """A deferred request is enqueued as a hidden reference, with its language and the new sequence."""
    at = app.clock() + timedelta(seconds=40)
    entry = await _settled(app, Step(State.DEFERRED, "unreachable"), next_at=at, sequence=1)
    await app.dispatcher.dispatch(entry, MESSAGE_SENDS, "en_GB")
    message = app.queues.only(MESSAGE_SENDS)
    assert message.delay == timedelta(seconds=40)
    assert json.loads(message.body) == {
        "reference": 1,
        "request_id": "r-1",
        "sequence": 1,
        "language": "en_GB",
        "traceparent": TRACEPARENT,
    }
    assert list(app.queues.messages) == [MESSAGE_SENDS]


async def test_deferred_whose_time_has_passed_goes_back_at_once(app: FakeApp) -> None:
    """A deferred request whose time has passed is enqueued without a delay."""
    entry = await _settled(app, Step(State.DEFERRED, "unreachable"), next_at=app.clock(), sequence=1)
    app.clock.advance(minutes=5)
    await app.dispatcher.dispatch(entry, MESSAGE_REQUESTS)
    assert app.queues.only(MESSAGE_REQUESTS).delay == timedelta(0)


async def test_accepted_is_due_for_a_poll_and_published(app: FakeApp) -> None:
    """An accepted message is due for its first poll, and its acceptance is published."""
    entry = await _settled(app, Step(State.ACCEPTED), message_id="M1", body={})
    await app.dispatcher.dispatch(entry, MESSAGE_SENDS)
    assert app.due() == [f"{app.clock() + FIRST_POLL:%S}-r-1"]
    assert app.told() == ["r-1/0/accepted"]
    assert list(app.queues.messages) == [MESSAGE_OUTCOMES]


async def test_accepted_without_an_id_is_told_and_not_followed(app: FakeApp) -> None:
    """An accepted message without IO's id is published and not polled."""
    entry = await _settled(app, Step(State.ACCEPTED, "no_message_id"), body={})
    await app.dispatcher.dispatch(entry, MESSAGE_SENDS)
    assert app.due() == []
    assert app.told() == ["r-1/0/accepted"]


async def test_in_doubt_is_told_and_put_nowhere(app: FakeApp) -> None:
    """A request in doubt is published and not enqueued."""
    entry = await _settled(app, Step(State.IN_DOUBT, "timeout"))
    await app.dispatcher.dispatch(entry, MESSAGE_SENDS)
    assert app.told() == ["r-1/0/in_doubt"]
    assert list(app.queues.messages) == [MESSAGE_OUTCOMES]


@pytest.mark.parametrize("queue", [MESSAGE_REQUESTS, MESSAGE_SENDS])
async def test_refused_is_published_and_goes_to_its_poison_queue(app: FakeApp, queue: str) -> None:
    """A refused request is published, and its reference goes to the poison queue of its own queue."""
    entry = await _settled(app, Step(State.REFUSED, "invalid_message", 400))
    await app.dispatcher.dispatch(entry, queue)
    body = app.queues.only(poison(queue)).body
    assert json.loads(body) == json.loads(reference_to(entry).to_json())
    await app.park(body, queue)
    assert app.told() == ["r-1/0/refused", "r-1/0/parked"]


async def test_dead_goes_to_the_poison_queue_and_is_told_there(app: FakeApp) -> None:
    """A dead request goes to the poison queue and is published only when it is parked."""
    entry = await app.ledger.advance(await app.ledger.open(a_request()), Step(State.DEAD, "exhausted"))
    await app.dispatcher.dispatch(entry, MESSAGE_REQUESTS)
    assert app.told() == []
    assert len(app.queues.bodies(poison(MESSAGE_REQUESTS))) == 1


@pytest.mark.parametrize("state", [State.SKIPPED, State.EXPIRED])
async def test_outcome_that_is_no_failure_is_only_told(app: FakeApp, state: State) -> None:
    """A skipped or expired request is published and nothing else: it needs no operator."""
    entry = await app.ledger.advance(await app.ledger.open(a_request()), Step(state), body={})
    await app.dispatcher.dispatch(entry, MESSAGE_REQUESTS)
    assert list(app.queues.messages) == [MESSAGE_OUTCOMES]


async def test_twice_tells_the_same_event_and_makes_one_due_row(app: FakeApp) -> None:
    """A repeated dispatch publishes an event with the same id and makes no second due row."""
    entry = await _settled(app, Step(State.ACCEPTED), message_id="M1", body={})
    await app.dispatcher.dispatch(entry, MESSAGE_SENDS)
    app.clock.advance(minutes=10)
    await app.dispatcher.dispatch(entry, MESSAGE_SENDS)
    assert len(app.due()) == 1
    assert len(set(app.told())) == 1


async def test_republish_publishes_the_whole_history(app: FakeApp) -> None:
    """A dispatch with `republish` publishes the whole history, in case a worker crashed before it did."""
    accepted = await _settled(app, Step(State.ACCEPTED), message_id="M1", body={})
    entry = await app.ledger.advance(accepted, Step(State.PROCESSED), Step(State.READ))
    await app.dispatcher.dispatch(entry, MESSAGE_SENDS, republish=True)
    assert app.told() == ["r-1/0/accepted", "r-1/0/processed", "r-1/0/read"]


async def test_checked_request_goes_on_as_a_reference(app: FakeApp) -> None:
    """A checked request goes to message-sends as a reference with its language and no personal data."""
    entry = await app.ledger.open(a_request())
    await app.dispatcher.enqueue_send(entry, "de_DE")
    body = json.loads(app.queues.only(MESSAGE_SENDS).body)
    assert (body["request_id"], body["language"], body["sequence"]) == ("r-1", "de_DE", 0)
    assert set(body) == {"reference", "request_id", "language", "sequence", "traceparent"}


async def test_parked_body_goes_as_it_is(app: FakeApp) -> None:
    """An unreadable body reaches the poison queue unchanged."""
    await app.dispatcher.poison("not {json", MESSAGE_REQUESTS)
    assert app.queues.bodies(poison(MESSAGE_REQUESTS)) == ["not {json"]
