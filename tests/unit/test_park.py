"""Parking: why a message is on a poison queue, and what becomes of it."""

import base64
import json
import logging
from dataclasses import replace
from datetime import timedelta

import pytest

from contract.violations import Violation
from io_api.errors import Refused
from poison.park import StillSending
from poison.redrive import redrive
from storage.ledger import LEASE, Entry, State, Step
from storage.parked import ParkedMessage
from storage.queues import MESSAGE_OUTCOMES, MESSAGE_REQUESTS, MESSAGE_SENDS, MESSAGE_SETTLED
from storage.table import Unanswered
from tests.fake_app import FakeApp
from tests.fakes import Died
from tests.samples import FISCAL_CODE, NOTICE_NUMBER, a_body, a_request, payment, personal_data_in


@pytest.fixture
def app() -> FakeApp:
    return FakeApp()


@pytest.fixture
async def entry(app: FakeApp) -> Entry:
    return await app.ledger.open(a_request())


async def _only(app: FakeApp) -> ParkedMessage:
    (message,) = [message async for message in app.parked.all()]
    return message


async def test_invalid_request_is_parked_with_everything_that_is_wrong(app: FakeApp) -> None:
    """An invalid request is parked and published with each violation and its request_id."""
    body = a_body(content={"subject": "short", "markdown": "short"})
    await app.park(body)
    message = await _only(app)
    assert (message.queue, message.reason, message.request_id) == (MESSAGE_REQUESTS, "invalid", "r-1")
    assert [violation.field for violation in message.violations] == ["content.subject", "content.markdown"]
    assert (message.first_at, message.last_at, message.times) == (app.clock(), app.clock(), 1)
    assert app.parked.body_of(message) == body
    (event,) = app.events()
    assert (event["type"], event["subject"]) == ("it.postino.message.parked", "r-1")
    assert event["data"]["violations"] == [dict(violation) for violation in message.violations]
    assert event["data"]["parked_id"] == message.parked_id
    assert not app.ledger_table.rows_by_key


BROKEN = ["", "not json", "[1]", "{}", '{"request_id": "a b"}', a_body(request_id=FISCAL_CODE), "[" * 9999]


@pytest.mark.parametrize("body", BROKEN)
async def test_body_without_a_request_id_is_parked_under_an_id_of_its_own(app: FakeApp, body: str) -> None:
    """A body without a valid request_id is parked and published under an id of its own."""
    await app.park(body)
    message = await _only(app)
    assert (message.reason, message.request_id) == ("invalid", None)
    assert message.parked_id == app.parked.id_of(body)
    assert app.events()[0]["id"].startswith(f"{message.parked_id}/")
    assert "subject" not in app.events()[0]


@pytest.mark.parametrize("queue", [MESSAGE_REQUESTS, MESSAGE_SENDS])
async def test_malformed_reference_is_invalid(app: FakeApp, queue: str) -> None:
    """A reference of another version is parked as invalid, with the violation."""
    await app.park('{"reference": 2, "request_id": "r-1"}', queue)
    message = await _only(app)
    assert (message.queue, message.reason) == (queue, "invalid")
    assert message.violations[0].field == "reference"


async def test_other_content_under_a_known_id_is_a_conflict(app: FakeApp, entry: Entry) -> None:
    """Other content under a known id is parked as a conflict, and the first request stays unchanged."""
    body = a_body(content=payment())
    await app.park(body)
    message = await _only(app)
    assert (message.reason, message.request_id) == ("conflict", "r-1")
    assert message.parked_id == app.parked.id_of(body) != "r-1"
    assert app.entry() == entry


async def test_reference_to_nothing_is_an_unknown_request(app: FakeApp) -> None:
    """A reference without a ledger entry is parked with the id of the missing request."""
    body = '{"reference": 1, "request_id": "nobody"}'
    await app.park(body, MESSAGE_SENDS)
    message = await _only(app)
    assert (message.reason, message.request_id, message.queue) == ("unknown_request", "nobody", MESSAGE_SENDS)
    assert app.parked.body_of(message) == body


async def test_request_that_never_reached_the_ledger_failed_repeatedly(app: FakeApp) -> None:
    """A valid request that failed five times before it reached the ledger is parked whole."""
    await app.park(a_body())
    message = await _only(app)
    assert (message.reason, message.request_id) == ("failed_repeatedly", "r-1")
    assert app.parked.body_of(message) == a_body()
    assert not app.ledger_table.rows_by_key


