"""Forwards requests to the HTTP server of the worker, for an app with the streaming extension.

The worker names the address in its capability HttpUri. The answer passes through in pieces. Source:
Azure/azure-functions-host, DefaultHttpProxyService.cs and RetryProxyHandler.cs.
"""

import asyncio

from aiohttp import (
    ClientConnectorError,
    ClientError,
    ClientResponse,
    ClientSession,
    ClientTimeout,
    DummyCookieJar,
    web,
)

from local.host.sign_in import SignIn

_INVOCATION = "x-ms-invocation-id"
_ACTIVITY_SECONDS = 240
_DELAYS = (0.05, 0.1, 0.2, *[0.25] * 6)
_PIECE = 64 * 1024
# RFC 9110, 7.6.1; the host of the address replaces that of the request.
_NOT_FORWARDED = {
    "connection", "host", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "te",
    "trailer", "transfer-encoding", "upgrade",
}  # fmt: skip


class ForwardingFailed(Exception):
    """The worker's HTTP server gave no answer, or the caller did not take it to the end."""


class HttpProxy:
    """The worker's HTTP server at `address`, such as http://127.0.0.1:40123."""

    def __init__(self, address: str, sign_in: SignIn) -> None:
        self._address = address
        self._sign_in = sign_in
        self._client: ClientSession | None = None

    async def forward(self, request: web.Request, invocation_id: str) -> web.StreamResponse:
        """Forward a request under its invocation's id, and pass the answer on. Raises ForwardingFailed."""
        delays = iter(_DELAYS)
        while True:
            try:
                return await self._forwarded(request, invocation_id)
            except (ClientError, OSError, TimeoutError) as error:
                # The worker's server may not listen yet. Anything else may have reached it.
                delay = next(delays, None) if isinstance(error, ClientConnectorError) else None
                if delay is None:
                    raise ForwardingFailed(f"{type(error).__name__}: {error}") from error
                await asyncio.sleep(delay)

    async def close(self) -> None:
        """Close the connections to the worker."""
        if self._client:
            await self._client.close()

    async def _forwarded(self, request: web.Request, invocation_id: str) -> web.StreamResponse:
        headers = [(name, value) for name, value in self._sign_in.headers(request).items() if _passes(name)]
        async with self._session().request(
            request.method,
            self._address + request.raw_path,
            headers=[*headers, (_INVOCATION, invocation_id)],
            data=request.content if request.can_read_body else None,
            allow_redirects=False,
        ) as answer:
            response = web.StreamResponse(status=answer.status, reason=answer.reason)
            for name, value in answer.headers.items():
                if _passes(name):
                    response.headers.add(name, value)
            await _pass_on(answer, response, request)
            return response

    def _session(self) -> ClientSession:
        if self._client is None:
            self._client = ClientSession(
                cookie_jar=DummyCookieJar(),
                auto_decompress=False,
                timeout=ClientTimeout(total=None, sock_read=_ACTIVITY_SECONDS),
                skip_auto_headers=("accept", "accept-encoding", "user-agent", "content-type"),
                requote_redirect_url=False,
            )
        return self._client


def _passes(header: str) -> bool:
    return header.lower() not in _NOT_FORWARDED


async def _pass_on(answer: ClientResponse, response: web.StreamResponse, request: web.Request) -> None:
    """Pass the body on. If it ends too early, break the connection, so that it does not look complete."""
    complete = False
    try:
        await response.prepare(request)
        async for piece in answer.content.iter_chunked(_PIECE):
            await response.write(piece)
        await response.write_eof()
        complete = True
    finally:
        if not complete and request.transport:
            request.transport.abort()
