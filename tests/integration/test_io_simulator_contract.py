"""The simulator's answers against PagoPA's published specifications.

Every status that a specification lists is provoked, and the answer is validated against its schema where it
has one. Answers outside of the specifications, which IO's code gives all the same, are checked against the
shape of IO's error bodies instead:
    POST /messages 404 (remote content configuration not found)
    GET /messages/{fiscal_code}/{id} 400 (fiscal code), 500 (pagoPA)
    POST /profiles 400, 500 (fiscal code, malformed JSON), GET /profiles/{fiscal_code} 400 (fiscal code)
"""

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml
from jsonschema import Draft4Validator

from local.io_simulator import running_simulator
from local.io_simulator.fiscal_code import PATTERN

SPECIFICATIONS = Path(__file__).parents[3] / "shared/io/openapi"
MESSAGES = "messages-services-func-2.1.9.yaml"
PROFILES = "io-functions-services-4.1.1.yaml"
# PagoPA's generator knows these formats; the specifications only name them.
FORMATS = {
    "FiscalCode": PATTERN,
    "OrganizationFiscalCode": "^[0-9]{11}$",
    "Ulid": "^[0-9a-hjkmnp-tv-zA-HJKMNP-TV-Z]{26}$",
    "UTCISODateFromString": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$",
}

FISCAL_CODE = "AAAAAA00A00A000A"
CONTENT = {
    "subject": "Avviso di pagamento",
    "markdown": "m" * 80,
    "due_date": "2027-01-31T22:59:59Z",
    "payment_data": {"amount": 500, "notice_number": "301000000000000000"},
}
PREMIUM = {"fiscal_code": FISCAL_CODE, "feature_level_type": "ADVANCED", "content": CONTENT}
IN_PATH = {"feature_level_type": "ADVANCED", "content": CONTENT}
NO_CONFIGURATION = {"id": "1", "configuration_id": "0" * 26}
READ_ONLY = {"default": {"keys": ["simulator-key"], "groups": ["ApiMessageRead"]}}
WRITE_ONLY = {"default": {"keys": ["simulator-key"], "groups": ["ApiMessageWrite"]}}


@dataclass(frozen=True)
class Operation:
    """An operation as a specification names it."""

    specification: str
    method: str
    path: str


SUBMIT = Operation(MESSAGES, "post", "/")
SUBMIT_BY_PATH = Operation(MESSAGES, "post", "/{fiscal_code}")
READ = Operation(MESSAGES, "get", "/{fiscal_code}/{id}")
PROFILE = Operation(PROFILES, "post", "/profiles")
PROFILE_BY_PATH = Operation(PROFILES, "get", "/profiles/{fiscal_code}")


@dataclass(frozen=True)
class Case:
    """A call and its status; `script` are the bodies given to the control endpoints before it.

    `{id}` in the URL is a Premium payment message, accepted before the script.
    """

    operation: Operation
    status: int
    url: str
    body: object = None
    key: str | None = "simulator-key"
    script: dict[str, object] = field(default_factory=dict)


def common(operation: Operation, url: str, body: object, forbidden: object) -> list[Case]:
    """What the gateway and the scopes answer on every operation."""
    return [
        Case(operation, 401, url, body, key=None),
        Case(operation, 401, url, body, key="wrong"),
        Case(operation, 403, url, body, script={"services": forbidden}),
        Case(operation, 429, url, body, script={"faults": [{"kind": "429"}]}),
    ]


def submissions(operation: Operation, url: str, body: dict[str, Any]) -> list[Case]:
    """The answers of a submission, by body or by path."""
    remote = body | {"content": CONTENT | {"third_party_data": NO_CONFIGURATION}}
    expensive = CONTENT | {"payment_data": {"amount": 1_000_001, "notice_number": "3" * 18}}
    return [
        Case(operation, 201, url, body),
        Case(operation, 400, url, {}),
        Case(operation, 400, url, body | {"content": expensive}),
        Case(operation, 404, url, remote),
        Case(operation, 500, url, "{"),
        *common(operation, url, body, READ_ONLY),
    ]


MESSAGE_URL = f"messages/{FISCAL_CODE}/{{id}}"
PROFILE_BODY = {"fiscal_code": FISCAL_CODE}
CLOCK = {"advance_seconds": 3600}