@pytest.mark.parametrize("queue", [MESSAGE_REQUESTS, MESSAGE_SENDS])
async def test_waiting_request_that_failed_repeatedly_is_dead(app: FakeApp, entry: Entry, queue: str) -> None:
    """A waiting request that the platform gave up is DEAD, and is parked with the content of the ledger."""
    await app.park(app.reference(), queue)
    message = await _only(app)
    assert (message.queue, message.parked_id, message.reason) == (queue, "r-1", "failed_repeatedly")
    assert (message.service, message.campaign, message.traceparent) == (
        entry.service,
        entry.campaign,
        entry.traceparent,
    )
    assert app.parked.body_of(message) == a_request().to_json()
    assert (app.entry().state, app.told()) == (State.DEAD, ["r-1/0/parked"])


async def test_deferred_request_that_failed_repeatedly_is_dead(app: FakeApp, entry: Entry) -> None:
    """A deferred request that the platform gave up is DEAD too."""
    deferred = await app.ledger.advance(entry, Step(State.DEFERRED, "unreachable"), sequence=1)
    await app.park(app.reference(), MESSAGE_SENDS)
    assert (deferred.state, app.entry().state) == (State.DEFERRED, State.DEAD)


async def test_request_in_base64_is_the_same_request(app: FakeApp, entry: Entry) -> None:
    """A request that a binding encoded in base64 is recognised on the poison queue too."""
    await app.park(base64.b64encode(a_body().encode()).decode())
    assert ((await _only(app)).parked_id, app.entry().state) == ("r-1", State.DEAD)


async def test_refused_request_is_parked_with_ios_reason(app: FakeApp) -> None:
    """A refused request is parked with IO's reason and the number of its attempts."""
    app.io.submitted = Refused(reason="payment_amount_not_allowed", status=400)
    await app.queues.put(MESSAGE_REQUESTS, a_body())
    await app.run()
    message = await _only(app)
    assert (message.queue, message.reason, message.http_status) == (
        MESSAGE_SENDS,
        "payment_amount_not_allowed",
        400,
    )
    assert (message.attempts, app.told()) == (1, ["r-1/0/refused", "r-1/0/parked"])
    assert (await app.parked.get(MESSAGE_SENDS, "r-1")) == message


async def test_request_being_sent_is_left_until_its_lease_is_over(app: FakeApp, entry: Entry) -> None:
    """While a worker may still be sending, parking raises StillSending and changes nothing."""
    claimed = await app.claim(entry)
    with pytest.raises(StillSending):
        await app.park(app.reference(), MESSAGE_SENDS)
    assert (app.entry(), app.queues.messages) == (claimed, {})
    assert not app.parked_table.rows_by_key


async def test_request_whose_lease_ran_out_is_in_doubt_and_not_parked(app: FakeApp, entry: Entry) -> None:
    """A request whose lease expired is IN_DOUBT and not parked, so it cannot be redriven."""
    await app.claim(entry)
    app.clock.advance(seconds=LEASE.total_seconds())
    await app.park(app.reference(), MESSAGE_SENDS)
    assert (app.entry().state, app.told()) == (State.IN_DOUBT, ["r-1/0/in_doubt"])
    assert not app.parked_table.rows_by_key


async def test_request_that_was_sent_after_all_is_followed_and_not_parked(app: FakeApp, entry: Entry) -> None:
    """A message whose worker failed after IO accepted it is published and due for its first poll."""
    claimed = await app.claim(entry)
    await app.ledger.advance(claimed, Step(State.ACCEPTED), message_id="M1", body={})
    await app.park(app.reference(), MESSAGE_SENDS)
    assert (app.told()[-1], len(app.due())) == ("r-1/0/accepted", 1)
    assert not app.parked_table.rows_by_key


async def test_request_that_was_looked_at_since_is_told_from_its_beginning(
    app: FakeApp, entry: Entry
) -> None:
    """A request that was polled meanwhile has the whole of its history published."""
    claimed = await app.claim(entry)
    accepted = await app.ledger.advance(claimed, Step(State.ACCEPTED), message_id="M1", body={})
    await app.ledger.advance(accepted, Step(State.PROCESSED), status="PROCESSED")
    await app.park(app.reference(), MESSAGE_SENDS)
    assert app.told() == ["r-1/0/accepted", "r-1/0/processed"]


@pytest.mark.parametrize("state", [State.SKIPPED, State.EXPIRED])
async def test_outcome_that_is_no_failure_is_told_and_not_parked(
    app: FakeApp, entry: Entry, state: State
) -> None:
    """A skipped or expired request is published and not parked: it needs no operator."""
    await app.ledger.advance(entry, Step(state), body={})
    await app.park(app.reference())
    assert app.told() == [f"r-1/0/{state.lower()}"]
    assert not app.parked_table.rows_by_key


