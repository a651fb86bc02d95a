"""The models of what is sent to IO and read from it."""

import json
import logging
from datetime import UTC, datetime, timedelta, timezone

import pytest
from pydantic import ValidationError

from io_api.models import (
    CreatedMessage,
    DeliveryStatus,
    FeatureLevelType,
    HasPrecondition,
    MessageContent,
    MessageStatus,
    NewMessage,
    Payee,
    PaymentData,
    PaymentStatus,
    Problem,
    Profile,
    ReadStatus,
    ThirdPartyData,
)

FISCAL_CODE = "RSSMRA80A01H501U"
ROME = timezone(timedelta(hours=2))


def message(**content: object) -> NewMessage:
    filled = {"subject": "Oggetto di prova", "markdown": "Testo di prova. " * 6, **content}
    return NewMessage(fiscal_code=FISCAL_CODE, content=MessageContent.model_validate(filled))


def test_a_message_sends_only_what_is_set() -> None:
    """Fields that are None are not in the body, at any depth."""
    body = json.loads(message(payment_data={"amount": 1, "notice_number": "3" * 18}).body())

    assert body == {
        "fiscal_code": FISCAL_CODE,
        "content": {
            "subject": "Oggetto di prova",
            "markdown": "Testo di prova. " * 6,
            "payment_data": {"amount": 1, "notice_number": "3" * 18, "invalid_after_due_date": False},
        },
        "feature_level_type": "STANDARD",
    }


def test_a_message_keeps_every_word_of_io() -> None:
    """A full message has IO's own field names."""
    everything = NewMessage(
        fiscal_code=FISCAL_CODE,
        feature_level_type=FeatureLevelType.ADVANCED,
        content=MessageContent(
            subject="Oggetto di prova",
            markdown="Testo di prova. " * 6,
            due_date=datetime(2026, 12, 31, 22, 59, 59, tzinfo=UTC),
            payment_data=PaymentData(
                amount=1050,
                notice_number="3" * 18,
                invalid_after_due_date=True,
                payee=Payee(fiscal_code="01234567890"),
            ),
            require_secure_channels=False,
            third_party_data=ThirdPartyData(
                id="doc-1",
                configuration_id="01HMRBX079WA5SGYBQP1A7FSKH",
                has_attachments=True,
                has_remote_content=True,
                has_precondition=HasPrecondition.ONCE,
            ),
        ),
    )

    body = json.loads(everything.body())

    assert body["feature_level_type"] == "ADVANCED"
    assert body["content"]["due_date"] == "2026-12-31T22:59:59Z"
    assert body["content"]["require_secure_channels"] is False
    assert body["content"]["payment_data"]["payee"] == {"fiscal_code": "01234567890"}
    assert body["content"]["third_party_data"] == {
        "id": "doc-1",
        "configuration_id": "01HMRBX079WA5SGYBQP1A7FSKH",
        "has_attachments": True,
        "has_remote_content": True,
        "has_precondition": "ONCE",
    }


@pytest.mark.parametrize(
    ("due_date", "sent"),
    [
        (datetime(2026, 7, 1, 23, 59, 59, tzinfo=ROME), "2026-07-01T21:59:59Z"),
        (datetime(2026, 7, 1, 21, 59, 59, 999_999, tzinfo=UTC), "2026-07-01T21:59:59Z"),
        (datetime(2026, 1, 1, 0, 30, tzinfo=ROME), "2025-12-31T22:30:00Z"),
    ],
)
def test_a_due_date_leaves_in_utc_without_fractions(due_date: datetime, sent: str) -> None:
    """Whatever its time zone and precision, a due date is written as YYYY-MM-DDTHH:MM:SSZ."""
    assert json.loads(message(due_date=due_date).body())["content"]["due_date"] == sent


def test_a_due_date_without_a_time_zone_is_refused() -> None:
    """A due date without a time zone is refused."""
    with pytest.raises(ValidationError):
        message(due_date=datetime(2026, 7, 1))  # noqa: DTZ001 - the mistake under test


def test_text_leaves_as_utf8() -> None:
    """Text outside ASCII is sent unescaped, so a message of emoji stays within IO's 128 kB."""
    assert len(message(markdown="😀" * 5000).body()) < 21_000


