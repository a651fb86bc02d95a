"""The simulator's validation of a submission."""

import json
from typing import Any

import pytest

from local.io_simulator.answers import RefusedError
from local.io_simulator.new_message import NewMessage, parse

FISCAL_CODE = "AAAAAA00A00A000A"
SUBJECT = "Avviso di prova"
MARKDOWN = "m" * 80
PAYMENT = {"amount": 1, "notice_number": "301000000000000000"}
EMOJI = "\N{PARTY POPPER}"


def message(content: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    """A submission that IO accepts, with changes."""
    return {
        "fiscal_code": FISCAL_CODE,
        "content": {"subject": SUBJECT, "markdown": MARKDOWN} | (content or {}),
    } | fields


@pytest.mark.parametrize(
    "document",
    [
        message(),
        message({"subject": "s" * 10}),
        message({"subject": "s" * 120}),
        message({"subject": EMOJI * 5}),
        message({"subject": EMOJI * 60}),
        message({"markdown": "m" * 10_000}),
        message({"markdown": EMOJI * 40}),
        message({"due_date": "2027-01-31T22:59:59Z"}),
        message({"due_date": "2027-01-31T22:59:59"}),
        message({"due_date": "2027-01-31T23:59:59.123+01:00"}),
        message({"payment_data": PAYMENT | {"amount": 9_999_999_999}}),
        message({"payment_data": PAYMENT | {"payee": {"fiscal_code": "01234567890"}}}),
        message({"third_party_data": {"id": "1"}}),
        message({"third_party_data": {"id": "1", "configuration_id": "01j0000000p0st1n0rem0te000"}}),
        message({"legal_data": {"anything": 1}}),
        message(time_to_live=3600),
        message(time_to_live=604_800),
        message(feature_level_type="ADVANCED"),
        message(default_addresses={"email": "a@example.com"}),
        message(fiscal_code="RSSMRA80A01H501X"),
        message(fiscal_code="RSSMRAULALMHRLMX"),
        message(anything={"at": "all"}),
    ],
)
def test_takes_what_io_takes(document: dict[str, Any]) -> None:
    """Values at the bounds of each field, with lengths in UTF-16 units, and unknown fields are accepted."""
    NewMessage.decode(document)


@pytest.mark.parametrize(
    ("document", "place"),
    [
        ([], "root"),
        ({"fiscal_code": FISCAL_CODE}, "root.content"),
        (message({"subject": "s" * 9}), "root.content.subject"),
        (message({"subject": "s" * 121}), "root.content.subject"),
        (message({"subject": EMOJI * 61}), "root.content.subject"),
        (message({"subject": 1234567890}), "root.content.subject"),
        (message({"markdown": "m" * 79}), "root.content.markdown"),
        (message({"markdown": "m" * 10_001}), "root.content.markdown"),
        (message({"markdown": EMOJI * 5001}), "root.content.markdown"),
        (message({"due_date": "2027-01-31"}), "root.content.due_date"),
        (message({"due_date": "2027-02-31T22:59:59Z"}), "root.content.due_date"),
        (message({"due_date": "2027-01-31 22:59:59Z"}), "root.content.due_date"),
        (message({"due_date": None}), "root.content"),
        (message({"require_secure_channels": "true"}), "root.content.require_secure_channels"),
        (message({"payment_data": PAYMENT | {"amount": 0}}), "root.content.payment_data.amount"),
        (message({"payment_data": PAYMENT | {"amount": 10**10}}), "root.content.payment_data.amount"),
        (message({"payment_data": PAYMENT | {"amount": "1"}}), "root.content.payment_data.amount"),
        (message({"payment_data": PAYMENT | {"amount": 1.5}}), "root.content.payment_data.amount"),
        (
            message({"payment_data": PAYMENT | {"notice_number": "4" + "0" * 17}}),
            "root.content.payment_data.notice_number",
        ),
        (
            message({"payment_data": PAYMENT | {"notice_number": "3" + "0" * 17 + "\n"}}),
            "root.content.payment_data.notice_number",
        ),
        (
            message({"payment_data": PAYMENT | {"payee": {"fiscal_code": "1"}}}),
            "root.content.payment_data.payee.fiscal_code",
        ),
        (message({"third_party_data": {"id": ""}}), "root.content.third_party_data.id"),
        (
            message({"third_party_data": {"id": "1", "configuration_id": "f" * 32}}),
            "root.content.third_party_data.configuration_id",
        ),
        (
            message({"third_party_data": {"id": "1", "has_precondition": True}}),
            "root.content.third_party_data.has_precondition",
        ),
        (message(time_to_live=3599), "root.time_to_live"),
        (message(time_to_live=604_801), "root.time_to_live"),
        (message(feature_level_type="PREMIUM"), "root.feature_level_type"),
        (message(fiscal_code="rssmra80a01h501u"), "root.fiscal_code"),
        (message(fiscal_code="RSSMRA80F01H501U"), "root.fiscal_code"),
        (message(fiscal_code=f"{FISCAL_CODE}\n"), "root.fiscal_code"),
    ],
)
def test_refuses_what_io_refuses(document: object, place: str) -> None:
    """A value just outside a bound is a 400 that names its place."""
    with pytest.raises(RefusedError) as refused:
        NewMessage.decode(document)
    problem = json.loads(refused.value.answer.body)
    assert (problem["status"], problem["title"]) == (400, "Invalid message structure")
    assert f"at [{place}]" in problem["detail"]


def test_detail_repeats_the_value() -> None:
    """As in IO, the detail of a 400 repeats the value that was sent, even a fiscal code."""
    with pytest.raises(RefusedError) as refused:
        NewMessage.decode(message(fiscal_code="AAAAAA00A00A000"))
    assert "AAAAAA00A00A000" in json.loads(refused.value.answer.body)["detail"]


def test_defaults_and_instants_are_filled_in() -> None:
    """Absent fields get IO's defaults, unknown ones are dropped, a due date is in UTC with milliseconds."""
    new = NewMessage.decode(
        message({"due_date": "2027-01-31T23:59:59+01:00", "payment_data": PAYMENT, "legal_data": {}})
    )
    assert (new.time_to_live, new.feature_level_type) == (3600, "STANDARD")
    assert new.content.model_dump(exclude_none=True) == {
        "subject": SUBJECT,
        "markdown": MARKDOWN,
        "due_date": "2027-01-31T22:59:59.000Z",
        "payment_data": PAYMENT | {"invalid_after_due_date": False},
    }


@pytest.mark.parametrize("body", [b"", b"{", b'{"a": NaN}', b"\xff"])
def test_what_is_not_json_is_a_500(body: bytes) -> None:
    """IO answers malformed JSON with 500, not with 400."""
    with pytest.raises(RefusedError) as refused:
        parse(body)
    assert refused.value.answer.status == 500
