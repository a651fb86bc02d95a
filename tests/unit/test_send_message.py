"""Sending: a claim before the POST, a record after it, and never a second POST."""

import json
import logging
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from io_api.errors import (
    InDoubt,
    IoError,
    Misconfigured,
    NotSent,
    RateLimited,
    Refused,
    Suspended,
    Unreachable,
)
from send_message.delivery import MAX_AGE, RECHECK_AFTER
from send_message.resolve_in_doubt import resend
from send_message.send_message import LONGEST_POST
from storage.ledger import LEASE, State, Step
from storage.queues import MESSAGE_OUTCOMES, MESSAGE_REQUESTS, MESSAGE_SENDS, poison
from storage.table import Unanswered
from tests.fake_app import FakeApp
from tests.fakes import Died
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
def app() -> FakeApp:
    return FakeApp()


@pytest.fixture
async def reference(app: FakeApp) -> str:
    await app.ledger.open(a_request(translations={"en_GB": ENGLISH}))
    return app.reference()


def _limited(retry_after: float) -> IoError:
    error = RateLimited(reason="rate_limited", status=429)
    error.retry_after = retry_after
    return error


async def test_message_is_sent_and_accepted(app: FakeApp, reference: str) -> None:
    """An accepted message has IO's id, is published and followed, and its content is removed."""
    await app.send(reference)
    entry = app.entry()
    assert (entry.state, entry.message_id, entry.attempt) == (State.ACCEPTED, app.io.submitted, 1)
    assert entry.body == {}
    assert app.told() == ["r-1/0/accepted"]
    assert app.events()[0]["data"]["message_id"] == app.io.submitted
    assert len(app.due()) == 1
    assert list(app.queues.messages) == [MESSAGE_OUTCOMES]


async def test_intent_is_written_before_the_message_leaves(app: FakeApp, reference: str) -> None:
    """While the POST is in flight, the ledger already holds SENDING with an owner and a lease."""

    async def look() -> None:
        entry = app.entry()
        assert (entry.state, entry.attempt) == (State.SENDING, 1)
        assert (entry.owner is not None, entry.lease_until) == (True, app.clock() + LEASE)

    app.io.while_sending = look
    await app.send(reference)
    assert len(app.io.sent) == 1


async def test_message_says_what_the_request_says(app: FakeApp) -> None:
    """Recipient, level, text, payment, due date and secure channels reach IO as the request states them."""
    content = payment(invalid_after_due_date=True, payee={"fiscal_code": "12345678901"})
    content |= {"due_date": "2026-12-16T23:59:59+01:00", "require_secure_channels": True}
    await app.ledger.open(a_request(feature_level_type="ADVANCED", service="tributi", content=content))
    await app.send(app.reference())
    ((message, service),) = app.io.sent
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


async def test_plain_request_is_a_standard_message_with_nothing_added(app: FakeApp, reference: str) -> None:
    """Fields that the request omits are omitted in the message, and its level is STANDARD."""
    await app.send(reference)
    ((message, service),) = app.io.sent
    assert service == "default"
    assert json.loads(message.body()) == {
        "fiscal_code": FISCAL_CODE,
        "feature_level_type": "STANDARD",
        "content": {"subject": SUBJECT, "markdown": MARKDOWN},
    }


async def test_translation_replaces_the_text_only(app: FakeApp) -> None:
    """A translation replaces the subject and the text, and keeps the payment notice."""
    await app.ledger.open(a_request(content=payment(), translations={"en_GB": ENGLISH}))
    await app.send(app.reference(language="en_GB"))
    content = json.loads(app.io.sent[0][0].body())["content"]
    assert (content["subject"], content["markdown"]) == (ENGLISH["subject"], ENGLISH["markdown"])
    assert content["payment_data"]["notice_number"] == NOTICE_NUMBER


async def test_answer_without_an_id_is_accepted_and_never_repeated(app: FakeApp, reference: str) -> None:
    """A 201 without a readable id means that the message exists, so it is not sent again."""
    app.io.submitted = None
    await app.send(reference)
    entry = app.entry()
    assert (entry.state, entry.message_id, entry.last_step["reason"]) == (
        State.ACCEPTED,
        None,
        "no_message_id",
    )
    assert app.due() == []
    await app.send(reference, redelivered=True)
    assert len(app.io.sent) == 1


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
    app: FakeApp, reference: str, error: IoError, failures: int, least: float, most: float
) -> None:
    """A message that surely was not sent is deferred in its language, and no outcome is published."""
    app.io.submitted = error
    await app.send(app.reference(language="en_GB"))
    entry = app.entry()
    assert (entry.state, entry.last_step["reason"]) == (State.DEFERRED, error.reason)
    assert (entry.failures, entry.sequence) == (failures, 1)
    assert app.ledger.request_of(entry).request_id == "r-1"
    message = app.queues.only(MESSAGE_SENDS)
    assert (json.loads(message.body)["language"], json.loads(message.body)["sequence"]) == ("en_GB", 1)
    assert least <= message.delay.total_seconds() <= most
    assert list(app.queues.messages) == [MESSAGE_SENDS]


