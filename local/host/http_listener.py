"""HTTP triggers and the host's own admin endpoints, on loopback. The host checks no keys (authLevel)."""

import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from aiohttp import web
from multidict import CIMultiDictProxy

from local.host.errors import ConfigurationError, StartError
from local.host.http_proxy import HttpProxy
from local.host.invocation import Invoker
from local.host.protos import RpcHttp, TypedData
from local.host.sign_in import SignIn
from local.host.worker import Function, Outcome

# The platform's maximum size of a request.
_LARGEST_BODY = 100 * 1024 * 1024

_SEGMENT = re.compile(r"(?P<literal>[^{}]+)|\{(?P<catch_all>\*{1,2})?(?P<name>\w+)\}")
# The server sets these itself, from the body.
_FRAMING_HEADERS = ("content-length", "transfer-encoding")

type Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class HttpListener:
    """The HTTP server. It tries the admin routes first, then the functions' routes, most specific first."""

    def __init__(
        self,
        functions: Sequence[Function],
        admin: Sequence[web.RouteDef],
        route_prefix: str,
        invoker: Invoker,
        proxy: HttpProxy | None,
        sign_in: SignIn,
    ) -> None:
        self._invoker = invoker
        self._sign_in = sign_in
        self._proxy = proxy
        application = web.Application(client_max_size=_LARGEST_BODY)
        application.add_routes([*admin, *sign_in.routes()])
        routes = [(_route(function, route_prefix), function) for function in functions]
        for route, function in sorted(routes, key=lambda pair: _specificity(pair[0])):
            for method in function.trigger.get("methods") or ["*"]:
                application.router.add_route(method, _pattern(route, function), self._handler(function))
        self._runner = web.AppRunner(application, access_log=None)

    async def start(self, port: int) -> int:
        """Listen on `port` (0: a free one) and return the port. Raises StartError if it is taken."""
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, "127.0.0.1", port).start()
        except OSError as error:
            raise StartError(
                f"cannot listen on port {port}, give another with --port: {error.strerror}"
            ) from None
        bound: int = self._runner.addresses[0][1]
        return bound

    async def stop(self) -> None:
        """Accept no new request, and return when the running ones are answered."""
        await self._runner.cleanup()
        if self._proxy:
            await self._proxy.close()

    def _handler(self, function: Function) -> Handler:
        return self._proxying(function, self._proxy) if self._proxy else self._by_value(function)

    def _by_value(self, function: Function) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            headers = self._sign_in.headers(request)
            value = TypedData(http=await _rpc_request(request, headers))
            traceparent = request.headers.get("traceparent")
            return _response(await self._invoker.invoke(function, value, traceparent=traceparent))

        return handle

    def _proxying(self, function: Function, proxy: HttpProxy) -> Handler:
        """Forward requests to the worker. The invocation carries only the parameters of the route."""

        async def handle(request: web.Request) -> web.StreamResponse:
            response: web.StreamResponse = web.Response(status=500)

            async def forward(invocation_id: str) -> None:
                nonlocal response
                response = await proxy.forward(request, invocation_id)

            value = TypedData(http=_rpc_parameters(request))
            traceparent = request.headers.get("traceparent")
            await self._invoker.invoke(function, value, traceparent=traceparent, forward=forward)
            return response

        return handle


def _route(function: Function, prefix: str) -> str:
    route = str(function.trigger.get("route") or function.name).strip("/")
    return f"/{prefix}/{route}" if prefix else f"/{route}"


def _pattern(route: str, function: Function) -> str:
    """Translate an ASP.NET route template to aiohttp's syntax: {name} and {*rest}."""
    return "/" + "/".join(_segment(segment, function) for segment in route.strip("/").split("/"))


def _segment(segment: str, function: Function) -> str:
    match = _SEGMENT.fullmatch(segment)
    if match is None:
        raise ConfigurationError(
            f'function {function.name}: route segment "{segment}": only {{name}} and {{*rest}} are known here'
        )
    if match["literal"]:
        return segment
    return f"{{{match['name']}:.*}}" if match["catch_all"] else f"{{{match['name']}}}"


def _specificity(route: str) -> list[int]:
    return [2 if segment.startswith("{*") else 1 if "{" in segment else 0 for segment in route.split("/")]


async def _rpc_request(request: web.Request, headers: CIMultiDictProxy[str]) -> RpcHttp:
    return RpcHttp(
        method=request.method,
        url=str(request.url),
        headers={name.lower(): ", ".join(headers.getall(name)) for name in headers},
        params=dict(request.match_info),
        query=dict(request.query),
        body=TypedData(bytes=await request.read()),
    )


def _rpc_parameters(request: web.Request) -> RpcHttp:
    """Return what the worker gets where it declares RequiresRouteParameters and serves HTTP itself."""
    params = dict(request.match_info)
    return RpcHttp(method="", url="", headers={}, params=params, query={}, body=TypedData(bytes=b""))


def _response(outcome: Outcome) -> web.StreamResponse:
    """Return 500 without a body for a failed function, 204 for one without a result, as on the platform."""
    if not outcome.ok:
        return web.Response(status=500)
    data = outcome.outputs.get("$return")
    if data is None:
        return web.Response(status=204)
    if data.kind != "http":
        return web.Response(body=_bytes(data), content_type="text/plain", charset="utf-8")
    answer: Any = data.value
    headers = {name: value for name, value in answer.headers.items() if name.lower() not in _FRAMING_HEADERS}
    return web.Response(status=int(answer.status_code), headers=headers, body=_bytes(answer.body))


def _bytes(data: TypedData) -> bytes:
    return data.value if isinstance(data.value, bytes) else str(data.value).encode()
