"""The sending: claimed before the POST, settled after it, and never done twice."""

import json
import logging
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from io_api.errors import InDoubt, IoError, Misconfigured, NotSent, RateLimited, Refused, Stopped, Unreachable
from send_message.in_doubt import resend
from send_message.send_message import LONGEST_POST
from send_message.turn import LOOK_AGAIN, MAX_AGE
from storage.ledger import LEASE, State
from storage.queues import MESSAGE_OUTCOMES, MESSAGE_REQUESTS, MESSAGE_SENDS, poison
from storage.table import Unanswered
from tests.fakes import Died
from tests.road import Road
from tests.samples import (
    FISCAL_CODE,
    MARKDOWN,
    NOTICE_NUMBER,
    SUBJECT,
    a_body,
    a_request,
    payment,
    personal_data_in,
)
from tests.torture.world import at_once

ENGLISH = {"subject": "A notice for you", "markdown": "Dear citizen, there is a deadline for you. " * 3}


@pytest.fixture
def road() -> Road:
    return Road()


@pytest.fixture
async def reference(road: Road) -> str:
    await road.ledger.open(a_request(translations={"en_GB": ENGLISH}))
    return road.reference()


def _limited(retry_after: float) -> IoError:
    error = RateLimited(reason="rate_limited", status=429)
    error.retry_after = retry_after
    return error


async def test_message_is_sent_and_accepted(road: Road, reference: str) -> None:
    """An accepted message is known by IO's id, told, followed, and its content is no longer kept."""
    await road.send(reference)
    entry = road.entry()
    assert (entry.state, entry.message_id, entry.attempt) == (State.ACCEPTED, road.io.submitted, 1)
    assert entry.body == {}
    assert road.told() == ["r-1/0/accepted"]
    assert road.events()[0]["data"]["message_id"] == road.io.submitted
    assert len(road.due()) == 1
    assert list(road.queues.messages) == [MESSAGE_OUTCOMES]


async def test_intent_is_written_before_the_message_leaves(road: Road, reference: str) -> None:
    """While the message is under way the ledger already says so, with an owner and a lease."""

    async def look() -> None:
        entry = road.entry()
        assert (entry.state, entry.attempt) == (State.SENDING, 1)
        assert (entry.owner is not None, entry.lease_until) == (True, road.clock() + LEASE)

    road.io.while_sending = look
    await road.send(reference)
    assert len(road.io.sent) == 1


async def test_message_says_what_the_request_says(road: Road) -> None:
    """Recipient, level, text, payment, due date and secure channels reach IO as they were asked for."""
    content = payment(invalid_after_due_date=True, payee={"fiscal_code": "12345678901"})
    content |= {"due_date": "2026-12-16T23:59:59+01:00", "require_secure_channels": True}
    await road.ledger.open(a_request(feature_level_type="ADVANCED", service="tributi", content=content))
    await road.send(road.reference())
    ((message, service),) = road.io.sent
    assert service == "tributi"
    assert json.loads(message.body()) == {
        "fiscal_code": FISCAL_CODE,
        "feature_level_type": "ADVANCED",
        "content": {
            "subject": SUBJECT,
            "markdown": MARKDOWN,
            "due_date": "2026-12-16T22:59:59Z",
            "require_secure_channels": True,
            "payment_data": {
                "amount": 12345,
                "notice_number": NOTICE_NUMBER,
                "invalid_after_due_date": True,
                "payee": {"fiscal_code": "12345678901"},
            },
        },
    }


async def test_plain_request_is_a_standard_message_with_nothing_added(road: Road, reference: str) -> None:
    """What the request leaves out is left out, and the level is STANDARD."""
    await road.send(reference)
    ((message, service),) = road.io.sent
    assert service == "default"
    assert json.loads(message.body()) == {
        "fiscal_code": FISCAL_CODE,
        "feature_level_type": "STANDARD",
        "content": {"subject": SUBJECT, "markdown": MARKDOWN},
    }


async def test_translation_replaces_the_text_only(road: Road) -> None:
    """In another language the subject and the text change, and the notice stays."""
    await road.ledger.open(a_request(content=payment(), translations={"en_GB": ENGLISH}))
    await road.send(road.reference(language="en_GB"))
    content = json.loads(road.io.sent[0][0].body())["content"]
    assert (content["subject"], content["markdown"]) == (ENGLISH["subject"], ENGLISH["markdown"])
    assert content["payment_data"]["notice_number"] == NOTICE_NUMBER


