"""The check of the recipient: what is taken, who can be contacted, and what IO's answers lead to."""

import base64
import json
import logging
from datetime import timedelta

import pytest

from io_api.errors import IoError, Misconfigured, RateLimited, Refused, Unavailable, Unreachable
from io_api.models import Profile
from send_message.turn import LOOK_AGAIN
from storage.ledger import State
from storage.queues import MESSAGE_OUTCOMES, MESSAGE_REQUESTS, MESSAGE_SENDS, poison
from storage.table import Unanswered
from tests.fakes import Died
from tests.road import Road
from tests.samples import FISCAL_CODE, MARKDOWN, SUBJECT, a_body, a_request, payment, personal_data_in

TRANSLATIONS = {
    language: {"subject": f"Notice in {language}", "markdown": MARKDOWN} for language in ("en_GB", "de_DE")
}


@pytest.fixture
def road() -> Road:
    return Road()


async def test_allowed_recipient_goes_on_to_be_sent(road: Road) -> None:
    """A recipient who can be contacted is asked for once, with the service's own key, and handed on."""
    await road.check(a_body(service="tributi"))
    assert road.io.asked == [("profile", FISCAL_CODE, "tributi")]
    assert json.loads(road.queues.only(MESSAGE_SENDS).body)["request_id"] == "r-1"
    assert (road.entry().state, road.told()) == (State.REQUESTED, [])


@pytest.mark.parametrize(
    ("profile", "reason"),
    [(None, "recipient_not_found"), (Profile(sender_allowed=False), "sender_not_allowed")],
)
async def test_recipient_who_cannot_be_contacted_is_skipped(
    road: Road, profile: Profile | None, reason: str
) -> None:
    """Nobody on IO, or a service that the citizen blocked, is an outcome: told, not parked, body gone."""
    road.io.profile = profile
    await road.check(a_body())
    entry = road.entry()
    assert (entry.state, entry.last_step["reason"], entry.body) == (State.SKIPPED, reason, {})
    assert road.told() == ["r-1/0/skipped"]
    assert road.events()[0]["data"]["reason"] == reason
    assert list(road.queues.messages) == [MESSAGE_OUTCOMES]


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
    road: Road, error: IoError, least: float, most: float
) -> None:
    """A profile that could not be checked comes back to the check, not to the sending, and is not told."""
    road.io.profile = error
    await road.check(a_body())
    entry = road.entry()
    assert (entry.state, entry.last_step["reason"]) == (State.DEFERRED, error.reason)
    message = road.queues.only(MESSAGE_REQUESTS)
    assert json.loads(message.body)["sequence"] == entry.sequence == 1
    assert least <= message.delay.total_seconds() <= most
    assert list(road.queues.messages) == [MESSAGE_REQUESTS]


async def test_deferred_check_goes_on_when_io_answers_again(road: Road) -> None:
    """The deferred copy does what its request would have done, and an older copy nothing."""
    road.io.profile = Unreachable(reason="unreachable")
    await road.check(a_body())
    (copy,) = road.queues.bodies(MESSAGE_REQUESTS)
    road.io.profile = Profile(sender_allowed=True)
    road.clock.advance(minutes=1)
    await road.check(copy)
    assert json.loads(road.queues.only(MESSAGE_SENDS).body)["sequence"] == 1
    await road.check(a_body())
    assert len(road.queues.bodies(MESSAGE_SENDS)) == 1


async def test_refused_check_is_told_and_parked(road: Road) -> None:
    """A fiscal code that IO does not take is refused, with IO's status, and kept for an operator."""
    road.io.profile = Refused(reason="invalid_fiscal_code", status=400)
    await road.check(a_body())
    entry = road.entry()
    assert (entry.state, entry.last_step["http_status"]) == (State.REFUSED, 400)
    assert len(road.queues.bodies(poison(MESSAGE_REQUESTS))) == 1
    assert road.ledger.request_of(entry).request_id == "r-1"
    await road.run()
    assert road.told() == ["r-1/0/refused", "r-1/0/parked"]


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
async def test_profile_chooses_the_language(road: Road, preferred: list[str], language: str | None) -> None:
    """The first preferred language that the request has is sent, Italian otherwise."""
    road.io.profile = Profile(sender_allowed=True, preferred_languages=tuple(preferred))
    await road.check(a_body(translations=TRANSLATIONS))
    assert json.loads(road.queues.only(MESSAGE_SENDS).body).get("language") == language


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
    road: Road, body: str, caplog: pytest.LogCaptureFixture
) -> None:
    """What is malformed, invalid or refers to nothing is given up at once, unchanged, with a log line."""
    await road.check(body)
    assert road.queues.bodies(poison(MESSAGE_REQUESTS)) == [body]
    assert list(road.queues.messages) == [poison(MESSAGE_REQUESTS)]
    assert not road.ledger_table.rows_by_key
    assert road.io.asked == []
    assert "request cannot be taken" in caplog.text


async def test_other_content_under_a_known_id_is_given_up_and_changes_nothing(road: Road) -> None:
    """The same request_id with another content is not sent, and the first goes on undisturbed."""
    await road.check(a_body())
    known = road.entry()
    await road.check(a_body(content=payment()))
    assert road.queues.bodies(poison(MESSAGE_REQUESTS)) == [a_body(content=payment())]
    assert road.entry() == known
    assert len(road.queues.bodies(MESSAGE_SENDS)) == 1


