"""The settlement: by request or by notice, never both, and no unknown field."""

import base64
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contract.settlement import Settlement, parse_settlement
from contract.violations import InvalidRequest
from tests.samples import NOTICE_NUMBER

UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
PAID_AT = datetime(2026, 6, 12, 8, 21, 37, tzinfo=UTC)


@pytest.mark.parametrize(
    "settlement",
    [
        Settlement(request_id="r-1"),
        Settlement(request_id="r-1", paid_at=PAID_AT),
        Settlement(notice_number=NOTICE_NUMBER, paid_at=PAID_AT),
    ],
)
def test_settlement_reads_back_as_written(settlement: Settlement) -> None:
    """A settlement reads back as it was written, in base64 too."""
    assert parse_settlement(settlement.to_json()) == settlement
    assert parse_settlement(base64.b64encode(settlement.to_json().encode())) == settlement


def test_instant_is_read_in_any_zone() -> None:
    """The time of the payment is converted to UTC."""
    body = json.dumps({"request_id": "r-1", "paid_at": "2026-06-12T10:21:37.5+02:00"})
    assert parse_settlement(body).paid_at == PAID_AT


@pytest.mark.parametrize(
    ("document", "fields"),
    [
        ({}, ["notice_number"]),
        ({"paid_at": "2026-06-12T10:21:37Z"}, ["notice_number"]),
        ({"request_id": "r-1", "notice_number": NOTICE_NUMBER}, ["notice_number"]),
        ({"request_id": "a b"}, ["request_id"]),
        ({"request_id": "RSSMRA80A01H501U"}, ["request_id"]),
        ({"notice_number": "30200010000001234"}, ["notice_number"]),
        ({"notice_number": 302000100000012345}, ["notice_number"]),
        ({"request_id": "r-1", "paid_at": "2026-06-12"}, ["paid_at"]),
        ({"request_id": "r-1", "paid_at": "2026-06-12T10:21:37"}, ["paid_at"]),
        ({"request_id": "r-1", "amount": 100, "paid_at": 1}, ["paid_at", "amount"]),
    ],
)
def test_wrong_settlement_is_refused_and_its_fields_named(
    document: dict[str, Any], fields: list[str]
) -> None:
    """Each wrong, missing, surplus or unknown field is named, and no value is shown."""
    with pytest.raises(InvalidRequest) as raised:
        parse_settlement(json.dumps(document))
    assert [violation.field for violation in raised.value.violations] == fields
    assert NOTICE_NUMBER not in str(raised.value)


def test_usable_request_id_of_a_wrong_settlement_is_kept() -> None:
    """A refused settlement keeps its request_id, so an operator can find the request."""
    with pytest.raises(InvalidRequest) as raised:
        parse_settlement('{"request_id": "r-1", "amount": 100}')
    assert raised.value.request_id == "r-1"


@UNHURRIED
@given(body=st.text() | st.binary())
def test_no_body_makes_the_reader_fail(body: str | bytes) -> None:
    """Arbitrary text and bytes raise InvalidRequest."""
    with pytest.raises(InvalidRequest):
        parse_settlement(body)
