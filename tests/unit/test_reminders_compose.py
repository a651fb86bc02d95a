"""The reminder as a request: linked to the first message, with a text safe to show and to repeat."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from contract.policy_of_request import policy_for
from contract.reminders import ReminderPolicy
from contract.request import MessageRequest, parse_request
from reminders.compose import compose
from reminders.plan import Kind, Planned, plan
from tests.samples import MARKDOWN, SUBJECT, TRACEPARENT, a_request, payment, personal_data_in

ACCEPTED = datetime(2026, 5, 4, 9, 30, tzinfo=UTC)
DUE = "2026-06-30T21:59:59Z"
OWN = {"subject": "Promemoria del Comune", "markdown": "Un messaggio del Comune ti aspetta, leggilo. " * 3}
ENGLISH = {
    "subject": "Reminder of the town",
    "markdown": "A message of the town waits for you, read it. " * 3,
}
BOTH: dict[str, Any] = {"unread": {"after_days": 3}, "unpaid": {"days_before_due": [1]}}


def first(**changes: Any) -> MessageRequest:
    content = payment(invalid_after_due_date=True) | {"due_date": DUE, "require_secure_channels": True}
    return a_request(
        **({"feature_level_type": "ADVANCED", "content": content, "service": "tributi"} | changes)
    )


def composed(kind: Kind, request: MessageRequest, **asked: Any) -> MessageRequest:
    policy = policy_for(request, ReminderPolicy.model_validate(BOTH | asked))
    (reminder,) = (it for it in plan(request, ACCEPTED, policy) if it.kind is kind)
    return compose(request, reminder, policy, reminder.at)


@pytest.mark.parametrize("kind", Kind)
def test_reminder_is_linked_to_the_first_message(kind: Kind) -> None:
    """A reminder keeps citizen, service, campaign and trace of the first message, and has no reminders."""
    request = first()
    reminder = composed(kind, request)
    assert reminder.request_id in ("r-1:unread-1", "r-1:unpaid-1")
    assert (reminder.in_reply_to, reminder.traceparent) == ("r-1", TRACEPARENT)
    for name in ("service", "campaign", "fiscal_code"):
        assert getattr(reminder, name) == getattr(request, name)
    assert reminder.content.require_secure_channels is True
    anyone = ReminderPolicy.model_validate(BOTH)
    assert plan(reminder, ACCEPTED, policy_for(reminder, anyone)) == ()


def test_payment_goes_along_where_it_is_the_matter() -> None:
    """A reminder to pay carries the first message's notice and due date; a reminder to read does not."""
    request = first()
    to_pay, to_read = composed(Kind.UNPAID, request).content, composed(Kind.UNREAD, request).content
    assert (to_pay.payment_data, to_pay.due_date) == (request.content.payment_data, request.content.due_date)
    assert (to_read.payment_data, to_read.due_date) == (None, None)


@pytest.mark.parametrize("level", ["STANDARD", "ADVANCED"])
def test_level_of_the_reminder_is_the_policy_s(level: str) -> None:
    """A reminder has the level that the policy sets, and even a Premium one has no reminders itself."""
    reminder = composed(Kind.UNREAD, first(), feature_level_type=level)
    assert reminder.feature_level_type == level
    anyone = ReminderPolicy.model_validate(BOTH)
    assert plan(reminder, ACCEPTED, policy_for(reminder, anyone)) == ()


@pytest.mark.parametrize("kind", Kind)
def test_reminder_is_a_request_like_any_other(kind: Kind) -> None:
    """A reminder reads back from the queue as the same valid request."""
    reminder = composed(kind, first())
    assert parse_request(reminder.to_json(), services={"tributi"}) == reminder


def test_reminder_does_not_wait_for_the_night() -> None:
    """A reminder expires at 20 in Italy, or earlier if it becomes pointless, so it never leaves at night."""
    request = first()
    policy = policy_for(request, ReminderPolicy.model_validate(BOTH))
    unread, unpaid = plan(request, ACCEPTED, policy)
    assert compose(request, unread, policy, unread.at).expires_at == datetime(2026, 5, 7, 18, tzinfo=UTC)
    at, brief = unpaid.at, unpaid.at + timedelta(minutes=5)
    assert compose(request, replaced(unpaid, brief), policy, at).expires_at == brief


def replaced(planned: Planned, until: datetime) -> Planned:
    return Planned(**(vars(planned) | {"until": until}))


def test_same_decision_is_the_same_request() -> None:
    """The same decision composes the same request, so a repetition after a crash is the same message."""
    assert (
        composed(Kind.UNREAD, first()).canonical_bytes() == composed(Kind.UNREAD, first()).canonical_bytes()
    )


def test_institution_s_own_words_are_used() -> None:
    """The policy's own text is sent, with its translations and no others."""
    reminder = composed(
        Kind.UNREAD, first(), unread={"after_days": 3, **OWN, "translations": {"en_GB": ENGLISH}}
    )
    assert (reminder.content.subject, reminder.content.markdown) == (OWN["subject"], OWN["markdown"])
    assert {name: text.model_dump() for name, text in reminder.translations.items()} == {"en_GB": ENGLISH}


@pytest.mark.parametrize("kind", Kind)
def test_default_words_exist_in_every_language(kind: Kind) -> None:
    """Postino's default text exists in all languages of IO's profiles, each different."""
    reminder = composed(kind, first())
    assert [*reminder.translations] == ["en_GB", "es_ES", "de_DE", "fr_FR"]
    texts = [reminder.content, *reminder.translations.values()]
    assert len({text.subject for text in texts}) == 5
    assert len({text.markdown for text in texts}) == 5


@pytest.mark.parametrize("kind", Kind)
def test_default_subject_holds_nothing_of_the_first_message(kind: Kind) -> None:
    """The default subject, visible on a locked phone, holds nothing of the first message."""
    reminder = composed(kind, first())
    for text in [reminder.content, *reminder.translations.values()]:
        assert personal_data_in(text.subject) == []
        assert SUBJECT in text.markdown
        assert MARKDOWN not in text.markdown


def test_first_message_is_named_in_the_language_in_which_it_came() -> None:
    """A reminder quotes the first message's subject in its own language, or in Italian if that is missing."""
    english = {"subject": "Notice of your town", "markdown": MARKDOWN}
    reminder = composed(Kind.UNREAD, first(translations={"en_GB": english}))
    assert "**Notice of your town**" in reminder.translations["en_GB"].markdown
    assert f"**{SUBJECT}**" in reminder.translations["de_DE"].markdown
    assert f"**{SUBJECT}**" in reminder.content.markdown


@pytest.mark.parametrize(
    ("subject", "shown"),
    [
        ("Pratica *3* [urgente] <b>", r"**Pratica \*3\* \[urgente\] \<b\>**"),
        ("  Su due\nrighe  ", "**Su due righe**"),
    ],
)
def test_subject_is_shown_as_it_was(subject: str, shown: str) -> None:
    """Markdown characters in the first subject are shown as plain text."""
    content = first().content.model_dump(mode="json") | {"subject": subject}
    assert shown in composed(Kind.UNREAD, first(content=content)).content.markdown


def test_due_day_is_that_of_italy() -> None:
    """A notice due at 23:59:59 in Italy is due on that day, in the date format of each language."""
    reminder = composed(Kind.UNPAID, first())
    assert "30/06/2026" in reminder.content.subject
    assert "30.06.2026" in reminder.translations["de_DE"].markdown
