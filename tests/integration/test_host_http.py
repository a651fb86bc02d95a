"""HTTP triggers and admin endpoints of the local host."""

import json
import urllib.request
from collections.abc import Mapping
from urllib.error import HTTPError

from tests.integration.host_process import HostProcess, MakeApp, StartHost

SOURCE = """
@app.route("messages/{id}", methods=["GET", "POST"])
async def message(req: func.HttpRequest) -> func.HttpResponse:
    seen = {
        "id": req.route_params["id"], "query": dict(req.params), "body": req.get_body().decode(),
        "header": req.headers.get("X-Custom"), "method": req.method,
    }
    return func.HttpResponse(json.dumps(seen), status_code=201, headers={"X-Answer": "yes"},
                             mimetype="application/json")

@app.route("messages/{id}/{*rest}", methods=["GET"])
async def attachment(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(bytes([0, 255]) + req.route_params["rest"].encode())

@app.route("messages/{id}/precondition", methods=["GET"])
def precondition(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse("precondition")

@app.route("broken")
async def broken(req: func.HttpRequest) -> func.HttpResponse:
    raise RuntimeError("broken")
"""

TIMER = """
@app.timer_trigger(arg_name="timer", schedule="0 0 0 1 1 *")
def tick(timer: func.TimerRequest) -> None: ...
"""


def call(
    host: HostProcess, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
) -> tuple[int, bytes, Mapping[str, str]]:
    request = urllib.request.Request(host.address + path, body, dict(headers or {}))
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, answer.read(), dict(answer.headers)
    except HTTPError as error:
        with error:
            return error.code, error.read(), dict(error.headers)


def test_routes_carry_requests_and_answers(make_app: MakeApp, start_host: StartHost) -> None:
    """Route parameters, query, headers and body reach the function; status, headers and bytes come back."""
    host = start_host(make_app(SOURCE))

    status, body, headers = call(host, "/api/messages/42?a=1", b"text", {"X-Custom": "c"})
    assert (status, headers["X-Answer"], headers["content-type"]) == (201, "yes", "application/json")
    assert json.loads(body) == {
        "id": "42",
        "query": {"a": "1"},
        "body": "text",
        "header": "c",
        "method": "POST",
    }

    assert call(host, "/api/messages/42/a/b.pdf")[:2] == (200, b"\x00\xffa/b.pdf")
    assert call(host, "/api/messages/42/precondition")[:2] == (200, b"precondition")
    assert call(host, "/api/messages/42/precondition", b"")[0] == 405
    assert call(host, "/api/broken")[:2] == (500, b"")
    assert call(host, "/messages/42")[0] == 404
    assert host.counts("broken") == {"ok": 0, "failed": 1, "poison": 0}


def test_route_prefix_can_be_empty(make_app: MakeApp, start_host: StartHost) -> None:
    """With an empty routePrefix functions are at the root, beside the admin endpoints."""
    host = start_host(
        make_app(SOURCE.replace("broken", "{*all}", 1)),
        AzureFunctionsJobHost__extensions__http__routePrefix="",
    )
    assert call(host, "/messages/42")[0] == 201
    assert call(host, "/admin/host/status")[0] == 200
    assert call(host, "/anything/else")[0] == 500


def test_admin_endpoints_refuse_what_they_cannot_run(make_app: MakeApp, start_host: StartHost) -> None:
    """An unknown function, an HTTP function and a body that is not an object are refused."""
    host = start_host(make_app(SOURCE + TIMER))
    assert call(host, "/admin/functions/absent", b"{}")[0] == 404
    assert call(host, "/admin/functions/message", b"{}")[0] == 404
    assert call(host, "/admin/functions/tick", b"[]")[0] == 400
    assert call(host, "/admin/functions/tick", b"")[0] == 202
