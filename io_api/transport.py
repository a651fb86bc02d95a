"""The HTTP client beneath IoClient: httpx over aiohttp, exact about whether a request can have left.

httpx-aiohttp reports a connection that breaks after the request was sent with the same exception as one
that was never made. Here every failure up to the answer's headers passes one aiohttp middleware, which
turns it into httpx.ConnectError (surely never sent) or httpx.ReadError (all the rest). Their text is the
name of the aiohttp class: its own text can hold the address.

Nothing repeats a request: aiohttp retries a GET on a stale connection only for its own exceptions, which
do not get past the middleware (and never a POST), and redirects are not followed. Proxies named by the
environment are not used: IO checks the caller's address against the service's `authorized_cidrs`, so the
way out is a matter of the app's network. SSL_CERT_FILE is honoured.
"""

import logging
import ssl
from http.cookiejar import CookieJar, DefaultCookiePolicy

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport

# Well under the idle timeout of IO's gateway, so that a message seldom goes out on a connection that the
# gateway is closing: such a message is in doubt.
_KEEPALIVE_SECONDS = 5.0


class NoCertificates(Exception):
    """Certificates of authorities cannot be read: SSL_CERT_FILE or SSL_CERT_DIR names none."""


def tls_context() -> ssl.SSLContext:
    """What is trusted; raises NoCertificates."""
    try:
        return httpx.create_ssl_context()
    except (OSError, ssl.SSLError):
        raise NoCertificates(NoCertificates.__doc__) from None


def new_http_client(
    base_url: str, *, tls: ssl.SSLContext, connect_timeout_seconds: float, max_connections: int
) -> httpx.AsyncClient:
    """A client with no key and no cookies; its only time limit is for a connection (pool, DNS, TCP, TLS)."""
    logging.getLogger("httpx").addFilter(_hides_addresses)

    def new_session() -> aiohttp.ClientSession:
        try:
            connector = aiohttp.TCPConnector(
                limit=max_connections, keepalive_timeout=_KEEPALIVE_SECONDS, ssl=tls
            )
            return aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                middlewares=[_tell_if_it_can_have_left],
            )
        except Exception as error:  # noqa: BLE001 - whatever it is, nothing has left
            raise httpx.ConnectError(type(error).__name__) from None

    return httpx.AsyncClient(
        base_url=base_url,
        transport=AiohttpTransport(verify=tls, client=new_session),
        timeout=httpx.Timeout(None, connect=connect_timeout_seconds, pool=connect_timeout_seconds),
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        trust_env=False,
    )


def _hides_addresses(record: logging.LogRecord) -> bool:
    """httpx logs each address at INFO, and that of a status check holds a fiscal code.

    A filter, because a level can be set again by whoever configures logging later.
    """
    return record.levelno >= logging.WARNING


async def _tell_if_it_can_have_left(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    try:
        return await handler(request)
    except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
        raise httpx.ConnectError(type(error).__name__) from None
    except (aiohttp.ClientError, OSError) as error:
        raise httpx.ReadError(type(error).__name__) from None
