"""Outcomes: the steps that are published, with their words and ids."""

import json
from dataclasses import replace

import pytest

from contract.violations import Violation
from storage.ledger import Entry, State, Step
from storage.parked import ParkedMessage
from storage.queues import MESSAGE_OUTCOMES
from tests.fake_app import FakeApp
from tests.samples import TRACEPARENT, a_request, payment, personal_data_in

NEVER_TOLD = {"REQUESTED", "SENDING", "DEFERRED", "DEAD", "MISSING"}


@pytest.fixture
def app() -> FakeApp:
    return FakeApp()


def _with_history(entry: Entry, *words: str) -> Entry:
    lines = (
        {"at": f"2026-11-24T09:00:{number:02}.000+00:00", "what": word} for number, word in enumerate(words)
    )
    return replace(entry, history=tuple(lines))


@pytest.fixture
async def entry(app: FakeApp) -> Entry:
    return await app.ledger.open(a_request(content=payment(), feature_level_type="ADVANCED"))


@pytest.mark.parametrize("state", [*sorted(set(State) - NEVER_TOLD), "READ_UNAVAILABLE"])
async def test_end_or_fact_is_told_in_its_own_word(app: FakeApp, entry: Entry, state: str) -> None:
    """Every final state, and every change that IO reports, is published as an event of its own type."""
    await app.outcomes.publish(_with_history(entry, "REQUESTED", state))
    (event,) = app.events()
    assert event["type"] == f"it.postino.message.{state.lower()}"
    assert (event["id"], event["data"]["state"]) == (f"r-1/0/{state.lower()}", state.lower())


@pytest.mark.parametrize("state", sorted(NEVER_TOLD))
async def test_step_on_the_way_is_not_told(app: FakeApp, entry: Entry, state: str) -> None:
    """Intermediate steps are not published; DEAD is published when the message is parked.

    MISSING concerns the institution's operators, who find it in the log and the history.
    """
    await app.outcomes.publish(_with_history(entry, state))
    assert app.events() == []


async def test_event_says_what_is_known_without_personal_data(app: FakeApp, entry: Entry) -> None:
    """The event carries the trace, the campaign and IO's words, and no personal data."""
    seen = replace(
        _with_history(entry, "REQUESTED", "SENDING", "ACCEPTED", "PROCESSED", "READ"),
        message_id="01JWCZ5V6Q4M3N2P1R0T9S8W7X",
        attempt=2,
        status="PROCESSED",
        read_status="READ",
        payment_status="NOT_PAID",
    )
    await app.outcomes.publish(seen)
    (event,) = app.events()
    assert event["data"] == {
        "request_id": "r-1",
        "service": "default",
        "campaign": "tari 2026",
        "feature_level_type": "ADVANCED",
        "state": "read",
        "message_id": "01JWCZ5V6Q4M3N2P1R0T9S8W7X",
        "status": "PROCESSED",
        "read_status": "READ",
        "payment_status": "NOT_PAID",
        "attempts": 2,
    }
    assert (event["subject"], event["traceparent"], event["time"]) == (
        "r-1",
        TRACEPARENT,
        "2026-11-24T09:00:04Z",
    )
    assert personal_data_in(json.dumps(event)) == []


async def test_reason_and_http_status_of_the_step_are_told(app: FakeApp, entry: Entry) -> None:
    """The event of a refusal carries the reason and the status code of the ledger."""
    claimed = await app.claim(entry)
    refused = await app.ledger.advance(claimed, Step(State.REFUSED, "invalid_message", 400))
    await app.outcomes.publish(refused)
    (event,) = app.events()
    assert (event["data"]["reason"], event["data"]["http_status"]) == ("invalid_message", 400)


async def test_newest_lines_are_told_oldest_first(app: FakeApp, entry: Entry) -> None:
    """Several new lines are published in the order of the history."""
    seen = _with_history(entry, "ACCEPTED", "PROCESSED", "READ", "PAID")
    await app.outcomes.publish(seen, newest=3)
    assert app.told() == ["r-1/0/processed", "r-1/0/read", "r-1/0/paid"]


async def test_nothing_new_tells_nothing(app: FakeApp, entry: Entry) -> None:
    """An answer that changed no state publishes no event."""
    await app.outcomes.publish(_with_history(entry, "ACCEPTED"), newest=0)
    assert app.events() == []


async def test_repetition_has_the_same_id_and_a_second_occurrence_another(app: FakeApp, entry: Entry) -> None:
    """A repeated event has the same id, and a second occurrence another, so dropping known ids is safe."""
    once = _with_history(entry, "PROCESSED", "READ_UNAVAILABLE")
    twice = _with_history(entry, "PROCESSED", "READ_UNAVAILABLE", "READ", "READ_UNAVAILABLE")
    for told in (once, once, twice):
        await app.outcomes.publish(told)
    assert app.told() == ["r-1/0/read_unavailable", "r-1/0/read_unavailable", "r-1/1/read_unavailable"]


async def test_parked_message_is_told_with_what_an_operator_needs(app: FakeApp) -> None:
    """The event of a parked message carries the violations and the id for the operator's command."""
    message = ParkedMessage(
        "message-requests",
        "body-1",
        "invalid",
        first_at=app.clock(),
        last_at=app.clock(),
        violations=(Violation(field="fiscal_code", rule="is required"),),
    )
    await app.outcomes.publish_parked(message)
    event = json.loads(app.queues.only(MESSAGE_OUTCOMES).body)
    assert event["type"] == "it.postino.message.parked"
    assert event["id"] == f"body-1/{int(app.clock().timestamp() * 1000)}/parked"
    assert event["data"] == {
        "state": "parked",
        "reason": "invalid",
        "violations": [{"field": "fiscal_code", "rule": "is required"}],
        "attempts": 0,
        "parked_id": "body-1",
    }


async def test_two_parked_messages_never_share_an_id(app: FakeApp) -> None:
    """Two different bodies with the same request_id are published as two events with different ids."""
    first = ParkedMessage("message-requests", "body-1", "invalid", app.clock(), app.clock(), request_id="r-1")
    for message in (first, replace(first, parked_id="body-2", reason="conflict")):
        await app.outcomes.publish_parked(message)
    assert len(set(app.told())) == 2


async def test_message_parked_again_is_told_again(app: FakeApp) -> None:
    """A message parked again after a redrive is published as a new event."""
    first = ParkedMessage("message-requests", "r-1", "exhausted", app.clock(), app.clock(), request_id="r-1")
    for times in (1, 2):
        await app.outcomes.publish_parked(replace(first, times=times))
    assert app.told() == ["r-1/0/parked", "r-1/1/parked"]