async def test_answer_without_an_id_is_accepted_and_never_repeated(road: Road, reference: str) -> None:
    """A 201 that carries no readable id means that the message exists: it is not sent again."""
    road.io.submitted = None
    await road.send(reference)
    entry = road.entry()
    assert (entry.state, entry.message_id, entry.last_step["reason"]) == (
        State.ACCEPTED,
        None,
        "no_message_id",
    )
    assert road.due() == []
    await road.send(reference, redelivered=True)
    assert len(road.io.sent) == 1


@pytest.mark.parametrize(
    ("error", "failures", "least", "most"),
    [
        (Unreachable(reason="unreachable"), 1, 2, 6),
        (NotSent(reason="busy"), 1, 2, 6),
        (_limited(30), 0, 30, 60),
        (Misconfigured(reason="invalid_key", status=401), 0, 450, 900),
    ],
)
async def test_what_surely_was_not_sent_is_deferred(
    road: Road, reference: str, error: IoError, failures: int, least: float, most: float
) -> None:
    """A message that surely did not leave comes back in its language, and nobody is told."""
    road.io.submitted = error
    await road.send(road.reference(language="en_GB"))
    entry = road.entry()
    assert (entry.state, entry.last_step["reason"]) == (State.DEFERRED, error.reason)
    assert (entry.failures, entry.sequence) == (failures, 1)
    assert road.ledger.request_of(entry).request_id == "r-1"
    message = road.queues.only(MESSAGE_SENDS)
    assert (json.loads(message.body)["language"], json.loads(message.body)["sequence"]) == ("en_GB", 1)
    assert least <= message.delay.total_seconds() <= most
    assert list(road.queues.messages) == [MESSAGE_SENDS]


async def test_deferred_message_is_sent_later_once(road: Road, reference: str) -> None:
    """The deferred copy sends the message, and the older copies that are still about do not."""
    road.io.submitted = Unreachable(reason="unreachable")
    await road.send(reference)
    road.io.submitted = "M1"
    await road.send(reference)
    await road.run()
    await road.send(reference)
    entry = road.entry()
    assert (entry.state, entry.attempt, len(road.io.sent)) == (State.ACCEPTED, 2, 2)
    assert road.history() == ["REQUESTED", "SENDING", "DEFERRED", "SENDING", "ACCEPTED"]


async def test_refused_message_is_told_and_parked(road: Road, reference: str) -> None:
    """What IO will never take is told with its reason, and kept whole for an operator."""
    road.io.submitted = Refused(reason="payment_amount_not_allowed", status=400)
    await road.send(reference)
    entry = road.entry()
    assert (entry.state, entry.last_step["http_status"]) == (State.REFUSED, 400)
    assert len(road.queues.bodies(poison(MESSAGE_SENDS))) == 1
    assert road.ledger.request_of(entry).request_id == "r-1"
    await road.run()
    assert road.told() == ["r-1/0/refused", "r-1/0/parked"]
    assert road.events()[0]["data"]["reason"] == "payment_amount_not_allowed"


@pytest.mark.parametrize("redelivered", [False, True])
async def test_message_in_doubt_is_told_and_never_sent_again(
    road: Road, reference: str, redelivered: bool
) -> None:
    """A message that may have arrived is not repeated by any copy, however late."""
    road.io.submitted = InDoubt(reason="timeout")
    await road.send(reference)
    road.io.submitted = "M1"
    for _ in range(3):
        road.clock.advance(days=1)
        await road.send(reference, redelivered=redelivered)
        await road.check(a_body(translations={"en_GB": ENGLISH}), redelivered=redelivered)
        await road.run()
    entry = road.entry()
    assert (entry.state, entry.last_step["reason"], len(road.io.sent)) == (State.IN_DOUBT, "timeout", 1)
    assert set(road.told()) == {"r-1/0/in_doubt"}
    assert road.ledger.request_of(entry).request_id == "r-1"


async def test_failure_that_nobody_knows_leaves_the_message_in_doubt(road: Road, reference: str) -> None:
    """An exception without meaning proves nothing: after the lease the request is in doubt."""
    road.io.submitted = RuntimeError()
    with pytest.raises(RuntimeError):
        await road.send(reference)
    road.io.submitted = "M1"
    await road.send(reference, redelivered=True)
    assert road.queues.only(MESSAGE_SENDS).delay == LOOK_AGAIN
    await road.run()
    assert (road.entry().state, len(road.io.sent)) == (State.IN_DOUBT, 1)
    assert road.told() == ["r-1/0/in_doubt"]


