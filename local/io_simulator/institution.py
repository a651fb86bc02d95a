"""The calls of IO's backend to the institution (io-backend, third-party-service-client)."""

import hashlib
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import aiohttp
from yarl import URL

from local.io_simulator.remote_configurations import Environment

TIMEOUT_SECONDS = 10.0
DEFAULT_RETRY_AFTER = 10
NOT_IN_SPECIFICATION = "the institution's answer is not in the specification"
# What the app gets for an error of the institution.
PASSED_ON = {400: "Bad request", 403: "Forbidden", 404: "Not found", 429: "Too many requests"}


@dataclass(frozen=True, slots=True)
class Fetched:
    """What a call brought, as the app gets it. `retry_after` is in seconds, with a 503."""

    status: int
    title: str = ""
    body: bytes = field(default=b"", repr=False)
    retry_after: int | None = None

    def document(self) -> Any:
        """Return the body of a 200 as JSON; None if it is not JSON."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None

    def error(self) -> dict[str, Any]:
        """Return the error as the app shows it."""
        return {"status": self.status, "title": self.title}


class Institution:
    """One environment of a configuration, asked for one citizen."""

    def __init__(
        self, session: aiohttp.ClientSession, environment: Environment, headers: Mapping[str, str]
    ) -> None:
        self._session = session
        self._base_url = environment.base_url
        authentication = environment.details_authentication
        self._headers = {**headers, authentication.header_key_name: authentication.key}

    async def fetch(self, *parts: str, may_wait: bool = False) -> Fetched:
        """Get /messages/... below the base URL. `may_wait`: the specification lists a 503 for this call."""
        path = "/".join(quote(part, safe="") for part in ("messages", *parts))
        url = URL(f"{self._base_url}/{path}", encoded=True)
        try:
            async with self._session.get(url, headers=self._headers, allow_redirects=False) as response:
                return _as_the_app_gets_it(response, await response.read(), may_wait=may_wait)
        except (aiohttp.ClientError, TimeoutError) as error:
            return Fetched(500, f"the institution did not answer: {type(error).__name__}")


@asynccontextmanager
async def institution_for(
    environment: Environment, fiscal_code: str, *, signed: bool
) -> AsyncIterator[Institution]:
    """Return the institution at this environment. `signed`: the calls carry the headers of LolliPoP."""
    headers = {"fiscal_code": fiscal_code} | (_lollipop(fiscal_code) if signed else {})
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)
    async with aiohttp.ClientSession(timeout=timeout, trust_env=False) as session:
        yield Institution(session, environment, headers)


def _as_the_app_gets_it(response: aiohttp.ClientResponse, body: bytes, *, may_wait: bool) -> Fetched:
    status = response.status
    if status == 200:
        return Fetched(200, body=body)
    if status in PASSED_ON:
        return Fetched(status, PASSED_ON[status])
    if status == 503 and may_wait:
        seconds = response.headers.get("Retry-After", "")
        return Fetched(503, "Retry later", retry_after=int(seconds) if seconds.isdecimal() else None)
    return Fetched(500, f"{NOT_IN_SPECIFICATION}: {status}" if status != 500 else "the institution failed")


def _lollipop(fiscal_code: str) -> dict[str, str]:
    """Return headers in the shape of LolliPoP's; the signature is not a real one."""
    digest = hashlib.sha256(fiscal_code.encode()).hexdigest()[:43]
    return {
        "x-pagopa-lollipop-original-method": "GET",
        "x-pagopa-lollipop-original-url": "https://api-app.io.pagopa.it/api/v1/third-party-messages",
        "signature-input": 'sig1=("x-pagopa-lollipop-original-method");created=1690000000;keyid="k"',
        "signature": "sig1=:c2lnbmF0dXJl:",
        "x-pagopa-lollipop-assertion-ref": f"sha256-{digest}",
        "x-pagopa-lollipop-assertion-type": "SAML",
        "x-pagopa-lollipop-auth-jwt": "a.jwt.here",
        "x-pagopa-lollipop-public-key": "eyJrdHkiOiJFQyJ9",
        "x-pagopa-lollipop-user-id": fiscal_code,
    }
