"""The simulator's answers against PagoPA's published specifications.

Every status that a specification lists is provoked, and the answer is validated against its schema where it
has one. Answers outside of the specifications, which IO's code gives all the same, are named:
    POST /messages 404 (remote content configuration not found)
    GET /messages/{fiscal_code}/{id} 400 (fiscal code), 500 (pagoPA)
    POST /profiles 400, 500 (fiscal code, malformed JSON), GET /profiles/{fiscal_code} 400 (fiscal code)
    GET /subscriptions-feed/{date} 400 (date)
    configurations of remote contents: 401 and 429 (the gateway's), POST 403 (kind of key, group)
"""

from functools import cache
from typing import Any

import pytest
import yaml
from jsonschema import Draft4Validator

from local.io_simulator.fiscal_code import PATTERN
from tests.integration.test_io_simulator_contract import (
    CASES,
    CLOCK,
    CONFIGURE,
    CONFIGURED,
    FEED,
    LIST,
    MESSAGE_URL,
    MESSAGES,
    PROFILE,
    PROFILE_BY_PATH,
    READ,
    RECONFIGURE,
    SUBMIT,
    SUBMIT_BY_PATH,
    Case,
    Operation,
    answer,
    case_name,
)
from tests.openapi.specifications import SPECIFICATIONS

# PagoPA's generator knows these formats; the specifications only name them.
FORMATS = {
    "FiscalCode": PATTERN,
    "OrganizationFiscalCode": "^[0-9]{11}$",
    "Ulid": "^[0-9a-hjkmnp-tv-zA-HJKMNP-TV-Z]{26}$",
    "UTCISODateFromString": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$",
}

OUTSIDE_OF_THE_SPECIFICATION = {
    (SUBMIT, 404),
    (SUBMIT_BY_PATH, 404),
    (READ, 400),
    (READ, 500),
    (PROFILE, 400),
    (PROFILE, 500),
    (PROFILE_BY_PATH, 400),
    (FEED, 400),
    (CONFIGURE, 403),
    *(
        (operation, status)
        for operation in (CONFIGURE, LIST, CONFIGURED, RECONFIGURE)
        for status in (401, 429)
    ),
}


@cache
def specification(name: str) -> dict[str, Any]:
    """A specification, with PagoPA's extensions turned into JSON Schema."""
    document: dict[str, Any] = standard(yaml.safe_load((SPECIFICATIONS / name).read_text()))
    return document


def standard(node: Any) -> Any:
    """Enumerations, alternatives and formats in the words of JSON Schema."""
    if isinstance(node, list):
        return [standard(item) for item in node]
    if not isinstance(node, dict):
        return node
    if node.get("x-one-of"):
        node = {"anyOf": node["allOf"]}
    if "x-extensible-enum" in node:
        node = node | {"enum": node["x-extensible-enum"]}
    if isinstance(node.get("format"), str) and node["format"] in FORMATS:
        node = node | {"pattern": FORMATS[node["format"]]}
    return {name: standard(value) for name, value in node.items()}


def responses(operation: Operation) -> dict[str, Any]:
    """The responses that the specification lists, by status."""
    path = specification(operation.specification)["paths"][operation.path]
    listed: dict[str, Any] = path[operation.method]["responses"]
    return listed


@pytest.mark.parametrize("case", CASES, ids=case_name)
async def test_answer_is_as_specified(case: Case) -> None:
    """An answer has a status that the specification lists, and the schema that it gives it."""
    listed = responses(case.operation)
    response, document = await answer(case)
    outside = (case.operation, case.status) in OUTSIDE_OF_THE_SPECIFICATION
    assert (str(response.status) in listed) is not outside
    schema = listed.get(str(response.status), {}).get("schema")
    if schema is not None:
        definitions = specification(case.operation.specification)["definitions"]
        Draft4Validator(schema | {"definitions": definitions}).validate(document)


@pytest.mark.parametrize(
    "operation",
    [SUBMIT, SUBMIT_BY_PATH, READ, PROFILE, PROFILE_BY_PATH, FEED, CONFIGURE, CONFIGURED, RECONFIGURE],
)
def test_every_status_of_the_specification_is_provoked(operation: Operation) -> None:
    """No status that a specification lists is left out above; LIST has a 400 and 404 that IO's code lacks."""
    provoked = {str(case.status) for case in CASES if case.operation == operation}
    assert set(responses(operation)) <= provoked


async def test_schemas_can_fail() -> None:
    """The schemas, so translated, refuse what IO would never say."""
    _, document = await answer(Case(READ, 200, MESSAGE_URL, script={"clock": CLOCK}))
    definitions = specification(MESSAGES)["definitions"]
    schema = Draft4Validator(
        {"$ref": "#/definitions/ExternalMessageResponseWithContent", "definitions": definitions}
    )
    assert schema.is_valid(document)
    assert not schema.is_valid(document | {"status": "DELIVERED"})
    assert not schema.is_valid(document | {"read_status": "OPENED"})
    message = document["message"]
    assert not schema.is_valid(document | {"message": message | {"fiscal_code": "nobody"}})
    assert not schema.is_valid(document | {"message": message | {"created_at": "yesterday"}})
    del message["content"]["payment_data"]["payee"]
    assert not schema.is_valid(document)
