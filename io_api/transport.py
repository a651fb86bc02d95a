"""The HTTP client beneath IoClient: httpx over aiohttp, exact about whether a request can have left.

httpx-aiohttp raises the same exception for a connection that breaks after the request was sent and for one
that was never made. Here every failure up to the answer's headers passes one aiohttp middleware, which turns
the failure into httpx.ConnectError (certainly never sent) or httpx.ReadError (all others). Their text is the
name of the aiohttp class, because the text of aiohttp can hold the address.

No layer repeats a request. aiohttp retries a GET on a stale connection only for its own exceptions, which do
not pass the middleware, and never retries a POST. Redirects are not followed. Proxies named by the
environment are not used: IO checks the caller's address against the service's `authorized_cidrs`, so the
app's network determines the way out. SSL_CERT_FILE is honoured.
"""

import logging
import ssl
from http.cookiejar import CookieJar, DefaultCookiePolicy

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport

# Well under the idle timeout of IO's gateway, so that a message seldom leaves on a connection that the
# gateway is closing. Such a message is in doubt.
_KEEPALIVE_SECONDS = 5.0


class NoCertificates(Exception):
    """Certificates of authorities cannot be read: SSL_CERT_FILE or SSL_CERT_DIR names none."""


def tls_context() -> ssl.SSLContext:
    """Return the TLS context with the trusted certificates. Raises NoCertificates."""
    try:
        return httpx.create_ssl_context()
    except (OSError, ssl.SSLError):
        raise NoCertificates(NoCertificates.__doc__) from None


def new_http_client(
    base_url: str, *, tls: ssl.SSLContext, connect_timeout_seconds: float, max_connections: int
) -> httpx.AsyncClient:
    """Return a client without key or cookies. Its only time limit is on connecting (pool, DNS, TCP, TLS)."""
    logging.getLogger("httpx").addFilter(_hides_addresses)

    def new_session() -> aiohttp.ClientSession:
        try:
            connector = aiohttp.TCPConnector(
                limit=max_connections, keepalive_timeout=_KEEPALIVE_SECONDS, ssl=tls
            )
            return aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                middlewares=[_classify_failure],
            )
        except Exception as error:  # noqa: BLE001 - after any failure here, nothing has left
            raise httpx.ConnectError(type(error).__name__) from None

    return httpx.AsyncClient(
        base_url=base_url,
        transport=AiohttpTransport(verify=tls, client=new_session),
        timeout=httpx.Timeout(None, connect=connect_timeout_seconds, pool=connect_timeout_seconds),
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        trust_env=False,
    )


def _hides_addresses(record: logging.LogRecord) -> bool:
    """Drop httpx's log of each address at INFO: the address of a poll holds a fiscal code.

    This is a filter, because code that configures logging later can set a level again.
    """
    return record.levelno >= logging.WARNING


async def _classify_failure(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    try:
        return await handler(request)
    except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
        raise httpx.ConnectError(type(error).__name__) from None
    except (aiohttp.ClientError, OSError) as error:
        raise httpx.ReadError(type(error).__name__) from None
