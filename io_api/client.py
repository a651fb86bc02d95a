"""Every call to the IO API. No other module speaks HTTP to IO."""

import asyncio
import contextlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from urllib.parse import quote

import httpx
from pydantic import BaseModel, SecretStr, ValidationError

import telemetry
from io_api.answers import GET_MESSAGE, GET_PROFILE, GET_SUBSCRIPTIONS, SUBMIT_MESSAGE, Answer, error_in
from io_api.errors import InDoubt, IoError, Misconfigured, Unavailable, Unreachable
from io_api.models import CreatedMessage, MessageStatus, NewMessage, Profile, SubscriptionsFeed
from io_api.transport import NoCertificates, new_http_client, tls_context
from settings import names_certificates

TIMEOUT_SECONDS = 15.0
"""The time limit of a read, unless the client is built with another timeout."""
SUBMIT_TIMEOUT_SECONDS = 60.0
"""The time limit of a POST of a message. IO's gateway waits 180 s for its backend. A slow answer still
decides, and giving up early would leave the message in doubt."""
FEED_TIMEOUT_SECONDS = 60.0
"""The time limit of a day of the subscriptions feed. In IO's first years a day may name a million people."""
# For safe probes: the citizen of IO's documentation, and a message that was never sent.
_NO_CITIZEN, _NO_MESSAGE = "AAAAAA00A00A000A", "00000000000000000000000000"
PROFILES, MESSAGES, MESSAGE = "profiles", "messages", "messages/{fiscal_code}/{id}"
FEED = "subscriptions-feed/{date}"
_OF_THE_GATEWAY = frozenset({401, 403, 408, 429})
_HEADER_VALUE = re.compile(r"[!-~]+")


@dataclass(frozen=True)
class Call:
    """One call: `ids` fill the route's braces; `unproven` is the error if the request may have left.

    Telemetry gets only the route.
    """

    method: str
    route: str
    body: bytes | None = field(default=None, repr=False)
    ids: Mapping[str, str] = field(default_factory=dict, repr=False)
    unproven: type[IoError] = Unavailable

    @property
    def path(self) -> str:
        return self.route.format_map({name: quote(one, safe="") for name, one in self.ids.items()})


