"""The simulator's answers: every status of IO's operations, in IO's words."""

from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest

from local.io_simulator import running_simulator

MESSAGES = "messages-services-func-2.1.9.yaml"
PROFILES = "io-functions-services-4.1.1.yaml"
CONFIGURATIONS = "remote-content-configuration-external-2.0.11.yaml"

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
CONFIGURED_ELSEWHERE = {"other": {"keys": [], "manage_keys": ["other-manage-key"], "account": "other"}}
WITHOUT_THE_GROUP = {
    "default": {
        "keys": ["simulator-key"],
        "manage_keys": ["simulator-manage-key"],
        "groups": ["ApiMessageRead"],
    }
}
FEED_READER = {"default": {"keys": ["simulator-key"], "groups": ["ApiSubscriptionsFeedRead"]}}
WRITE_ONLY = {"default": {"keys": ["simulator-key"], "groups": ["ApiMessageWrite"]}}


@dataclass(frozen=True)
class Operation:
    """An operation, as its specification names it."""

    specification: str
    method: str
    path: str


SUBMIT = Operation(MESSAGES, "post", "/")
SUBMIT_BY_PATH = Operation(MESSAGES, "post", "/{fiscal_code}")
READ = Operation(MESSAGES, "get", "/{fiscal_code}/{id}")
PROFILE = Operation(PROFILES, "post", "/profiles")
PROFILE_BY_PATH = Operation(PROFILES, "get", "/profiles/{fiscal_code}")
FEED = Operation(PROFILES, "get", "/subscriptions-feed/{date}")
CONFIGURE = Operation(CONFIGURATIONS, "post", "/remote-contents/configurations")
LIST = Operation(CONFIGURATIONS, "get", "/remote-contents/configurations")
CONFIGURED = Operation(CONFIGURATIONS, "get", "/remote-contents/configurations/{configurationId}")
RECONFIGURE = Operation(CONFIGURATIONS, "put", "/remote-contents/configurations/{configurationId}")

ENVIRONMENT = {
    "base_url": "https://comune.example.it/api",
    "details_authentication": {"header_key_name": "X-Api-Key", "key": "k", "type": "API-KEY"},
}
CONFIGURATION = {
    "name": "Atti",
    "description": "Gli atti",
    "has_precondition": "NEVER",
    "disable_lollipop_for": [FISCAL_CODE],
    "is_lollipop_enabled": True,
    "prod_environment": ENVIRONMENT,
    "test_environment": ENVIRONMENT | {"test_users": [FISCAL_CODE]},
}
MANAGE_KEY = "simulator-manage-key"


@dataclass(frozen=True)
class Case:
    """A call and its status; `script` holds the bodies for the control endpoints before it.

    `{id}` in the URL is a Premium payment message, accepted before the script, and `{configuration}` a
    configuration of remote contents.
    """

    operation: Operation
    status: int
    url: str
    body: object = None
    key: str | None = "simulator-key"
    script: dict[str, object] = field(default_factory=dict)


def common(operation: Operation, url: str, body: object, forbidden: object) -> list[Case]:
    """The answers of the gateway and of the scopes, for every operation."""
    return [
        Case(operation, 401, url, body, key=None),
        Case(operation, 401, url, body, key="wrong"),
        Case(operation, 403, url, body, script={"services": forbidden}),
        Case(operation, 429, url, body, script={"faults": [{"kind": "429"}]}),
    ]


def submissions(operation: Operation, url: str, body: dict[str, Any]) -> list[Case]:
    """The answers to a submission, by body or by path."""
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


def configurations(operation: Operation, url: str, status: int, body: object = None) -> list[Case]:
    """The answers about configurations: to a MANAGE key, and to all others."""
    return [
        Case(operation, status, url, body, key=MANAGE_KEY),
        Case(operation, 401, url, body, key=None),
        Case(operation, 403, url, body),
        Case(operation, 403, url, body, key=MANAGE_KEY, script={"services": WITHOUT_THE_GROUP}),
        Case(operation, 429, url, body, key=MANAGE_KEY, script={"faults": [{"kind": "429"}]}),
        Case(operation, 500, url, body, key=MANAGE_KEY, script={"faults": [{"kind": "500_before"}]}),
    ]