async def test_deferred_message_is_sent_later_once(app: FakeApp, reference: str) -> None:
    """The deferred copy sends the message, and the older copies do not."""
    app.io.submitted = Unreachable(reason="unreachable")
    await app.send(reference)
    app.io.submitted = "M1"
    await app.send(reference)
    await app.run()
    await app.send(reference)
    entry = app.entry()
    assert (entry.state, entry.attempt, len(app.io.sent)) == (State.ACCEPTED, 2, 2)
    assert app.history() == ["REQUESTED", "SENDING", "DEFERRED", "SENDING", "ACCEPTED"]


async def test_refused_message_is_told_and_parked(app: FakeApp, reference: str) -> None:
    """A refused message is published with IO's reason and parked with its content."""
    app.io.submitted = Refused(reason="payment_amount_not_allowed", status=400)
    await app.send(reference)
    entry = app.entry()
    assert (entry.state, entry.last_step["http_status"]) == (State.REFUSED, 400)
    assert len(app.queues.bodies(poison(MESSAGE_SENDS))) == 1
    assert app.ledger.request_of(entry).request_id == "r-1"
    await app.run()
    assert app.told() == ["r-1/0/refused", "r-1/0/parked"]
    assert app.events()[0]["data"]["reason"] == "payment_amount_not_allowed"


@pytest.mark.parametrize("redelivered", [False, True])
async def test_message_in_doubt_is_told_and_never_sent_again(
    app: FakeApp, reference: str, redelivered: bool
) -> None:
    """A message in doubt is not sent again by any copy, however late."""
    app.io.submitted = InDoubt(reason="timeout")
    await app.send(reference)
    app.io.submitted = "M1"
    for _ in range(3):
        app.clock.advance(days=1)
        await app.send(reference, redelivered=redelivered)
        await app.check(a_body(translations={"en_GB": ENGLISH}), redelivered=redelivered)
        await app.run()
    entry = app.entry()
    assert (entry.state, entry.last_step["reason"], len(app.io.sent)) == (State.IN_DOUBT, "timeout", 1)
    assert set(app.told()) == {"r-1/0/in_doubt"}
    assert app.ledger.request_of(entry).request_id == "r-1"


async def test_failure_that_nobody_knows_leaves_the_message_in_doubt(app: FakeApp, reference: str) -> None:
    """After an unexpected exception in the POST, the request is marked IN_DOUBT when its lease expires."""
    app.io.submitted = RuntimeError()
    with pytest.raises(RuntimeError):
        await app.send(reference)
    app.io.submitted = "M1"
    await app.send(reference, redelivered=True)
    assert app.queues.only(MESSAGE_SENDS).delay == RECHECK_AFTER
    await app.run()
    assert (app.entry().state, len(app.io.sent)) == (State.IN_DOUBT, 1)
    assert app.told() == ["r-1/0/in_doubt"]


async def test_late_answer_heals_a_message_put_in_doubt(app: FakeApp, reference: str) -> None:
    """A late answer to the POST counts, although another worker marked the request IN_DOUBT meanwhile."""

    async def others_look() -> None:
        app.clock.advance(seconds=LEASE.total_seconds())
        await app.send(reference, redelivered=True)

    app.io.while_sending = others_look
    await app.send(reference)
    entry = app.entry()
    assert (entry.state, entry.message_id, entry.body) == (State.ACCEPTED, app.io.submitted, {})
    assert app.told() == ["r-1/0/in_doubt", "r-1/0/accepted"]
    assert (len(app.io.sent), len(app.due())) == (1, 1)