async def test_late_answer_heals_a_message_put_in_doubt(road: Road, reference: str) -> None:
    """When another worker finds the lease over during a POST, the answer that comes at last counts."""

    async def others_look() -> None:
        road.clock.advance(seconds=LEASE.total_seconds())
        await road.send(reference, redelivered=True)

    road.io.while_sending = others_look
    await road.send(reference)
    entry = road.entry()
    assert (entry.state, entry.message_id, entry.body) == (State.ACCEPTED, road.io.submitted, {})
    assert road.told() == ["r-1/0/in_doubt", "r-1/0/accepted"]
    assert (len(road.io.sent), len(road.due())) == (1, 1)


async def test_late_answer_written_after_the_visit_is_looked_after_again(road: Road, reference: str) -> None:
    """A late answer that is written after the next visit is handed over, though its worker dies then."""

    async def others_look() -> None:
        road.clock.advance(seconds=LEASE.total_seconds())
        await road.send(reference, redelivered=True)

    def visit() -> None:
        road.clock.advance(seconds=LEASE.total_seconds())
        (copy,) = road.queues.take(MESSAGE_SENDS)
        at_once(road.send(copy))
        road.steps.fail_after(Died(), skip=3)  # the row again, another copy, the write, and no more

    road.io.while_sending = others_look
    road.steps.do_before(visit, skip=11)
    with pytest.raises(Died):
        await road.send(reference)
    assert (road.entry().state, road.due()) == (State.ACCEPTED, [])
    await road.run()
    assert (road.entry().state, len(road.due()), len(road.io.sent)) == (State.ACCEPTED, 1, 1)
    assert "r-1/0/accepted" in road.told()


async def test_late_not_sent_stays_in_doubt_and_is_not_sent_again(road: Road, reference: str) -> None:
    """Once a request is in doubt, a late "not sent" does not put it back in motion."""

    async def others_look() -> None:
        road.clock.advance(seconds=LEASE.total_seconds())
        await road.send(reference, redelivered=True)

    road.io.while_sending = others_look
    road.io.submitted = Unreachable(reason="unreachable")
    await road.send(reference)
    await road.run()
    assert (road.entry().state, len(road.io.sent)) == (State.IN_DOUBT, 1)


async def test_claim_that_took_most_of_its_lease_does_not_post(road: Road, reference: str) -> None:
    """A POST that could outlive its lease is not begun: the message is deferred."""
    too_long = (LEASE - LONGEST_POST).total_seconds() + 1
    road.steps.do_before(lambda: road.clock.advance(seconds=too_long), skip=2)
    await road.send(reference)
    assert road.io.sent == []
    assert road.entry().last_step["reason"] == "lease_too_short"
    assert len(road.queues.bodies(MESSAGE_SENDS)) == 1


@pytest.mark.parametrize(
    "error", [Stopped(reason="paused"), RateLimited(reason="budget_spent"), Misconfigured(reason="gone")]
)
async def test_no_turn_no_claim(road: Road, reference: str, error: IoError) -> None:
    """A message that gets no turn is put off as it is: not claimed, not sent, not counted as its failure."""
    road.io.turn = error
    await road.send(reference)
    entry = road.entry()
    assert (entry.state, entry.last_step["reason"]) == (State.DEFERRED, error.reason)
    assert (entry.attempt, entry.failures, road.io.sent) == (0, 0, [])
    assert len(road.queues.bodies(MESSAGE_SENDS)) == 1


async def test_claim_that_left_enough_of_its_lease_posts(road: Road, reference: str) -> None:
    """A slow claim is no reason to wait while the POST is sure to end within the lease."""
    just_in_time = (LEASE - LONGEST_POST).total_seconds()
    road.steps.do_before(lambda: road.clock.advance(seconds=just_in_time), skip=2)
    await road.send(reference)
    assert len(road.io.sent) == 1


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ("M1", ["r-1/0/accepted"]),
        (InDoubt(reason="timeout"), ["r-1/0/in_doubt"]),
        (Refused(reason="invalid_message", status=400), ["r-1/0/parked", "r-1/0/refused"]),
    ],
)
async def test_two_copies_at_once_make_one_message_and_one_of_each_event(
    road: Road, reference: str, answer: str | IoError, told: list[str]
) -> None:
    """Whoever meets a request under way looks after it later, and adds nothing to what came of it."""

    async def second_copy() -> None:
        await road.send(reference)

    road.io.while_sending = second_copy
    road.io.submitted = answer
    await road.send(reference)
    await road.run()
    assert (len(road.io.sent), len(road.due())) == (1, int(answer == "M1"))
    assert sorted(set(road.told())) == told