@pytest.mark.parametrize("body", ["not json", a_body(), a_body(fiscal_code="x")])
async def test_same_body_again_counts_up(app: FakeApp, body: str) -> None:
    """A repeated body is one parked message with a count, and is published each time."""
    for _ in range(3):
        await app.park(body)
        app.clock.advance(hours=1)
    message = await _only(app)
    assert (message.times, len(set(app.told()))) == (3, 3)
    assert message.last_at - message.first_at == timedelta(hours=2)


async def test_body_that_parks_again_after_a_redrive_is_told_anew(app: FakeApp) -> None:
    """A redriven body that is parked again is published as a new event, with another id."""
    await app.park("not json")
    await redrive(await _only(app), app.stores)
    app.clock.advance(minutes=1)
    await app.run()
    assert (await _only(app)).reason == "invalid"
    assert len(set(app.told())) == 2


async def test_same_end_of_a_request_is_parked_and_told_once(app: FakeApp, entry: Entry) -> None:
    """A poison message that is delivered twice is parked and published once."""
    reference = app.reference()
    await app.park(reference)
    await app.park(reference)
    assert ((await _only(app)).times, set(app.told())) == (1, {"r-1/0/parked"})


async def test_request_parked_again_after_a_redrive_is_told_again(app: FakeApp, entry: Entry) -> None:
    """A request that is parked again after a redrive is published again, with another id."""
    for _ in range(2):
        await app.park(app.reference())
        await redrive(await _only(app), app.stores)
    assert len(app.told()) == 2
    assert len(set(app.told())) == 2


async def test_refused_request_that_was_dropped_is_not_parked_again(app: FakeApp, entry: Entry) -> None:
    """A late copy of a refused request whose content an operator dropped is neither parked nor a failure."""
    claimed = await app.claim(entry)
    await app.ledger.advance(claimed, Step(State.REFUSED, "invalid_message"), body={})
    await app.park(app.reference(), MESSAGE_SENDS)
    assert not app.parked_table.rows_by_key


@pytest.mark.parametrize("step", range(4))
@pytest.mark.parametrize("lost", ["before", "answer"])
async def test_death_while_parking_loses_nothing(app: FakeApp, entry: Entry, step: int, lost: str) -> None:
    """Whichever step of parking fails, the next delivery parks and publishes."""
    reference = app.reference()
    if lost == "before":
        app.steps.fail_before(Died(), skip=step)
    else:
        app.steps.fail_after(Unanswered(), skip=step)
    for _ in range(2):
        try:
            await app.park(reference)
        except (Died, Unanswered):
            continue
    assert (app.steps.to_come, app.entry().state) == (0, State.DEAD)
    assert app.parked.body_of(await _only(app)) == a_request().to_json()
    assert "parked" in app.told()[-1]


async def test_parking_is_logged_with_ids_only(app: FakeApp, caplog: pytest.LogCaptureFixture) -> None:
    """Parking logs one line with the queue, the parked id and the reason."""
    await app.park(a_body(fiscal_code="rossi"))
    message = await _only(app)
    assert caplog.messages == [f"parked queue=message-requests parked_id={message.parked_id} reason=invalid"]


async def test_nothing_personal_shows_in_what_is_parked(
    app: FakeApp, caplog: pytest.LogCaptureFixture
) -> None:
    """Keys, unencrypted columns, events and logs contain no personal data of a body or its field names."""
    caplog.set_level(logging.DEBUG)
    await app.ledger.open(a_request(request_id="r-2", content=payment()))
    for body in (
        a_body(content=payment(amount=-1)),
        a_body(content=payment(), **{FISCAL_CODE: FISCAL_CODE}),
        a_body(content=payment(), request_id=FISCAL_CODE),
        a_body(content=payment(), campaign=f"for {FISCAL_CODE}"),
        a_body(content=payment()),
        a_body(),
        a_body(request_id="r-2", content=payment()),
        a_body(request_id="r-2"),
        base64.b64encode(a_body(content=payment(), x=1).encode()).decode(),
        json.dumps(a_body()),
    ):
        await app.park(body)
    kept = [*app.everything_kept(), ("log", caplog.text)]
    assert not [(place, found) for place, text in kept if (found := personal_data_in(text))]
    assert len(app.parked_table.rows_by_key) == 10
    assert {queue for queue, messages in app.queues.messages.items() if messages} == {MESSAGE_OUTCOMES}