class IoClient:
    """The IO API at one address, for any number of services: each call takes the key to use.

    base_url: like https://api.io.pagopa.it/api/v1.
    timeout_seconds: the time limit of a read. Getting a connection takes at most a third of it.
    submit_timeout_seconds: the time limit of a POST of a message.
    max_connections: further calls wait for a free connection, within that third.
    observe: receives every answer of IO.

    The client may be built without a running loop. It connects at the first call; `aclose` closes the
    connections. Certificates that the environment names are read at once (raises NoCertificates), those of
    certifi by `prepare` or at the first call.
    """

    def __init__(
        self,
        base_url: str,
        *,
        observe: Callable[[Answer], None] = lambda answer: None,
        timeout_seconds: float = TIMEOUT_SECONDS,
        submit_timeout_seconds: float = SUBMIT_TIMEOUT_SECONDS,
        max_connections: int = 100,
    ) -> None:
        url = httpx.URL(base_url)
        if url.scheme not in ("http", "https") or not url.host:
            raise ValueError("base_url must be an absolute http or https address")
        self._base_url = base_url
        self._host = url.host
        self._observe = observe
        self._timeout_seconds = timeout_seconds
        self._submit_timeout_seconds = submit_timeout_seconds
        self._max_connections = max_connections
        self._tls = tls_context() if names_certificates() else None
        self._opened: httpx.AsyncClient | None = None

    async def prepare(self) -> None:
        """Read the certificates in a thread, so that no call waits for them: 25 ms of CPU."""
        with contextlib.suppress(NoCertificates):  # the first call tries again, and is then not prepared
            self._tls = self._tls or await asyncio.to_thread(tls_context)

    async def aclose(self) -> None:
        """Close the connections. A later call opens new ones."""
        opened, self._opened = self._opened, None
        if opened:
            await opened.aclose()

    async def get_profile(self, fiscal_code: str, *, key: SecretStr) -> Profile | None:
        """POST /profiles. None: the citizen is not a user of IO, or the inbox is off (IO does not say which).

        Raises NotSent, Refused (IO does not accept the fiscal code) or Unavailable.
        """
        body = json.dumps({"fiscal_code": fiscal_code}).encode()
        answer = await self.make(Call("POST", PROFILES, body), key)
        if answer.says(404, "Profile not found"):
            return None
        if answer.status != 200:
            raise error_in(answer, GET_PROFILE, Unavailable)
        return read(answer, Profile)

    async def submit_message(self, message: NewMessage, *, key: SecretStr) -> str | None:
        """POST /messages. Return IO's message id, or None if the 201 carries no readable id.

        Any 201 means that IO created the message: do not send it again, even without an id.
        Raises NotSent, Refused or InDoubt. IO has no idempotency key: repeat only after NotSent.
        """
        call = Call("POST", MESSAGES, message.body(), unproven=InDoubt)
        answer = await self.make(call, key, timeout_seconds=self._submit_timeout_seconds)
        if answer.status != 201:
            raise error_in(answer, SUBMIT_MESSAGE, InDoubt)
        return CreatedMessage.in_body(answer.body).id

    async def get_message(self, fiscal_code: str, message_id: str, *, key: SecretStr) -> MessageStatus:
        """GET /messages/{fiscal_code}/{message_id}. Only the service that sent the message may ask.

        Raises NotSent or Unavailable (PaymentLookupFailed, MessageNotFound, MessageForbidden).
        """
        call = Call("GET", MESSAGE, ids={"fiscal_code": fiscal_code, "id": message_id})
        answer = await self.make(call, key)
        if answer.status != 200:
            raise error_in(answer, GET_MESSAGE, Unavailable)
        return read(answer, MessageStatus)

    async def get_subscriptions(self, day: date, *, key: SecretStr) -> SubscriptionsFeed:
        """GET /subscriptions-feed/{date}: what changed for the key's service on a UTC day.

        Raises NotSent, Refused (IO does not give the feed to this service) or Unavailable (DayNotReady).
        """
        call = Call("GET", FEED, ids={"date": day.isoformat()})
        answer = await self.make(call, key, timeout_seconds=FEED_TIMEOUT_SECONDS)
        if answer.status != 200:
            raise error_in(answer, GET_SUBSCRIPTIONS, Unavailable)
        feed = read(answer, SubscriptionsFeed)
        if feed.day != day:
            raise Unavailable(reason="unreadable_answer", status=answer.status)
        return feed

    async def answers_reads(self, *, key: SecretStr) -> bool:
        """Return whether the program that takes messages answers a GET of a message that does not exist."""
        ids = {"fiscal_code": _NO_CITIZEN, "id": _NO_MESSAGE}
        return await self._is_answered(Call("GET", MESSAGE, ids=ids), key)

    async def answers_sends(self, *, key: SecretStr) -> bool:
        """Return whether the program that takes messages answers a POST /messages that it must refuse.

        IO decodes the body before it creates anything (pagopa/io-messages, CreateMessage: 400).
        """
        return await self._is_answered(Call("POST", MESSAGES, b"{}"), key)

    async def _is_answered(self, call: Call, key: SecretStr) -> bool:
        try:
            return _is_of_the_backend(await self.make(call, key))
        except IoError:
            return False

    async def make(self, call: Call, key: SecretStr, *, timeout_seconds: float | None = None) -> Answer:
        """Return IO's answer. Raises Unreachable, or the call's `unproven` if the request may have left."""
        if not _HEADER_VALUE.fullmatch(key.get_secret_value()):
            raise Misconfigured(reason="invalid_key")
        with telemetry.io_call(call.method, f"/{call.route}", self._host) as span:
            answer = await self._answer(call, key, timeout_seconds or self._timeout_seconds)
            if isinstance(answer, Answer):
                span.answered(answer.status, well=_is_of_the_backend(answer))
                return answer
            span.failed(answer.reason)
        raise answer  # outside every handler: a chained exception could hold the address

    async def _answer(self, call: Call, key: SecretStr, timeout_seconds: float) -> Answer | IoError:
        """Return IO's answer, or the error that a missing answer means."""
        headers = {"Ocp-Apim-Subscription-Key": key.get_secret_value()}
        if call.body:
            headers["Content-Type"] = "application/json"
        try:
            request = self._http().build_request(call.method, call.path, headers=headers, content=call.body)
        except Exception as error:  # noqa: BLE001 - after any failure here, nothing has left
            return Unreachable(reason="not_prepared", cause=type(error).__name__)
        try:
            return await self._exchange(request, timeout_seconds)
        except Exception as error:  # noqa: BLE001 - returned as what it means for the call
            return _failure(error, call.unproven)

    async def _exchange(self, request: httpx.Request, timeout_seconds: float) -> Answer:
        deadline = asyncio.get_running_loop().time() + timeout_seconds
        async with asyncio.timeout_at(deadline):
            response = await self._http().send(request, stream=True)
        answer = Answer(response.status_code, response.headers, await _whole_body(response, deadline))
        self._observe(answer)
        return answer

    def _http(self) -> httpx.AsyncClient:
        if self._opened is None:
            self._opened = new_http_client(
                self._base_url,
                tls=self._tls or tls_context(),
                connect_timeout_seconds=self._timeout_seconds / 3,
                max_connections=self._max_connections,
            )
        return self._opened


def _failure(error: Exception, unproven: type[IoError]) -> IoError:
    """Return the error of a call without an answer. After an unknown failure the request may have left."""
    match error:
        case httpx.ConnectError():
            return Unreachable(reason="unreachable", cause=str(error))
        case TimeoutError():
            return unproven(reason="timeout")
        case httpx.ReadError():
            return unproven(reason="connection_lost", cause=str(error))
    failure = unproven(reason="unexpected_failure", cause=type(error).__name__)
    return failure.with_traceback(error.__traceback__)


def _is_of_the_backend(answer: Answer) -> bool:
    """Return whether IO's backend answered, and not a gateway in front of it."""
    refused = answer.status < 500 and answer.status not in _OF_THE_GATEWAY and answer.is_of_io
    return answer.status < 300 or refused


async def _whole_body(response: httpx.Response, deadline: float) -> bytes:
    """Return the whole body or none of it: the status already decides, and a partial body adds nothing."""
    try:
        async with asyncio.timeout_at(deadline), contextlib.aclosing(response):
            return await response.aread()
    except Exception:  # noqa: BLE001 - see above
        return b""


def read[Model: BaseModel](
    answer: Answer, model: type[Model], otherwise: type[IoError] = Unavailable
) -> Model:
    """Return the body of an answer as a model. Raises `otherwise` (unreadable_answer)."""
    try:
        return model.model_validate_json(answer.body)
    except ValidationError:
        pass
    raise otherwise(reason="unreadable_answer", status=answer.status)