async def test_copy_that_looks_after_another_keeps_its_language(road: Road, reference: str) -> None:
    """A message that two copies deferred leaves in the language that its profile chose."""
    english = road.reference(language="en_GB")

    async def second_copy() -> None:
        road.io.while_sending = no_more
        await road.send(english)

    async def no_more() -> None:
        pass

    road.io.while_sending = second_copy
    road.io.submitted = _limited(600)
    await road.send(english)
    road.io.submitted = "M1"
    road.clock.advance(hours=1)
    road.queues.messages[MESSAGE_SENDS].sort(key=lambda message: "en_GB" in message.body)
    for body in road.queues.take(MESSAGE_SENDS):
        await road.send(body)
    _, (message, _) = road.io.sent
    assert message.content.subject == ENGLISH["subject"]


async def test_message_sent_again_by_an_operator_keeps_its_language(road: Road, reference: str) -> None:
    """A resend is the same message, in the language that the profile chose."""
    road.io.submitted = InDoubt(reason="timeout")
    await road.send(road.reference(language="en_GB"))
    road.io.submitted = "M1"
    await resend(road.entry(), ledger=road.ledger, handover=road.handover, clock=road.clock)
    await road.run()
    assert [message.content.subject for message, _ in road.io.sent] == [ENGLISH["subject"]] * 2


async def test_loser_of_the_claim_does_not_post(road: Road, reference: str) -> None:
    """A worker that read the request before another claimed it loses, and its message looks again."""

    def another_claims() -> None:
        ((at, row),) = road.ledger_table.rows_by_key.items()
        theirs = dict(row.values) | {"state": "SENDING", "owner": "another"}
        road.ledger_table.rows_by_key[at] = replace(row, values=theirs, etag="another")

    road.steps.do_before(another_claims, skip=1)
    await road.send(reference)
    assert (road.io.sent, road.entry().owner) == ([], "another")
    assert road.queues.only(MESSAGE_SENDS).delay == LOOK_AGAIN


