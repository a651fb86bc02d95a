"""The check of the recipient: valid requests, contactable recipients, and the result of each answer of IO."""

import base64
import json
import logging
from datetime import timedelta

import pytest

from io_api.errors import IoError, Misconfigured, RateLimited, Refused, Unavailable, Unreachable
from io_api.models import Profile
from send_message.delivery import RECHECK_AFTER
from storage.ledger import State
from storage.queues import MESSAGE_OUTCOMES, MESSAGE_REQUESTS, MESSAGE_SENDS, poison
from storage.table import Unanswered
from tests.fake_app import FakeApp
from tests.fakes import Died
from tests.samples import FISCAL_CODE, MARKDOWN, SUBJECT, a_body, a_request, payment, personal_data_in

TRANSLATIONS = {
    language: {"subject": f"Notice in {language}", "markdown": MARKDOWN} for language in ("en_GB", "de_DE")
}


@pytest.fixture
def app() -> FakeApp:
    return FakeApp()


async def test_allowed_recipient_goes_on_to_be_sent(app: FakeApp) -> None:
    """A contactable recipient is looked up once, with the key of the service, and the request goes on."""
    await app.check(a_body(service="tributi"))
    assert app.io.asked == [("profile", FISCAL_CODE, "tributi")]
    assert json.loads(app.queues.only(MESSAGE_SENDS).body)["request_id"] == "r-1"
    assert (app.entry().state, app.told()) == (State.REQUESTED, [])


@pytest.mark.parametrize(
    ("profile", "reason"),
    [(None, "recipient_not_found"), (Profile(sender_allowed=False), "sender_not_allowed")],
)
async def test_recipient_who_cannot_be_contacted_is_skipped(
    app: FakeApp, profile: Profile | None, reason: str
) -> None:
    """A recipient unknown to IO, or who blocked the service, is skipped: published, and the body removed."""
    app.io.profile = profile
    await app.check(a_body())
    entry = app.entry()
    assert (entry.state, entry.last_step["reason"], entry.body) == (State.SKIPPED, reason, {})
    assert app.told() == ["r-1/0/skipped"]
    assert app.events()[0]["data"]["reason"] == reason
    assert list(app.queues.messages) == [MESSAGE_OUTCOMES]


def _limited() -> IoError:
    error = RateLimited(reason="rate_limited", status=429)
    error.retry_after = 30
    return error


@pytest.mark.parametrize(
    ("error", "least", "most"),
    [
        (Unreachable(reason="unreachable"), 2, 6),
        (Unavailable(reason="server_error", status=500), 2, 6),
        (_limited(), 30, 60),
        (Misconfigured(reason="invalid_key", status=401), 450, 900),
    ],
)
async def test_check_without_an_answer_is_deferred(
    app: FakeApp, error: IoError, least: float, most: float
) -> None:
    """A check without an answer is deferred on its own queue, and no outcome is published."""
    app.io.profile = error
    await app.check(a_body())
    entry = app.entry()
    assert (entry.state, entry.last_step["reason"]) == (State.DEFERRED, error.reason)
    message = app.queues.only(MESSAGE_REQUESTS)
    assert json.loads(message.body)["sequence"] == entry.sequence == 1
    assert least <= message.delay.total_seconds() <= most
    assert list(app.queues.messages) == [MESSAGE_REQUESTS]


async def test_deferred_check_goes_on_when_io_answers_again(app: FakeApp) -> None:
    """The deferred copy sends the request on when IO answers again, and an older copy does nothing."""
    app.io.profile = Unreachable(reason="unreachable")
    await app.check(a_body())
    (copy,) = app.queues.bodies(MESSAGE_REQUESTS)
    app.io.profile = Profile(sender_allowed=True)
    app.clock.advance(minutes=1)
    await app.check(copy)
    assert json.loads(app.queues.only(MESSAGE_SENDS).body)["sequence"] == 1
    await app.check(a_body())
    assert len(app.queues.bodies(MESSAGE_SENDS)) == 1


