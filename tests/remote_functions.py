"""The HTTP functions of remote contents in this process, without any host."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import azure.functions as func
from azurefunctions.extensions.http.fastapi import Request, Response
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.routing import Route

from remote_content.functions import blueprint
from storage.index_key import IndexKey
from storage.key_checks import KeyChecks
from storage.readiness import Readiness
from tests.remote import KEY, SECOND_KEY, RemoteContentApp

HEADER = "X-Postino-Key"
DETAILS, PRECONDITION = "messages/{id}", "messages/{id}/precondition"
ATTACHMENT = "messages/{id}/{attachment_url}"

type Function = Callable[..., Awaitable[Any]]


def functions_of(app: RemoteContentApp) -> dict[str, Function]:
    """The registered functions by their routes."""
    readiness = Readiness(
        {"keys": app.keys_table},
        KeyChecks(app.keys_table, app.cipher),
        IndexKey(app.keys_table, app.cipher, []),
    )
    keys = [SecretStr(KEY), SecretStr(SECOND_KEY)]
    registered = func.FunctionApp()
    registered.register_functions(blueprint(readiness, app.context, app.cipher, keys, HEADER))
    return {_route(one): one.get_user_function() for one in registered.get_functions()}


def _route(function: func.decorators.function_app.Function) -> str:
    trigger: Any = function.get_trigger()
    return str(trigger.route)


def asgi_app(app: RemoteContentApp) -> Starlette:
    """The functions behind a router, as the platform routes to them: literals before parameters."""
    by_route = functions_of(app)
    routes = (DETAILS, PRECONDITION, ATTACHMENT)
    return Starlette(routes=[Route(f"/{route}", _endpoint(by_route[route])) for route in routes])


def _endpoint(function: Function) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        return await function(request=request)

    return endpoint


async def call(
    function: Function, params: Mapping[str, str], headers: list[tuple[bytes, bytes]]
) -> tuple[int, dict[str, str], bytes]:
    """Call a function. Returns status, headers and the whole body."""
    scope = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": headers}
    response = await function(request=Request(scope | {"path_params": dict(params)}))
    pieces: list[bytes] = []

    async def send(message: dict[str, Any]) -> None:
        pieces.append(message.get("body", b""))

    async def receive() -> dict[str, Any]:
        raise AssertionError("a GET has no body")

    if hasattr(response, "body_iterator"):
        pieces += [piece async for piece in response.body_iterator]
        await response.background()
    else:
        await response(scope, receive, send)
    return response.status_code, dict(response.headers), b"".join(pieces)
