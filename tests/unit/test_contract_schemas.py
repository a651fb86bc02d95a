"""The JSON Schemas: the files match the models, and refuse nothing that the models accept."""

import copy
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from contract.outcome import Outcome, OutcomeData, State
from contract.request import parse_request
from contract.schemas import DIRECTORY, as_text, schemas
from contract.settlement import parse_settlement
from contract.violations import InvalidRequest

REQUEST = schemas()["message-request.schema.json"]
OUTCOME = schemas()["message-outcome.schema.json"]
SETTLED = schemas()["message-settled.schema.json"]
SIMPLEST, FULL, REMINDED = REQUEST["examples"]


def changed(path: str, value: Any) -> dict[str, Any]:
    document: dict[str, Any] = copy.deepcopy(FULL)
    *parents, name = path.split(".")
    place = document
    for parent in parents:
        place = place[parent]
    place[name] = value
    return document


@pytest.mark.parametrize("name", schemas())
def test_file_is_that_of_the_models(name: str) -> None:
    """The file in docs/schemas is what `python -m contract.schemas` writes today."""
    assert (DIRECTORY / name).read_text(encoding="utf-8") == as_text(schemas()[name])


@pytest.mark.parametrize("schema", [REQUEST, OUTCOME, SETTLED], ids=["request", "outcome", "settled"])
def test_schema_is_draft_2020_12(schema: dict[str, Any]) -> None:
    """The schema is valid in its own dialect, closed, and describes every field."""
    Draft202012Validator.check_schema(schema)
    for part in [schema, *schema.get("$defs", {}).values()]:
        if part["type"] == "object":
            assert part["additionalProperties"] is False
            assert all("description" in field for field in part["properties"].values())


@pytest.mark.parametrize("example", SETTLED["examples"])
def test_documented_settlements_pass_both(example: dict[str, Any]) -> None:
    """The examples in the schema are valid for the schema and for the model."""
    Draft202012Validator(SETTLED).validate(example)
    assert parse_settlement(json.dumps(example)).request_id == example.get("request_id")


@pytest.mark.parametrize("example", [SIMPLEST, FULL, REMINDED], ids=["simplest", "full", "reminded"])
def test_documented_requests_pass_both(example: dict[str, Any]) -> None:
    """The examples in the schema are valid for the schema and for the model."""
    Draft202012Validator(REQUEST).validate(example)
    assert parse_request(json.dumps(example)).request_id == example["request_id"]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("request_id", ""),
        ("request_id", "a b"),
        ("request_id", "a" * 129),
        ("service", "a/b"),
        ("service", None),
        ("fiscal_code", "rssmra80a01h501u"),
        ("feature_level_type", "PREMIUM"),
        ("content.subject", "abcd"),
        ("content.subject", "a" * 121),
        ("content.markdown", "a" * 39),
        ("content.markdown", "a" * 10_001),
        ("content.due_date", "2026-06-30T23:59:59"),
        ("content.due_date", "30/06/2026"),
        ("content.payment_data.amount", 0),
        ("content.payment_data.amount", 10_000_000_000),
        ("content.payment_data.amount", "100"),
        ("content.payment_data.amount", 100.5),
        ("content.payment_data.amount", True),
        ("content.payment_data.notice_number", "401000000000000012"),
        ("content.payment_data.payee.fiscal_code", "0123456789"),
        ("content.require_secure_channels", "yes"),
        ("content.third_party_data", {}),
        ("translations.it_IT", {"subject": "a" * 10, "markdown": "a" * 80}),
        ("translations", []),
        ("campaign", " x"),
        ("not_before", "2026-01-01"),
        ("traceparent", "00-" + "0" * 32 + "-" + "1" * 16 + "-01"),
        ("third_party_data", {}),
        ("reminders", []),
        ("in_reply_to", "a b"),
    ],
)
def test_what_the_schema_refuses_the_model_refuses(path: str, value: Any) -> None:
    """A change that the schema refuses is refused by the model too, at that field."""
    document = changed(path, value)
    assert not Draft202012Validator(REQUEST).is_valid(document)
    with pytest.raises(InvalidRequest) as raised:
        parse_request(json.dumps(document))
    assert path in {violation.field for violation in raised.value.violations}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("content.subject", "🙂" * 5),
        ("content.subject", "🙂" * 60),
        ("content.markdown", "🙂" * 40),
        ("content.due_date", "2026-06-30T23:59:59.999+02:00"),
        ("content.payment_data", None),
        ("content.payment_data.payee", None),
        ("translations", {}),
        ("campaign", None),
        ("traceparent", None),
        ("reminders", None),
        ("reminders", {}),
        ("in_reply_to", "TARI:2025:000123"),
    ],
)
def test_what_the_model_takes_the_schema_takes(path: str, value: Any) -> None:
    """A valid value at the edge of a rule, or null for an optional field, passes both."""
    document = changed(path, value)
    Draft202012Validator(REQUEST).validate(document)
    parse_request(json.dumps(document))


@pytest.mark.parametrize("name", ["request_id", "fiscal_code", "content"])
def test_required_fields_are_required_by_both(name: str) -> None:
    """A request without a required field is refused by the schema and by the model."""
    document = {key: value for key, value in SIMPLEST.items() if key != name}
    assert not Draft202012Validator(REQUEST).is_valid(document)
    with pytest.raises(InvalidRequest, match=f"^{name}: is required$"):
        parse_request(json.dumps(document))


@pytest.mark.parametrize("state", State)
def test_outcomes_pass_their_schema(state: State) -> None:
    """The event of every state passes the schema, as does the documented example."""
    now = datetime.now(UTC)
    event = Outcome.of(OutcomeData(request_id="r-1", state=state), time=now)
    for document in [json.loads(event.to_json()), *OUTCOME["examples"]]:
        Draft202012Validator(OUTCOME).validate(document)