async def test_base64_body_is_the_same_request(road: Road) -> None:
    """A binding that encodes by default does no harm, and makes no second message."""
    await road.accepted()
    await road.check(base64.b64encode(a_body().encode()).decode())
    assert road.queues.bodies(MESSAGE_SENDS) == []
    assert len(road.io.sent) == 1


@pytest.mark.parametrize("redelivered", [False, True])
async def test_request_that_was_sent_is_not_sent_again(road: Road, redelivered: bool) -> None:
    """Upstream may repeat a request at any time: the message stays one."""
    await road.accepted()
    road.clock.advance(days=1)
    await road.check(a_body(), redelivered=redelivered)
    await road.run()
    assert len(road.io.sent) == 1
    assert set(road.told()) == {"r-1/0/accepted"}


async def test_request_being_sent_is_left_alone(road: Road) -> None:
    """A repetition that comes during the POST looks again soon, without the content."""
    claimed = await road.claim(await road.ledger.open(a_request()))
    await road.check(a_body())
    message = road.queues.only(MESSAGE_REQUESTS)
    assert message.delay == LOOK_AGAIN
    assert personal_data_in(message.body) == []
    assert road.entry() == claimed


async def test_request_for_later_waits_as_a_reference(road: Road) -> None:
    """Before not_before nobody is asked, and what waits on the queue holds no personal data."""
    await road.check(a_body(not_before="2026-12-24T09:00:00Z"))
    message = road.queues.only(MESSAGE_REQUESTS)
    assert message.delay == timedelta(days=7)
    assert personal_data_in(message.body) == []
    assert road.io.asked == []


async def test_request_for_a_distant_day_is_sent_on_that_day(road: Road) -> None:
    """A message for next month is sent next month, though a copy on a queue waits seven days at most."""
    await road.queues.put(MESSAGE_REQUESTS, a_body(not_before="2026-12-24T09:00:00Z"))
    await road.run()
    assert road.entry().state is State.ACCEPTED
    assert road.clock().isoformat() >= "2026-12-24T09:00:00"


async def test_request_that_expired_asks_nobody(road: Road) -> None:
    """What comes too late is told as expired, without a call to IO."""
    await road.check(a_body(expires_at="2026-11-24T09:00:00Z"))
    assert (road.told(), road.io.asked) == (["r-1/0/expired"], [])


async def test_silent_storage_is_the_platforms(road: Road) -> None:
    """Without the ledger nothing is asked and nothing parked: the platform delivers again."""
    road.steps.fail_before(Unanswered())
    with pytest.raises(Unanswered):
        await road.check(a_body())
    assert (road.queues.messages, road.io.asked) == ({}, [])


@pytest.mark.parametrize("step", range(4))
async def test_death_at_any_step_loses_nothing(road: Road, step: int) -> None:
    """Whatever step of a check its worker dies before, the message is sent, once."""
    road.steps.fail_before(Died(), skip=step + 1)
    await road.queues.put(MESSAGE_REQUESTS, a_body())
    await road.run()
    assert (len(road.io.sent), road.steps.to_come) == (1, 0)
    assert (road.entry().state, set(road.told())) == (State.ACCEPTED, {"r-1/0/accepted"})


@pytest.mark.parametrize("step", range(4))
async def test_death_while_skipping_still_tells(road: Road, step: int) -> None:
    """Whatever step of a skip its worker dies before, upstream hears of it, as one event."""
    road.io.profile = None
    road.steps.fail_before(Died(), skip=step + 1)
    await road.queues.put(MESSAGE_REQUESTS, a_body())
    await road.run()
    assert (set(road.told()), road.steps.to_come) == ({"r-1/0/skipped"}, 0)
    assert road.io.sent == []


async def test_skip_that_cannot_be_told_is_told_from_the_poison_queue(road: Road) -> None:
    """When the outcome queue fails until the platform gives the message up, the outcome is not lost."""
    road.io.profile = None
    await road.check(a_body())
    road.queues.messages.clear()
    await road.park(a_body())
    assert road.told() == ["r-1/0/skipped"]
    assert not road.parked_table.rows_by_key


async def test_check_shows_nothing_personal(road: Road, caplog: pytest.LogCaptureFixture) -> None:
    """No table, no queue of the road, no event and no log line shows the person or the content."""
    caplog.set_level(logging.DEBUG)
    content = payment()
    await road.check(a_body(content=content, translations=TRANSLATIONS))
    await road.check(a_body(content=content, campaign="conflict"))
    for number, answer in enumerate((None, Unavailable(reason="timeout"), Refused(reason="x", status=400))):
        road.io.profile = answer
        await road.check(a_body(request_id=f"r-{number + 2}", content=content))
    kept = [*road.everything_kept(), ("log", caplog.text)]
    assert not [(place, found) for place, text in kept if (found := personal_data_in(text))]
    assert SUBJECT in road.queues.bodies(poison(MESSAGE_REQUESTS))[0]
