"""The check with PagoPA's codecs can fail."""

import json
import secrets

import pytest

from io_api.models import HasPrecondition, MessageContent, NewMessage, ThirdPartyData
from tests.pagopa.codecs import check, check_sent, decode
from tests.pagopa.exchanges import check_exchange

CONTENT = {"subject": "Avviso di pagamento", "markdown": "m" * 80}
MESSAGE = {"fiscal_code": "AAAAAA00A00A000A", "content": CONTENT}


def exchange(**parts: object) -> str:
    made = {"operation": "submit_message", "body": json.dumps(MESSAGE), "status": 201, "answer": None}
    return json.dumps(made | parts)


def test_takes_a_message() -> None:
    """The smallest message that IO accepts passes, and so does the answer to it."""
    check_sent(json.dumps(MESSAGE).encode())
    check_exchange(exchange(answer='{"id": "01BX9NSMKVXXS5PSP2FATZMYYY"}'))


@pytest.mark.parametrize("precondition", list(HasPrecondition))
@pytest.mark.parametrize(("attachments", "text"), [(True, True), (True, False), (False, True)])
def test_takes_a_remote_content(precondition: HasPrecondition, attachments: bool, text: bool) -> None:
    """IO's codec decodes every third_party_data that Postino can make, and drops none of its fields."""
    third_party_data = ThirdPartyData(
        id=secrets.token_urlsafe(32),
        configuration_id="01ARZ3NDEKTSV4RRFFQ69G5FAV",
        has_attachments=attachments,
        has_remote_content=text,
        has_precondition=precondition,
    )
    content = MessageContent(
        subject="Avviso di pagamento", markdown="m" * 80, third_party_data=third_party_data
    )
    check_sent(NewMessage(fiscal_code="AAAAAA00A00A000A", content=content).body())


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"content": CONTENT | {"third_party_data": {"id": ""}}}, "content.third_party_data.id"),
        ({"fiscal_code": "RSSMRA80A01H501"}, "fiscal_code"),
        ({"feature_level_type": "PREMIUM"}, "feature_level_type"),
        ({"content": CONTENT | {"subject": "short"}}, "content.subject"),
        ({"content": CONTENT | {"due_date": "tomorrow"}}, "content.due_date"),
    ],
)
def test_names_what_io_refuses(change: dict[str, object], field: str) -> None:
    """A body that IO would answer with a 400 is refused, with the name of its field."""
    assert field in decode("NewMessage", json.dumps(MESSAGE | change)).refused


def test_names_what_io_drops() -> None:
    """A field unknown to IO fails the check, although the codec accepts the body."""
    with pytest.raises(AssertionError, match=r"does not know \['content.colour'\]"):
        check("NewMessage", MESSAGE | {"content": CONTENT | {"colour": "red"}})


@pytest.mark.parametrize(
    "parts",
    [
        {"body": "{}"},
        {"status": 400, "answer": '{"title": "Invalid message structure", "status": 400, "detail": ""}'},
        {"answer": '{"id": "7"}'},
        {"operation": "get_profile", "body": "{}", "status": 200, "answer": "{}"},
        {"operation": "get_message", "body": "", "status": 200, "answer": '{"status": "PROCESSED"}'},
    ],
    ids=["takes too much", "takes too little", "no ulid", "no code", "no message"],
)
def test_simulator_that_differs_is_found(parts: dict[str, object]) -> None:
    """A simulator that accepts, refuses or answers differently from IO fails its test."""
    with pytest.raises(AssertionError):
        check_exchange(exchange(**parts))
