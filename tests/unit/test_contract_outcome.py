"""The outcome events: a valid CloudEvents envelope, and no personal data in it."""

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from contract.outcome import Outcome, OutcomeData, State
from contract.violations import Violation

NOON = datetime(2026, 5, 5, 12, tzinfo=UTC)
TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def test_outcome_is_a_cloud_event() -> None:
    """The envelope has the attributes of CloudEvents 1.0, and unknown fields are left out."""
    data = OutcomeData(
        request_id="r-1",
        service="tributi",
        state=State.ACCEPTED,
        message_id="01JWCZ5V6Q4M3N2P1R0T9S8W7X",
    )
    event = Outcome.of(data, time=NOON, sequence=2, traceparent=TRACEPARENT)
    assert json.loads(event.to_json()) == {
        "specversion": "1.0",
        "id": "r-1/2/accepted",
        "source": "/postino/tributi",
        "type": "it.postino.message.accepted",
        "subject": "r-1",
        "time": "2026-05-05T12:00:00Z",
        "datacontenttype": "application/json",
        "traceparent": TRACEPARENT,
        "data": {
            "request_id": "r-1",
            "service": "tributi",
            "state": "accepted",
            "message_id": "01JWCZ5V6Q4M3N2P1R0T9S8W7X",
        },
    }


def test_outcome_of_an_unreadable_body_is_known_by_its_parked_id() -> None:
    """An event without a request_id has no subject, and its id comes from the parked_id."""
    data = OutcomeData(
        state=State.PARKED,
        parked_id="p-1",
        reason="invalid",
        violations=(Violation(field="body", rule="is not UTF-8 text"),),
    )
    event = json.loads(Outcome.of(data, time=NOON).to_json())
    assert (event["id"], event["source"], "subject" in event) == ("p-1/0/parked", "/postino", False)
    assert event["data"]["violations"] == [{"field": "body", "rule": "is not UTF-8 text"}]


def test_outcome_about_nothing_is_an_error() -> None:
    """An event without a request_id and a parked_id raises ValueError."""
    with pytest.raises(ValueError, match="needs a request_id or a parked_id"):
        Outcome.of(OutcomeData(state=State.PARKED), time=NOON)


def test_same_outcome_has_the_same_id() -> None:
    """Two events of the same outcome have the same id; another state or sequence gives another id."""
    accepted = OutcomeData(request_id="r-1", state=State.ACCEPTED)
    processed = OutcomeData(request_id="r-1", state=State.PROCESSED)
    first = Outcome.of(accepted, time=NOON)
    assert Outcome.of(accepted, time=NOON + timedelta(hours=1)).id == first.id
    assert (
        len({first.id, Outcome.of(processed, time=NOON).id, Outcome.of(accepted, time=NOON, sequence=1).id})
        == 3
    )


@pytest.mark.parametrize("state", State)
def test_every_state_has_its_type(state: State) -> None:
    """The event's type ends in the state, and the event reads back as it was written."""
    event = Outcome.of(OutcomeData(request_id="r-1", state=state), time=NOON)
    assert event.type == f"it.postino.message.{state}"
    assert Outcome.model_validate_json(event.to_json()) == event


def test_time_is_written_in_utc() -> None:
    """An instant of another zone is written in UTC."""
    rome = datetime(2026, 5, 5, 14, tzinfo=timezone(timedelta(hours=2)))
    event = Outcome.of(OutcomeData(request_id="r-1", state=State.READ), time=rome)
    assert json.loads(event.to_json())["time"] == "2026-05-05T12:00:00Z"


def test_time_without_a_zone_is_an_error() -> None:
    """A time without a zone raises ValueError."""
    with pytest.raises(ValueError, match="1 validation error"):
        Outcome.of(
            OutcomeData(request_id="r-1", state=State.READ),
            time=datetime(2026, 5, 5),  # noqa: DTZ001 - the mistake under test
        )


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("reason", "no profile for RSSMRA80A01H501U"),
        ("reason", "no profile for rssmra80a01h501u"),
        ("message_id", "AAAAAA00A00A000A"),
        ("parked_id", "p-RSSMRA80A01H501U"),
        ("violations", (Violation(field="content", rule="value RSSMRA80A01H501U"),)),
    ],
)
def test_fiscal_code_anywhere_is_an_error(field: str, value: Any) -> None:
    """A fiscal code in any text raises an error that names the field and hides the code."""
    data = OutcomeData.model_validate({"request_id": "r-1", "state": State.PARKED, field: value})
    with pytest.raises(ValueError, match=rf"mask the fiscal code in .*\b{field}\b") as raised:
        Outcome.of(data, time=NOON)
    assert "RSSMRA" not in str(raised.value).upper()
    assert "AAAAAA" not in str(raised.value)


def test_trace_that_looks_like_a_fiscal_code_is_taken() -> None:
    """A trace identifier with the shape of a fiscal code is accepted, because it is random."""
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-aaaaaa00a00a000a-01"
    event = Outcome.of(OutcomeData(request_id="r-1", state=State.READ), time=NOON, traceparent=trace)
    assert event.traceparent == trace


@pytest.mark.parametrize("field", ["request_id", "campaign", "service"])
def test_label_with_a_fiscal_code_is_an_error(field: str) -> None:
    """A label with a fiscal code raises an error that hides the code."""
    with pytest.raises(ValueError, match=field) as raised:
        OutcomeData.model_validate(
            {"request_id": "r-1", "state": State.READ, field: "TARI2026RSSMRA80A01H501U"}
        )
    assert "RSSMRA" not in str(raised.value)