async def test_violations_come_back_from_the_table(app: FakeApp) -> None:
    """The violations that the operator sees are those that were published."""
    await app.park("{}")
    message = await _only(app)
    assert Violation(field="fiscal_code", rule="is required") in message.violations
    assert await app.parked.get(MESSAGE_REQUESTS, message.parked_id) == replace(message)


async def test_doubt_that_was_never_told_is_told_before_the_parking(app: FakeApp) -> None:
    """A request that is given up has its whole history published, in case a worker crashed before it did."""
    claimed = await app.claim(await app.ledger.open(a_request()))
    doubted = await app.ledger.advance(claimed, Step(State.IN_DOUBT, "lease_over"))
    await app.ledger.advance(doubted, Step(State.DEFERRED, "resend"), sequence=1)
    await app.park(app.reference(), MESSAGE_SENDS)
    assert app.told() == ["r-1/0/in_doubt", "r-1/0/parked"]


@pytest.mark.parametrize(
    ("body", "reason", "request_id", "fields"),
    [
        ("not json", "invalid", None, ["body"]),
        ('{"request_id": "r-1", "paid": true}', "invalid", "r-1", ["paid"]),
        ('{"request_id": "r-2"}', "unknown_request", "r-2", []),
        ('{"request_id": "r-1"}', "failed_repeatedly", "r-1", []),
        (f'{{"notice_number": "{NOTICE_NUMBER}"}}', "failed_repeatedly", None, []),
    ],
)
async def test_settlement_is_parked_and_goes_back_to_its_own_queue(
    app: FakeApp, entry: Entry, body: str, reason: str, request_id: str | None, fields: list[str]
) -> None:
    """A failed settlement is parked and published without touching its request, and redrive enqueues it."""
    await app.park(body, MESSAGE_SETTLED)
    message = await _only(app)
    assert (message.queue, message.reason, message.request_id) == (MESSAGE_SETTLED, reason, request_id)
    assert [violation.field for violation in message.violations] == fields
    (event,) = app.events()
    assert (event["data"]["state"], event["data"]["reason"]) == ("parked", reason)
    assert NOTICE_NUMBER not in json.dumps(event)
    assert app.entry() == entry
    await redrive(message, app.stores)
    assert app.queues.bodies(MESSAGE_SETTLED) == [body]


@pytest.fixture
async def unrecorded(app: FakeApp, entry: Entry) -> tuple[Entry, str]:
    """Return a claimed entry and the reference with its result, which the ledger does not hold yet."""
    claimed = await app.claim(entry)
    result = {"owner": claimed.owner, "what": "ACCEPTED", "message_id": "M1"}
    return claimed, app.reference(result=result)


@pytest.mark.parametrize("doubted", [False, True])
async def test_answer_that_the_ledger_does_not_know_is_not_given_up(
    app: FakeApp, unrecorded: tuple[Entry, str], doubted: bool
) -> None:
    """A reference whose workers crashed five times still has its result recorded in the ledger."""
    claimed, reference = unrecorded
    if doubted:
        await app.ledger.advance(claimed, Step(State.IN_DOUBT, "lease_over"))
    await app.park(reference, MESSAGE_SENDS)
    assert app.parked_table.rows_by_key == {}
    await app.run()
    assert (app.entry().state, app.entry().message_id, app.io.sent) == (State.ACCEPTED, "M1", [])
    assert (app.told()[-1], len(app.due())) == ("r-1/0/accepted", 1)


async def test_answer_that_the_ledger_knows_does_not_go_round(
    app: FakeApp, unrecorded: tuple[Entry, str]
) -> None:
    """A reference whose result the ledger already holds is not requeued."""
    claimed, reference = unrecorded
    await app.ledger.advance(claimed, Step(State.ACCEPTED), message_id="M1")
    await app.park(reference, MESSAGE_SENDS)
    assert (app.queues.bodies(MESSAGE_SENDS), app.told()) == ([], ["r-1/0/accepted"])


async def test_answer_of_an_attempt_that_others_followed_does_not_go_round(
    app: FakeApp, unrecorded: tuple[Entry, str]
) -> None:
    """The result of an old attempt is not requeued while the newest attempt holds its lease."""
    claimed, reference = unrecorded
    doubted = await app.ledger.advance(claimed, Step(State.IN_DOUBT, "lease_over"))
    await app.claim(await app.ledger.advance(doubted, Step(State.DEFERRED, "resend"), sequence=1))
    with pytest.raises(StillSending):
        await app.park(reference, MESSAGE_SENDS)
    assert app.queues.bodies(MESSAGE_SENDS) == []
