"""The answers to IO's calls for remote contents: Schemathesis against PagoPA's sender-remote-content.yaml."""

import asyncio
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.openapi.specifications import SPECIFICATIONS
from tests.remote import KEY, SOMEBODY_ELSE, RemoteContentApp, remote_content_id
from tests.remote_functions import HEADER, asgi_app
from tests.samples import FISCAL_CODE

PATHS = ("/messages/{id}", "/messages/{id}/{attachment_url}", "/messages/{id}/precondition")
# Often enough that among 60 calls some are served.
MOSTLY = st.sampled_from([True, True, False])
CHECKS = (
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
)


@pytest.fixture(scope="module")
def schema() -> Any:
    """The specification, and the functions of an app with one remote content as its server."""
    app = RemoteContentApp()
    asyncio.run(app.keep())
    schema = schemathesis.openapi.from_path(SPECIFICATIONS / "sender-remote-content.yaml")
    schema.app = asgi_app(app)
    return schema


@pytest.mark.parametrize("path", PATHS)
def test_answers_are_as_specified(schema: Any, path: str) -> None:
    """No generated call, valid or not, gets a 5xx or an answer that the specification does not list."""
    operation = schema[path]["GET"]
    served = 0

    @settings(max_examples=60, suppress_health_check=list(HealthCheck), database=None)
    @given(operation.as_strategy(), MOSTLY, st.sampled_from([KEY, KEY, KEY, "", "x" * 40]), MOSTLY)
    def check(case: Any, is_known: bool, key: str, is_recipient: bool) -> None:
        nonlocal served
        if is_known:
            case.path_parameters = {"id": remote_content_id(), "attachment_url": "1.pdf"}
            case.headers["fiscal_code"] = FISCAL_CODE if is_recipient else SOMEBODY_ELSE
        case.headers[HEADER] = key
        response = case.call_and_validate(checks=CHECKS)
        is_served = response.status_code == 200
        assert is_served == (is_known and is_recipient and key == KEY)
        served += is_served

    check()
    assert served