async def test_refused_check_is_told_and_parked(app: FakeApp) -> None:
    """A fiscal code that IO refuses is published with IO's status, and parked with its content."""
    app.io.profile = Refused(reason="invalid_fiscal_code", status=400)
    await app.check(a_body())
    entry = app.entry()
    assert (entry.state, entry.last_step["http_status"]) == (State.REFUSED, 400)
    assert len(app.queues.bodies(poison(MESSAGE_REQUESTS))) == 1
    assert app.ledger.request_of(entry).request_id == "r-1"
    await app.run()
    assert app.told() == ["r-1/0/refused", "r-1/0/parked"]


@pytest.mark.parametrize(
    ("preferred", "language"),
    [
        (["it_IT"], None),
        ([], None),
        (["en_GB"], "en_GB"),
        (["fr_FR", "de_DE", "en_GB"], "de_DE"),
        (["it_IT", "en_GB"], None),
        (["es_ES"], None),
    ],
)
async def test_profile_chooses_the_language(app: FakeApp, preferred: list[str], language: str | None) -> None:
    """The first of the preferred languages that the request has is sent, and Italian otherwise."""
    app.io.profile = Profile(sender_allowed=True, preferred_languages=tuple(preferred))
    await app.check(a_body(translations=TRANSLATIONS))
    assert json.loads(app.queues.only(MESSAGE_SENDS).body).get("language") == language


@pytest.mark.parametrize(
    "body",
    [
        "not json",
        a_body(fiscal_code="rossi"),
        a_body(service="unknown"),
        '{"reference": 1, "request_id": "nobody"}',
        '{"reference": 2, "request_id": "r-1"}',
    ],
)
async def test_body_that_cannot_be_taken_goes_to_the_poison_queue_as_it_is(
    app: FakeApp, body: str, caplog: pytest.LogCaptureFixture
) -> None:
    """An invalid body, or a reference to nothing, goes to the poison queue unchanged, with a log line."""
    await app.check(body)
    assert app.queues.bodies(poison(MESSAGE_REQUESTS)) == [body]
    assert list(app.queues.messages) == [poison(MESSAGE_REQUESTS)]
    assert not app.ledger_table.rows_by_key
    assert app.io.asked == []
    assert "request not accepted" in caplog.text


async def test_other_content_under_a_known_id_is_given_up_and_changes_nothing(app: FakeApp) -> None:
    """Other content under a known request_id goes to the poison queue, and the first goes on unchanged."""
    await app.check(a_body())
    known = app.entry()
    await app.check(a_body(content=payment()))
    assert app.queues.bodies(poison(MESSAGE_REQUESTS)) == [a_body(content=payment())]
    assert app.entry() == known
    assert len(app.queues.bodies(MESSAGE_SENDS)) == 1


async def test_base64_body_is_the_same_request(app: FakeApp) -> None:
    """A request repeated in base64 is recognised, and no second message is sent."""
    await app.accepted()
    await app.check(base64.b64encode(a_body().encode()).decode())
    assert app.queues.bodies(MESSAGE_SENDS) == []
    assert len(app.io.sent) == 1


@pytest.mark.parametrize("redelivered", [False, True])
async def test_request_that_was_sent_is_not_sent_again(app: FakeApp, redelivered: bool) -> None:
    """A request that upstream repeats is sent once."""
    await app.accepted()
    app.clock.advance(days=1)
    await app.check(a_body(), redelivered=redelivered)
    await app.run()
    assert len(app.io.sent) == 1
    assert set(app.told()) == {"r-1/0/accepted"}


async def test_request_being_sent_is_left_alone(app: FakeApp) -> None:
    """A repetition during the POST is re-checked soon, by a queue message without the content."""
    claimed = await app.claim(await app.ledger.open(a_request()))
    await app.check(a_body())
    message = app.queues.only(MESSAGE_REQUESTS)
    assert message.delay == RECHECK_AFTER
    assert personal_data_in(message.body) == []
    assert app.entry() == claimed


