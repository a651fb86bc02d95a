"""HTTP triggers of an app with the streaming extension: the worker serves HTTP, the host forwards to it."""

import http.client
import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from urllib.parse import urlsplit

import pytest

from tests.integration.host_process import HostProcess, MakeApp, StartHost, eventually
from tests.integration.test_host_http import call

SOURCE = """
from azurefunctions.extensions.http.fastapi import Request, Response, StreamingResponse

@app.route("messages/{id}", methods=["GET", "POST"])
async def message(req: Request) -> Response:
    seen = {
        "id": req.path_params["id"], "query": dict(req.query_params), "body": (await req.body()).decode(),
        "header": req.headers.get("X-Custom"), "method": req.method, "host": req.headers["host"],
        "invocation": req.headers["x-ms-invocation-id"],
    }
    return Response(json.dumps(seen), status_code=201, headers={"X-Answer": "yes"}, media_type="text/plain")

async def pieces(name):
    yield b"first"
    await gate(name)
    if name == "broken":
        raise RuntimeError("broken")
    yield b" last"

@app.route("streams/{name}", methods=["GET"])
async def stream(req: Request) -> StreamingResponse:
    return StreamingResponse(pieces(req.path_params["name"]), headers={"Content-Length": "10"})

@app.route("failing")
async def failing(req: Request) -> Response:
    raise RuntimeError("broken")
"""


@contextmanager
def begun(host: HostProcess, path: str) -> Iterator[http.client.HTTPResponse]:
    """The answer to a GET whose body has not been read."""
    with closing(http.client.HTTPConnection(urlsplit(host.address).netloc)) as connection:
        connection.request("GET", path)
        with connection.getresponse() as answer:
            yield answer


def test_requests_pass_through_the_workers_own_server(make_app: MakeApp, start_host: StartHost) -> None:
    """Route parameters, query, headers and body reach the function under the id of its invocation."""
    host = start_host(make_app(SOURCE))

    status, body, headers = call(host, "/api/messages/a%20b?a=1", b"text", {"X-Custom": "c"})
    kept = {name.lower(): value for name, value in headers.items()}
    assert (status, kept["x-answer"], kept["content-type"]) == (201, "yes", "text/plain; charset=utf-8")
    seen = json.loads(body)
    assert len(seen.pop("invocation")) == 36
    assert seen.pop("host") != urlsplit(host.address).netloc
    assert seen == {"id": "a b", "query": {"a": "1"}, "body": "text", "header": "c", "method": "POST"}
    eventually(lambda: host.counts("message") == {"ok": 1, "failed": 0, "poison": 0})


def test_answer_passes_in_pieces(make_app: MakeApp, start_host: StartHost) -> None:
    """A caller has the first piece of an answer before the function has produced the last."""
    app = make_app(SOURCE)
    host = start_host(app)

    with begun(host, "/api/streams/whole") as answer:
        assert answer.read(5) == b"first"
        assert host.counts("stream")["ok"] == 0
        app.open_gate("whole")
        assert answer.read() == b" last"
    eventually(lambda: host.counts("stream")["ok"] == 1)


def test_answer_that_breaks_off_is_not_complete(make_app: MakeApp, start_host: StartHost) -> None:
    """A caller notices an answer that the function did not finish, and the invocation fails."""
    app = make_app(SOURCE)
    host = start_host(app)

    with begun(host, "/api/streams/broken") as answer:
        assert answer.read(5) == b"first"
        app.open_gate("broken")
        with pytest.raises((http.client.IncompleteRead, ConnectionError)):
            answer.read()
    eventually(lambda: host.counts("stream")["failed"] == 1)


def test_failure_of_the_function_is_500(make_app: MakeApp, start_host: StartHost) -> None:
    """A function that fails gives 500, and its invocation fails."""
    host = start_host(make_app(SOURCE))
    assert call(host, "/api/failing")[0] == 500
    eventually(lambda: host.counts("failing") == {"ok": 0, "failed": 1, "poison": 0})


def test_sigterm_ends_a_host_whose_worker_serves_http(make_app: MakeApp, start_host: StartHost) -> None:
    """The host ends by itself, although the worker's server handles signals too."""
    host = start_host(make_app(SOURCE))
    assert call(host, "/api/messages/1")[0] == 201
    assert host.stop() == 0
    assert "Traceback" not in host.stderr