@pytest.mark.parametrize(
    "body", ["not json", a_body(), '{"reference": 1, "request_id": "nobody"}', '{"reference": 1}']
)
async def test_body_that_is_no_reference_goes_to_the_poison_queue(
    road: Road, body: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Only references to known requests are sent; anything else is given up as it is, with a log line."""
    await road.send(body)
    assert road.queues.bodies(poison(MESSAGE_SENDS)) == [body]
    assert road.io.sent == []
    assert "reference cannot be taken" in caplog.text


async def test_expired_message_is_not_sent(road: Road) -> None:
    """A message that waited on the queue past its expires_at is told as expired."""
    await road.ledger.open(a_request(expires_at="2026-11-24T09:00:00Z"))
    await road.send(road.reference())
    assert (road.told(), road.io.sent) == (["r-1/0/expired"], [])


async def test_message_before_its_time_is_not_sent(road: Road) -> None:
    """not_before holds on this road too."""
    await road.ledger.open(a_request(not_before="2026-11-24T10:00:00Z"))
    await road.send(road.reference())
    assert road.io.sent == []
    assert road.queues.only(MESSAGE_SENDS).delay == timedelta(hours=1, seconds=1)


async def test_endless_trouble_ends_parked(road: Road) -> None:
    """A message that IO could never be reached for is dead and parked, told once, and was never accepted."""
    road.io.submitted = Unreachable(reason="unreachable")
    await road.queues.put(MESSAGE_REQUESTS, a_body())
    await road.run()
    entry = road.entry()
    assert (entry.state, entry.last_step["reason"]) == (State.DEAD, "exhausted")
    assert entry.updated_at - entry.created_at > MAX_AGE
    assert road.told() == ["r-1/0/parked"]
    (parked,) = [message async for message in road.parked.all()]
    assert (parked.queue, parked.reason) == (MESSAGE_SENDS, "exhausted")
    assert road.history() == ["REQUESTED", "SENDING", "DEFERRED", "DEAD"]


async def test_wrong_key_burns_no_message_for_a_week(road: Road) -> None:
    """While a key is wrong its messages wait, and they leave when it is mended."""
    road.io.submitted = Misconfigured(reason="invalid_key", status=401)
    await road.ledger.open(a_request())
    body = road.reference()
    while road.clock() < datetime(2026, 11, 30, 9, tzinfo=UTC):
        await road.send(body)
        message = road.queues.only(MESSAGE_SENDS)
        road.clock.now = message.visible_at + timedelta(seconds=1)
        (body,) = road.queues.take(MESSAGE_SENDS)
    road.io.submitted = "M1"
    await road.send(body)
    assert road.entry().state is State.ACCEPTED


@pytest.mark.parametrize("step", range(6))
@pytest.mark.parametrize("answer", ["M1", Unreachable(reason="unreachable"), Refused(reason="x", status=400)])
async def test_death_at_any_step_sends_once_and_tells(road: Road, step: int, answer: str | IoError) -> None:
    """Whatever step a worker dies before, no message leaves twice and its end is told."""
    await road.ledger.open(a_request())
    await road.queues.put(MESSAGE_SENDS, road.reference())
    road.io.submitted = answer
    road.steps.fail_before(Died(), skip=step)

    async def mended() -> None:
        road.io.submitted = "M1" if isinstance(answer, Unreachable) and len(road.io.sent) > 1 else answer

    road.io.while_sending = mended
    await road.run()
    entry = road.entry()
    ends = {"M1": State.ACCEPTED, "x": State.REFUSED}
    expected = ends.get(getattr(answer, "reason", "M1"), State.ACCEPTED)
    assert (road.steps.to_come, entry.state in (expected, State.IN_DOUBT)) == (0, True)
    assert f"r-1/0/{entry.state.lower()}" in road.told()
    assert len(road.io.sent) <= (2 if isinstance(answer, Unreachable) else 1)
    assert bool(road.due()) == (entry.state is State.ACCEPTED)


@pytest.mark.parametrize("step", range(6))
async def test_lost_answer_of_any_step_sends_once_and_tells(road: Road, step: int) -> None:
    """Whatever step's answer from the storage account is lost, the message is sent once and told."""
    await road.ledger.open(a_request())
    await road.queues.put(MESSAGE_SENDS, road.reference())
    road.steps.fail_after(Unanswered(), skip=step)
    await road.run()
    entry = road.entry()
    assert (road.steps.to_come, entry.state in (State.ACCEPTED, State.IN_DOUBT)) == (0, True)
    assert f"r-1/0/{entry.state.lower()}" in road.told()
    assert len(road.io.sent) == 1


async def test_log_line_tells_the_outcome_before_the_ledger_does(
    road: Road, reference: str, caplog: pytest.LogCaptureFixture
) -> None:
    """When the write after a 201 is lost, the log still holds IO's id and the attempt."""
    caplog.set_level(logging.INFO)
    road.steps.fail_before(Died(), skip=4)
    with pytest.raises(Died):
        await road.send(reference)
    assert road.entry().state is State.SENDING
    assert (
        f"outcome request_id=r-1 attempt=1 state=ACCEPTED reason=None message_id={road.io.submitted}"
        in caplog.text
    )


async def test_nothing_personal_shows_on_the_road(road: Road, caplog: pytest.LogCaptureFixture) -> None:
    """However it ends, no key, column, queue, event or log line shows the person or the content."""
    caplog.set_level(logging.DEBUG)
    answers = [
        "M1",
        None,
        InDoubt(reason="timeout"),
        Refused(reason="x", status=400),
        _limited(1),
        RuntimeError(),
    ]
    for number, answer in enumerate(answers):
        road.io.submitted = answer
        await road.ledger.open(a_request(request_id=f"r-{number}", content=payment()))
        body = road.reference(f"r-{number}")
        if isinstance(answer, RuntimeError):
            with pytest.raises(RuntimeError):
                await road.send(body)
        else:
            await road.send(body)
    kept = [*road.everything_kept(), ("log", caplog.text)]
    assert len(kept) > 50
    assert not [(place, found) for place, text in kept if (found := personal_data_in(text))]
    sealed = sum(bool(row.values.get("body0")) for row in road.ledger_table.rows_by_key.values())
    assert sealed == 4