async def test_request_for_later_waits_as_a_reference(app: FakeApp) -> None:
    """Before not_before IO is not asked, and the waiting queue message holds no personal data."""
    await app.check(a_body(not_before="2026-12-24T09:00:00Z"))
    message = app.queues.only(MESSAGE_REQUESTS)
    assert message.delay == timedelta(days=7)
    assert personal_data_in(message.body) == []
    assert app.io.asked == []


async def test_request_for_a_distant_day_is_sent_on_that_day(app: FakeApp) -> None:
    """A message for next month is sent then, although a queue message is hidden for seven days at most."""
    await app.queues.put(MESSAGE_REQUESTS, a_body(not_before="2026-12-24T09:00:00Z"))
    await app.run()
    assert app.entry().state is State.ACCEPTED
    assert app.clock().isoformat() >= "2026-12-24T09:00:00"


async def test_request_that_expired_asks_nobody(app: FakeApp) -> None:
    """An expired request is published as expired, without a call to IO."""
    await app.check(a_body(expires_at="2026-11-24T09:00:00Z"))
    assert (app.told(), app.io.asked) == (["r-1/0/expired"], [])


async def test_silent_storage_is_the_platforms(app: FakeApp) -> None:
    """If the ledger does not answer, the check raises and does nothing, so the platform delivers it again."""
    app.steps.fail_before(Unanswered())
    with pytest.raises(Unanswered):
        await app.check(a_body())
    assert (app.queues.messages, app.io.asked) == ({}, [])


@pytest.mark.parametrize("step", range(4))
async def test_death_at_any_step_loses_nothing(app: FakeApp, step: int) -> None:
    """Whichever step of a check its worker crashes before, the message is sent once."""
    app.steps.fail_before(Died(), skip=step + 1)
    await app.queues.put(MESSAGE_REQUESTS, a_body())
    await app.run()
    assert (len(app.io.sent), app.steps.to_come) == (1, 0)
    assert (app.entry().state, set(app.told())) == (State.ACCEPTED, {"r-1/0/accepted"})


@pytest.mark.parametrize("step", range(4))
async def test_crash_while_skipping_still_publishes(app: FakeApp, step: int) -> None:
    """Whichever step of a skip its worker crashes before, one event is published."""
    app.io.profile = None
    app.steps.fail_before(Died(), skip=step + 1)
    await app.queues.put(MESSAGE_REQUESTS, a_body())
    await app.run()
    assert (set(app.told()), app.steps.to_come) == ({"r-1/0/skipped"}, 0)
    assert app.io.sent == []


async def test_skip_that_cannot_be_told_is_told_from_the_poison_queue(app: FakeApp) -> None:
    """A skip whose outcome could not be published is published from the poison queue."""
    app.io.profile = None
    await app.check(a_body())
    app.queues.messages.clear()
    await app.park(a_body())
    assert app.told() == ["r-1/0/skipped"]
    assert not app.parked_table.rows_by_key


async def test_check_shows_nothing_personal(app: FakeApp, caplog: pytest.LogCaptureFixture) -> None:
    """No table, internal queue, event or log line contains personal data."""
    caplog.set_level(logging.DEBUG)
    content = payment()
    await app.check(a_body(content=content, translations=TRANSLATIONS))
    await app.check(a_body(content=content, campaign="conflict"))
    for number, answer in enumerate((None, Unavailable(reason="timeout"), Refused(reason="x", status=400))):
        app.io.profile = answer
        await app.check(a_body(request_id=f"r-{number + 2}", content=content))
    kept = [*app.everything_kept(), ("log", caplog.text)]
    assert not [(place, found) for place, text in kept if (found := personal_data_in(text))]
    assert SUBJECT in app.queues.bodies(poison(MESSAGE_REQUESTS))[0]