async def test_late_answer_written_after_the_visit_is_looked_after_again(
    app: FakeApp, reference: str
) -> None:
    """A late answer is dispatched even if its worker crashes right after writing it."""

    async def others_look() -> None:
        app.clock.advance(seconds=LEASE.total_seconds())
        await app.send(reference, redelivered=True)

    def visit() -> None:
        app.clock.advance(seconds=LEASE.total_seconds())
        (copy,) = app.queues.take(MESSAGE_SENDS)
        at_once(app.send(copy))
        app.steps.fail_after(Died(), skip=3)  # the row again, another copy, the write, and no more

    app.io.while_sending = others_look
    app.steps.do_before(visit, skip=11)
    with pytest.raises(Died):
        await app.send(reference)
    assert (app.entry().state, app.due()) == (State.ACCEPTED, [])
    await app.run()
    assert (app.entry().state, len(app.due()), len(app.io.sent)) == (State.ACCEPTED, 1, 1)
    assert "r-1/0/accepted" in app.told()


async def test_late_not_sent_stays_in_doubt_and_is_not_sent_again(app: FakeApp, reference: str) -> None:
    """A request in doubt is not deferred by a late answer that proves it was not sent."""

    async def others_look() -> None:
        app.clock.advance(seconds=LEASE.total_seconds())
        await app.send(reference, redelivered=True)

    app.io.while_sending = others_look
    app.io.submitted = Unreachable(reason="unreachable")
    await app.send(reference)
    await app.run()
    assert (app.entry().state, len(app.io.sent)) == (State.IN_DOUBT, 1)


async def test_claim_that_took_most_of_its_lease_does_not_post(app: FakeApp, reference: str) -> None:
    """If the claim used up most of its lease, no POST starts and the message is deferred."""
    too_long = (LEASE - LONGEST_POST).total_seconds() + 1
    app.steps.do_before(lambda: app.clock.advance(seconds=too_long), skip=2)
    await app.send(reference)
    assert app.io.sent == []
    assert app.entry().last_step["reason"] == "lease_too_short"
    assert len(app.queues.bodies(MESSAGE_SENDS)) == 1


@pytest.mark.parametrize(
    "error", [Suspended(reason="paused"), RateLimited(reason="budget_spent"), Misconfigured(reason="gone")]
)
async def test_no_permit_no_claim(app: FakeApp, reference: str, error: IoError) -> None:
    """Without a permit a message is deferred: not claimed, not sent, and not counted as a failure."""
    app.io.permit = error
    await app.send(reference)
    entry = app.entry()
    assert (entry.state, entry.last_step["reason"]) == (State.DEFERRED, error.reason)
    assert (entry.attempt, entry.failures, app.io.sent) == (0, 0, [])
    assert len(app.queues.bodies(MESSAGE_SENDS)) == 1


async def test_claim_that_left_enough_of_its_lease_posts(app: FakeApp, reference: str) -> None:
    """A slow claim does not stop the POST if the POST is sure to end within the lease."""
    just_in_time = (LEASE - LONGEST_POST).total_seconds()
    app.steps.do_before(lambda: app.clock.advance(seconds=just_in_time), skip=2)
    await app.send(reference)
    assert len(app.io.sent) == 1


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ("M1", ["r-1/0/accepted"]),
        (InDoubt(reason="timeout"), ["r-1/0/in_doubt"]),
        (Refused(reason="invalid_message", status=400), ["r-1/0/parked", "r-1/0/refused"]),
    ],
)
async def test_two_copies_at_once_make_one_message_and_one_of_each_event(
    app: FakeApp, reference: str, answer: str | IoError, told: list[str]
) -> None:
    """A second copy during the POST is re-checked later, and adds no other outcome."""

    async def second_copy() -> None:
        await app.send(reference)

    app.io.while_sending = second_copy
    app.io.submitted = answer
    await app.send(reference)
    await app.run()
    assert (len(app.io.sent), len(app.due())) == (1, int(answer == "M1"))
    assert sorted(set(app.told())) == told


async def test_recheck_keeps_the_language(app: FakeApp, reference: str) -> None:
    """A message that two copies deferred keeps the language that its recipient's profile chose."""
    english = app.reference(language="en_GB")

    async def second_copy() -> None:
        app.io.while_sending = no_more
        await app.send(english)

    async def no_more() -> None:
        pass

    app.io.while_sending = second_copy
    app.io.submitted = _limited(600)
    await app.send(english)
    app.io.submitted = "M1"
    app.clock.advance(hours=1)
    app.queues.messages[MESSAGE_SENDS].sort(key=lambda message: "en_GB" in message.body)
    for body in app.queues.take(MESSAGE_SENDS):
        await app.send(body)
    _, (message, _) = app.io.sent
    assert message.content.subject == ENGLISH["subject"]


