"""The reference, the body of Postino's own queue messages."""

import base64
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contract.reference import AttemptResult, Reference, parse_reference
from contract.schemas import schemas
from contract.violations import InvalidRequest

UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.mark.parametrize(
    "reference",
    [
        Reference(request_id="r-1"),
        Reference(request_id="r-1", sequence=7, language="en_GB", traceparent=TRACEPARENT),
        Reference(request_id="r-1", result=AttemptResult(owner="0f" * 16, what="ACCEPTED", message_id="M1")),
    ],
)
def test_reference_reads_back_as_written(reference: Reference) -> None:
    """A reference reads back as it was written, in base64 too."""
    assert parse_reference(reference.to_json()) == reference
    assert parse_reference(base64.b64encode(reference.to_json().encode())) == reference


def test_reference_says_its_version() -> None:
    """The version field is always written, and absent fields are not."""
    assert json.loads(Reference(request_id="r-1").to_json()) == {
        "reference": 1,
        "request_id": "r-1",
        "sequence": 0,
    }


@pytest.mark.parametrize("body", ["not JSON", b"\xff", "[1]", '{"request_id": "r-1"}'])
def test_anything_else_is_no_reference(body: str | bytes) -> None:
    """A body without the field `reference` is left to parse_request."""
    assert parse_reference(body) is None


def test_requests_are_no_references() -> None:
    """The documented requests are not read as references."""
    for example in schemas()["message-request.schema.json"]["examples"]:
        assert parse_reference(json.dumps(example)) is None


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"reference": 2}, "reference"),
        ({"request_id": None}, "request_id"),
        ({"sequence": -1}, "sequence"),
        ({"sequence": "1"}, "sequence"),
        ({"language": "it_IT"}, "language"),
        ({"result": {"owner": "0f" * 16, "what": "PAID"}}, "result.what"),
        ({"result": {"owner": "somebody", "what": "ACCEPTED"}}, "result.owner"),
        ({"traceparent": "00-0-0-0"}, "traceparent"),
        ({"fiscal_code": "RSSMRA80A01H501U"}, "fiscal_code"),
    ],
)
def test_malformed_reference_is_refused(changes: dict[str, Any], field: str) -> None:
    """A reference of another version, or with a wrong or unknown field, is refused, naming the field."""
    with pytest.raises(InvalidRequest) as raised:
        parse_reference(json.dumps({"reference": 1, "request_id": "r-1"} | changes))
    assert [violation.field for violation in raised.value.violations] == [field]


@UNHURRIED
@given(body=st.text() | st.binary())
def test_no_body_makes_the_reader_fail(body: str | bytes) -> None:
    """Arbitrary text and bytes are not read as references, and do not fail."""
    assert parse_reference(body) is None