def test_no_repr_shows_a_person_or_a_content() -> None:
    """Neither repr nor str of a message shows the fiscal code, the text or the notice."""
    sent = message(
        payment_data={"amount": 98765, "notice_number": "3" * 18, "payee": {"fiscal_code": "01234567890"}}
    )

    for shown in (
        repr(sent),
        str(sent),
        repr(sent.content),
        str(sent.content),
        repr(sent.content.payment_data),
    ):
        for secret in (FISCAL_CODE, "Oggetto", "Testo", "98765", "33333", "01234567890"):
            assert secret not in shown


def test_a_mistake_does_not_show_the_value() -> None:
    """The error about an unknown field names the field and hides its value."""
    with pytest.raises(ValidationError) as caught:
        NewMessage.model_validate({"fiscal_code": FISCAL_CODE, "content": {}, "fiscalcode": FISCAL_CODE})

    assert "fiscalcode" in str(caught.value)
    assert FISCAL_CODE not in str(caught.value)


def test_a_profile_ignores_what_it_does_not_know() -> None:
    """New fields and new languages of IO are ignored."""
    profile = Profile.model_validate_json(
        '{"sender_allowed": true, "preferred_languages": ["it_IT", "sl_SI"], "version": 3}'
    )

    assert profile.sender_allowed is True
    assert profile.preferred_languages == ("it_IT", "sl_SI")


@pytest.mark.parametrize("body", ["{}", '{"sender_allowed": "true"}', '{"sender_allowed": null}', "[]"])
def test_a_profile_is_not_guessed(body: str) -> None:
    """sender_allowed must be a boolean."""
    with pytest.raises(ValidationError):
        Profile.model_validate_json(body)


def test_a_status_reads_every_word() -> None:
    """The three statuses are read, with or without the fields that IO dropped or may add."""
    status = MessageStatus.model_validate_json(
        '{"message": {"id": "x"}, "notification": {"email": "SENT"}, "new": [],'
        ' "status": "PROCESSED", "read_status": "UNAVAILABLE", "payment_status": "NOT_PAID"}'
    )

    assert status.status is DeliveryStatus.PROCESSED
    assert status.read_status is ReadStatus.UNAVAILABLE
    assert status.payment_status is PaymentStatus.NOT_PAID


def test_an_unknown_word_does_not_lose_the_others(caplog: pytest.LogCaptureFixture) -> None:
    """An unknown word is read as None and logged, and the known words are kept."""
    with caplog.at_level(logging.WARNING):
        status = MessageStatus.model_validate_json(
            f'{{"status": "PROCESSED", "read_status": "SKIMMED", "payment_status": "{FISCAL_CODE}"}}'
        )

    assert (status.status, status.read_status, status.payment_status) == (
        DeliveryStatus.PROCESSED,
        None,
        None,
    )
    assert [record.__dict__["word"] for record in caplog.records] == ["SKIMMED", "[fiscal code]"]


def test_a_status_is_not_guessed() -> None:
    """An answer without a status is refused."""
    with pytest.raises(ValidationError):
        MessageStatus.model_validate_json('{"message": {"id": "x"}}')


@pytest.mark.parametrize(
    ("body", "message_id"),
    [
        (b'{"id": "01HMRBX079WA5SGYBQP1A7FSKH"}', "01HMRBX079WA5SGYBQP1A7FSKH"),
        (b'{"id": "a-1.b_2~", "more": 1}', "a-1.b_2~"),
        (b'{"id": ""}', None),
        (b'{"id": ".."}', None),
        (b'{"id": "a/b"}', None),
        (b'{"id": "a\\n"}', None),
        (b'{"id": 5}', None),
        (b"{}", None),
        (b"created", None),
        (b"", None),
        (b"\xff", None),
    ],
)
def test_an_id_is_read_only_when_it_can_be_used(body: bytes, message_id: str | None) -> None:
    """The id of a 201 is read only if it is safe in a URL."""
    assert CreatedMessage.in_body(body).id == message_id


@pytest.mark.parametrize("body", [b"", b"<html>", b"[" * 100_000, b'"x"', b"\xff\xfe", b'{"title": 1}'])
def test_any_body_is_a_problem_without_words(body: bytes) -> None:
    """A body that is not problem+json gives an empty Problem and raises nothing."""
    assert Problem.in_body(body) == Problem()