CASES = [
    *submissions(SUBMIT, "messages", PREMIUM),
    *submissions(SUBMIT_BY_PATH, f"messages/{FISCAL_CODE}", IN_PATH),
    Case(READ, 200, MESSAGE_URL),
    Case(READ, 200, MESSAGE_URL, script={"clock": CLOCK}),
    Case(READ, 200, MESSAGE_URL, script={"citizens": {"default": {"on_io": False}}, "clock": CLOCK}),
    Case(
        READ,
        200,
        MESSAGE_URL,
        script={"citizens": {"default": {"read_status_unavailable": [{}]}}, "clock": CLOCK},
    ),
    Case(READ, 400, "messages/nobody/{id}"),
    Case(READ, 404, f"messages/{FISCAL_CODE}/unknown"),
    Case(
        READ,
        500,
        MESSAGE_URL,
        script={"citizens": {"default": {"pagopa_fails": [{}]}}, "clock": CLOCK},
    ),
    *common(READ, MESSAGE_URL, None, WRITE_ONLY),
    Case(PROFILE, 200, "profiles", PROFILE_BODY),
    Case(PROFILE, 400, "profiles", {}),
    Case(PROFILE, 404, "profiles", PROFILE_BODY, script={"citizens": {"default": {"on_io": False}}}),
    Case(PROFILE, 500, "profiles", "{"),
    *common(PROFILE, "profiles", PROFILE_BODY, READ_ONLY),
    Case(PROFILE_BY_PATH, 200, f"profiles/{FISCAL_CODE}"),
    Case(PROFILE_BY_PATH, 400, "profiles/nobody"),
    Case(
        PROFILE_BY_PATH,
        404,
        f"profiles/{FISCAL_CODE}",
        script={"citizens": {"default": {"inbox_enabled": False}}},
    ),
    *common(PROFILE_BY_PATH, f"profiles/{FISCAL_CODE}", None, READ_ONLY),
]

OUTSIDE_OF_THE_SPECIFICATION = {
    (SUBMIT, 404),
    (SUBMIT_BY_PATH, 404),
    (READ, 400),
    (READ, 500),
    (PROFILE, 400),
    (PROFILE, 500),
    (PROFILE_BY_PATH, 400),
}


@cache
def specification(name: str) -> dict[str, Any]:
    """A specification, with PagoPA's extensions turned into JSON Schema."""
    if not SPECIFICATIONS.is_dir():
        pytest.skip("PagoPA's specifications are not in ../shared/io/openapi")
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


async def answer(case: Case) -> tuple[aiohttp.ClientResponse, Any]:
    """Provoke the answer of a case."""
    async with running_simulator() as running, aiohttp.ClientSession(f"{running.base_url}/") as session:
        key = {"Ocp-Apim-Subscription-Key": "simulator-key"}
        submitted = await session.post("messages", json=PREMIUM, headers=key)
        for name, body in case.script.items():
            scripted = await session.post(f"/simulator/{name}", json=body)
            assert scripted.status == 200, await scripted.text()
        response = await session.request(
            case.operation.method,
            case.url.format(id=(await submitted.json())["id"]),
            headers={} if case.key is None else key | {"Ocp-Apim-Subscription-Key": case.key},
            data=case.body if isinstance(case.body, str) else None,
            json=None if isinstance(case.body, str) else case.body,
        )
        return response, await response.json()


def check_error_shape(response: aiohttp.ClientResponse, document: Any) -> None:
    """The gateway's errors and the backend's, as they were recorded from IO."""
    if response.content_type == "application/problem+json":
        assert {name: type(value) for name, value in document.items()} == {
            "title": str,
            "status": int,
            "detail": str,
        }
        assert document["status"] == response.status
    else:
        assert response.content_type == "application/json"
        assert document.keys() == {"statusCode", "message"}
        assert document["statusCode"] == response.status


def case_name(case: Case) -> str:
    """How a case is told in the report."""
    return f"{case.operation.method} {case.url} {case.status}"


@pytest.mark.parametrize("case", CASES, ids=case_name)
async def test_answer_is_as_specified(case: Case) -> None:
    """An answer has the status expected and the schema that the specification gives it."""
    listed = responses(case.operation)
    response, document = await answer(case)
    assert response.status == case.status
    outside = (case.operation, case.status) in OUTSIDE_OF_THE_SPECIFICATION
    assert (str(case.status) in listed) is not outside
    if case.status >= 400:
        check_error_shape(response, document)
    schema = listed.get(str(case.status), {}).get("schema")
    if schema is not None:
        definitions = specification(case.operation.specification)["definitions"]
        Draft4Validator(schema | {"definitions": definitions}).validate(document)


@pytest.mark.parametrize("operation", [SUBMIT, SUBMIT_BY_PATH, READ, PROFILE, PROFILE_BY_PATH])
def test_every_status_of_the_specification_is_provoked(operation: Operation) -> None:
    """No status that a specification lists is left out above."""
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