CONFIGURATIONS_URL = "messages-sending/remote-contents/configurations"
CONFIGURATION_URL = f"{CONFIGURATIONS_URL}/{{configuration}}"
MESSAGE_URL = f"messages/{FISCAL_CODE}/{{id}}"
PROFILE_BODY = {"fiscal_code": FISCAL_CODE}
CLOCK = {"advance_seconds": 3600}

FEED_CALL: dict[str, Any] = {"operation": FEED, "script": {"services": FEED_READER}}

CASES = [
    Case(**FEED_CALL, status=200, url="subscriptions-feed/2026-01-31"),
    Case(**FEED_CALL, status=400, url="subscriptions-feed/2026-02-30"),
    Case(**FEED_CALL, status=404, url="subscriptions-feed/2126-01-31"),
    *common(FEED, "subscriptions-feed/2026-01-31", None, READ_ONLY),
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
    *configurations(CONFIGURE, CONFIGURATIONS_URL, 201, CONFIGURATION),
    Case(CONFIGURE, 400, CONFIGURATIONS_URL, {}, key=MANAGE_KEY),
    *configurations(LIST, CONFIGURATIONS_URL, 200),
    *configurations(CONFIGURED, CONFIGURATION_URL, 200),
    Case(CONFIGURED, 400, f"{CONFIGURATIONS_URL}/1", key=MANAGE_KEY),
    Case(CONFIGURED, 404, f"{CONFIGURATIONS_URL}/{'0' * 26}", key=MANAGE_KEY),
    Case(
        CONFIGURED, 403, CONFIGURATION_URL, key="other-manage-key", script={"services": CONFIGURED_ELSEWHERE}
    ),
    *configurations(RECONFIGURE, CONFIGURATION_URL, 204, CONFIGURATION),
    Case(RECONFIGURE, 400, CONFIGURATION_URL, CONFIGURATION | {"name": ""}, key=MANAGE_KEY),
    Case(RECONFIGURE, 404, f"{CONFIGURATIONS_URL}/{'0' * 26}", CONFIGURATION, key=MANAGE_KEY),
]


async def answer(case: Case) -> tuple[aiohttp.ClientResponse, Any]:
    """Make the call of a case, and return its answer."""
    async with running_simulator() as running, aiohttp.ClientSession(f"{running.base_url}/") as session:
        key = {"Ocp-Apim-Subscription-Key": "simulator-key"}
        submitted = await session.post("messages", json=PREMIUM, headers=key)
        configured = await session.post(
            CONFIGURATIONS_URL, json=CONFIGURATION, headers={"Ocp-Apim-Subscription-Key": MANAGE_KEY}
        )
        for name, body in case.script.items():
            scripted = await session.post(f"/simulator/{name}", json=body)
            assert scripted.status == 200, await scripted.text()
        response = await session.request(
            case.operation.method,
            case.url.format(
                id=(await submitted.json())["id"],
                configuration=(await configured.json())["configuration_id"],
            ),
            headers={} if case.key is None else key | {"Ocp-Apim-Subscription-Key": case.key},
            data=case.body if isinstance(case.body, str) else None,
            json=None if isinstance(case.body, str) else case.body,
        )
        return response, await response.json() if await response.read() else None


def check_error_shape(response: aiohttp.ClientResponse, document: Any) -> None:
    """Check the shape of an error, the gateway's or the backend's, as recorded from IO."""
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
    """The name of a case in the report."""
    return f"{case.operation.method} {case.url} {case.status}"


@pytest.mark.parametrize("case", CASES, ids=case_name)
async def test_answer_is_one_of_ios(case: Case) -> None:
    """Each answer has the expected status, and an error IO's shape; PagoPA's codecs read
    both (conftest.py).
    """
    response, document = await answer(case)
    assert response.status == case.status
    if case.status >= 400:
        check_error_shape(response, document)