async def test_message_sent_again_by_an_operator_keeps_its_language(app: FakeApp, reference: str) -> None:
    """A resend keeps the language that the recipient's profile chose."""
    app.io.submitted = InDoubt(reason="timeout")
    await app.send(app.reference(language="en_GB"))
    app.io.submitted = "M1"
    await resend(app.entry(), app.stores)
    await app.run()
    assert [message.content.subject for message, _ in app.io.sent] == [ENGLISH["subject"]] * 2


async def test_loser_of_the_claim_does_not_post(app: FakeApp, reference: str) -> None:
    """A worker that loses the race for the claim sends nothing, and its message is re-checked."""

    def another_claims() -> None:
        ((at, row),) = app.ledger_table.rows_by_key.items()
        theirs = dict(row.values) | {"state": "SENDING", "owner": "another"}
        app.ledger_table.rows_by_key[at] = replace(row, values=theirs, etag="another")

    app.steps.do_before(another_claims, skip=1)
    await app.send(reference)
    assert (app.io.sent, app.entry().owner) == ([], "another")
    assert app.queues.only(MESSAGE_SENDS).delay == RECHECK_AFTER


@pytest.mark.parametrize(
    "body", ["not json", a_body(), '{"reference": 1, "request_id": "nobody"}', '{"reference": 1}']
)
async def test_body_that_is_no_reference_goes_to_the_poison_queue(
    app: FakeApp, body: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A body that is no reference to a known request goes to the poison queue unchanged, with a log line."""
    await app.send(body)
    assert app.queues.bodies(poison(MESSAGE_SENDS)) == [body]
    assert app.io.sent == []
    assert "reference not accepted" in caplog.text


async def test_expired_message_is_not_sent(app: FakeApp) -> None:
    """A message that waited on the queue past its expires_at is published as expired."""
    await app.ledger.open(a_request(expires_at="2026-11-24T09:00:00Z"))
    await app.send(app.reference())
    assert (app.told(), app.io.sent) == (["r-1/0/expired"], [])


async def test_message_before_its_time_is_not_sent(app: FakeApp) -> None:
    """A message on message-sends waits for its not_before too."""
    await app.ledger.open(a_request(not_before="2026-11-24T10:00:00Z"))
    await app.send(app.reference())
    assert app.io.sent == []
    assert app.queues.only(MESSAGE_SENDS).delay == timedelta(hours=1, seconds=1)


async def test_endless_trouble_ends_parked(app: FakeApp) -> None:
    """A message that never reached IO within the maximum age is DEAD, parked, and published once."""
    app.io.submitted = Unreachable(reason="unreachable")
    await app.queues.put(MESSAGE_REQUESTS, a_body())
    await app.run()
    entry = app.entry()
    assert (entry.state, entry.last_step["reason"]) == (State.DEAD, "exhausted")
    assert entry.updated_at - entry.created_at > MAX_AGE
    assert app.told() == ["r-1/0/parked"]
    (parked,) = [message async for message in app.parked.all()]
    assert (parked.queue, parked.reason) == (MESSAGE_SENDS, "exhausted")
    assert app.history() == ["REQUESTED", "SENDING", "DEFERRED", "DEAD"]


async def test_wrong_key_burns_no_message_for_a_week(app: FakeApp) -> None:
    """While IO refuses a key its messages wait, and they are sent when the key works again."""
    app.io.submitted = Misconfigured(reason="invalid_key", status=401)
    await app.ledger.open(a_request())
    body = app.reference()
    while app.clock() < datetime(2026, 11, 30, 9, tzinfo=UTC):
        await app.send(body)
        message = app.queues.only(MESSAGE_SENDS)
        app.clock.now = message.visible_at + timedelta(seconds=1)
        (body,) = app.queues.take(MESSAGE_SENDS)
    app.io.submitted = "M1"
    await app.send(body)
    assert app.entry().state is State.ACCEPTED


@pytest.mark.parametrize("step", range(6))
@pytest.mark.parametrize("answer", ["M1", Unreachable(reason="unreachable"), Refused(reason="x", status=400)])
async def test_crash_at_any_step_sends_once(app: FakeApp, step: int, answer: str | IoError) -> None:
    """Whichever step a worker crashes before, the message is sent once at most and its outcome published."""
    await app.ledger.open(a_request())
    await app.queues.put(MESSAGE_SENDS, app.reference())
    app.io.submitted = answer
    app.steps.fail_before(Died(), skip=step)

    async def mended() -> None:
        app.io.submitted = "M1" if isinstance(answer, Unreachable) and len(app.io.sent) > 1 else answer

    app.io.while_sending = mended
    await app.run()
    entry = app.entry()
    ends = {"M1": State.ACCEPTED, "x": State.REFUSED}
    expected = ends.get(getattr(answer, "reason", "M1"), State.ACCEPTED)
    assert (app.steps.to_come, entry.state in (expected, State.IN_DOUBT)) == (0, True)
    assert f"r-1/0/{entry.state.lower()}" in app.told()
    assert len(app.io.sent) <= (2 if isinstance(answer, Unreachable) else 1)
    assert bool(app.due()) == (entry.state is State.ACCEPTED)


@pytest.mark.parametrize("step", range(6))
async def test_lost_answer_of_any_step_sends_once_and_tells(app: FakeApp, step: int) -> None:
    """Whichever step's answer from storage is lost, the message is sent once and its outcome is published."""
    await app.ledger.open(a_request())
    await app.queues.put(MESSAGE_SENDS, app.reference())
    app.steps.fail_after(Unanswered(), skip=step)
    await app.run()
    entry = app.entry()
    assert (app.steps.to_come, entry.state in (State.ACCEPTED, State.IN_DOUBT)) == (0, True)
    assert f"r-1/0/{entry.state.lower()}" in app.told()
    assert len(app.io.sent) == 1


async def test_log_line_tells_the_outcome_before_the_ledger_does(
    app: FakeApp, reference: str, caplog: pytest.LogCaptureFixture
) -> None:
    """If the write after a 201 is lost, the log still holds IO's id and the attempt."""
    caplog.set_level(logging.INFO)
    app.steps.fail_before(Died(), skip=4)
    with pytest.raises(Died):
        await app.send(reference)
    assert app.entry().state is State.SENDING
    assert (
        f"outcome request_id=r-1 attempt=1 state=ACCEPTED reason=None message_id={app.io.submitted}"
        in caplog.text
    )


async def test_sending_shows_no_personal_data(app: FakeApp, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever the answer, no key, column, queue, event or log line contains personal data."""
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
        app.io.submitted = answer
        await app.ledger.open(a_request(request_id=f"r-{number}", content=payment()))
        body = app.reference(f"r-{number}")
        if isinstance(answer, RuntimeError):
            with pytest.raises(RuntimeError):
                await app.send(body)
        else:
            await app.send(body)
    kept = [*app.everything_kept(), ("log", caplog.text)]
    assert len(kept) > 50
    assert not [(place, found) for place, text in kept if (found := personal_data_in(text))]
    sealed = sum(bool(row.values.get("body0")) for row in app.ledger_table.rows_by_key.values())
    assert sealed == 4


async def test_what_happened_since_the_check_counts() -> None:
    """A settlement between check and send stops a send that begins with the entry of the check."""
    app = FakeApp()
    await app.check(a_body(content=payment()))
    await app.settle('{"request_id": "r-1"}')
    await app.run()
    assert (app.entry().state, app.io.sent) == (State.SKIPPED, [])


async def test_premium_payment_costs_seven_transactions() -> None:
    """From the request to the outcome, one process makes seven storage transactions for a payment.

    The tests' ring has a second key, which costs one more read.
    """
    app = FakeApp()
    await app.check(a_body(feature_level_type="ADVANCED", content=payment()))
    (body,) = app.queues.take(MESSAGE_SENDS)
    await app.send(body)
    made = [step for step in app.steps.done if not step.startswith("io.")]
    made.remove("notices.get")
    assert app.entry().state is State.ACCEPTED
    assert made == [
        *("ledger.insert", "notices.insert", "message-sends.put"),
        *("ledger.replace", "ledger.replace", "due.upsert", "message-outcomes.put"),
    ]


@pytest.mark.parametrize("sequence", [1, 2, 3])
async def test_request_that_another_host_deferred_is_not_lost(sequence: int) -> None:
    """A host that holds the entry of its check sends what another host has deferred since, however often."""
    app = FakeApp()
    await app.check(a_body())
    app.queues.take(MESSAGE_SENDS)
    entry = app.entry()
    for number in range(1, sequence + 1):
        entry = await app.ledger.advance(entry, Step(State.DEFERRED, "invalid_key"), sequence=number)
    await app.queues.put(MESSAGE_SENDS, app.reference())
    await app.run()
    assert (app.entry().state, len(app.io.sent)) == (State.ACCEPTED, 1)
