"""The calls of the IO client against a well-behaved HTTP server."""

import asyncio
import contextlib
import hashlib
import logging
from collections.abc import AsyncIterator, Callable
from datetime import date

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from pydantic import SecretStr

from contract.fiscal_code import hash_at_io
from io_api.client import IoClient
from io_api.errors import InDoubt, IoError, Misconfigured, PaymentLookupFailed, RateLimited, Unavailable
from io_api.models import (
    DeliveryStatus,
    MessageContent,
    NewMessage,
    PaymentStatus,
    Profile,
    ReadStatus,
)
from tests.pagopa.codecs import check_sent

FISCAL_CODE = "RSSMRA80A01H501U"
MESSAGE_ID = "01HMRBX079WA5SGYBQP1A7FSKH"
KEY = SecretStr("made-up-key")
MESSAGE = NewMessage(
    fiscal_code=FISCAL_CODE,
    content=MessageContent(subject="Oggetto di prova", markdown="Testo di prova. " * 6),
)
Answering = Callable[[web.Request], web.Response]


class Io:
    """A client and its server, which records every request."""

    def __init__(self, answering: Answering) -> None:
        self._answering = answering
        self.requests: list[web.Request] = []
        self.bodies: list[bytes] = []

    async def answer(self, request: web.Request) -> web.Response:
        self.requests.append(request)
        self.bodies.append(await request.read())
        if request.path.endswith("/messages"):
            check_sent(self.bodies[-1])
        return self._answering(request)


@contextlib.asynccontextmanager
async def serving(io: Io) -> AsyncIterator[IoClient]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", io.answer)
    async with TestServer(app, host="127.0.0.1") as server:
        client = IoClient(str(server.make_url("/api/v1")))
        try:
            yield client
        finally:
            await client.aclose()


def always(status: int, body: object = None, headers: dict[str, str] | None = None) -> Answering:
    return lambda request: web.json_response(body, status=status, headers=headers)


async def test_a_profile_is_asked_for_in_the_body() -> None:
    """get_profile posts the fiscal code with the call's key, and reads the profile."""
    io = Io(always(200, {"sender_allowed": True, "preferred_languages": ["de_DE"]}))
    async with serving(io) as client:
        profile = await client.get_profile(FISCAL_CODE, key=KEY)

    assert profile == Profile(sender_allowed=True, preferred_languages=("de_DE",))
    assert [(request.method, request.raw_path) for request in io.requests] == [("POST", "/api/v1/profiles")]
    assert io.bodies == [b'{"fiscal_code": "RSSMRA80A01H501U"}']
    assert io.requests[0].headers["Ocp-Apim-Subscription-Key"] == "made-up-key"


async def test_who_is_not_on_io_has_no_profile() -> None:
    """IO's own 404 means that there is no profile, and is not an error."""
    async with serving(Io(always(404, {"title": "Profile not found", "status": 404}))) as client:
        assert await client.get_profile(FISCAL_CODE, key=KEY) is None


async def test_a_wrong_address_is_not_a_missing_profile() -> None:
    """The gateway's 404 raises Misconfigured, so no citizen is skipped for it."""
    async with serving(Io(always(404, {"statusCode": 404, "message": "Resource not found"}))) as client:
        with pytest.raises(Misconfigured) as caught:
            await client.get_profile(FISCAL_CODE, key=KEY)

    assert caught.value.reason == "wrong_base_url"


async def test_a_message_is_sent_with_the_fiscal_code_in_the_body() -> None:
    """submit_message posts the message unchanged and returns IO's id."""
    io = Io(always(201, {"id": MESSAGE_ID}))
    async with serving(io) as client:
        assert await client.submit_message(MESSAGE, key=KEY) == MESSAGE_ID

    assert [(request.method, request.raw_path) for request in io.requests] == [("POST", "/api/v1/messages")]
    assert io.requests[0].headers["Content-Type"] == "application/json"
    assert io.bodies == [MESSAGE.body()]


async def test_a_status_is_read() -> None:
    """get_message asks for one message and reads the three statuses."""
    answer = {"status": "PROCESSED", "read_status": "READ", "payment_status": "PAID", "message": {}}
    io = Io(always(200, answer))
    async with serving(io) as client:
        seen = await client.get_message(FISCAL_CODE, MESSAGE_ID, key=KEY)

    assert seen.status is DeliveryStatus.PROCESSED
    assert seen.read_status is ReadStatus.READ
    assert seen.payment_status is PaymentStatus.PAID
    assert io.requests[0].raw_path == f"/api/v1/messages/{FISCAL_CODE}/{MESSAGE_ID}"


async def test_a_failed_payment_lookup_has_its_own_error() -> None:
    """IO's 500 for a failure of pagoPA raises PaymentLookupFailed, without the detail."""
    detail = f"Error retrieving Payment Status: {FISCAL_CODE}"
    io = Io(always(500, {"title": "Internal server error", "status": 500, "detail": detail}))
    async with serving(io) as client:
        with pytest.raises(PaymentLookupFailed) as caught:
            await client.get_message(FISCAL_CODE, MESSAGE_ID, key=KEY)

    assert FISCAL_CODE not in str(caught.value)


async def test_a_day_of_the_feed_is_read() -> None:
    """get_subscriptions asks for a day, and reads IO's hashes of those who began and ceased."""
    one, other = hash_at_io(FISCAL_CODE.lower()), "0" * 64
    io = Io(always(200, {"dateUTC": "2026-11-24", "subscriptions": [one], "unsubscriptions": [other]}))
    async with serving(io) as client:
        feed = await client.get_subscriptions(date(2026, 11, 24), key=KEY)

    assert feed.subscriptions == frozenset({one})
    assert feed.unsubscriptions == frozenset({other})
    assert one == hashlib.sha256(FISCAL_CODE.encode()).hexdigest()
    assert one not in repr(feed)
    assert io.requests[0].raw_path == "/api/v1/subscriptions-feed/2026-11-24"


@pytest.mark.parametrize(
    "body",
    [
        {"dateUTC": "2026-11-23", "subscriptions": [], "unsubscriptions": []},
        {"dateUTC": "2026-11-24", "subscriptions": ["RSSMRA80A01H501U"], "unsubscriptions": []},
        {"dateUTC": "2026-11-24", "subscriptions": []},
    ],
    ids=["another day", "no hash", "no list"],
)
async def test_a_day_that_makes_no_sense_is_not_read(body: object) -> None:
    """Another day than the one asked for, or anything but hashes, is no answer."""
    async with serving(Io(always(200, body))) as client:
        with pytest.raises(Unavailable, match="unreadable_answer") as caught:
            await client.get_subscriptions(date(2026, 11, 24), key=KEY)
    assert FISCAL_CODE not in str(caught.value)


async def test_each_call_leaves_with_its_own_key() -> None:
    """Concurrent calls of two services on one client never mix their keys."""
    io = Io(
        lambda request: web.json_response({"id": request.headers["Ocp-Apim-Subscription-Key"]}, status=201)
    )
    async with serving(io) as client:
        keys = [f"key-{number % 2}" for number in range(40)]
        ids = await asyncio.gather(*(client.submit_message(MESSAGE, key=SecretStr(key)) for key in keys))

    assert ids == keys


@pytest.mark.parametrize("key", ["", " ", "key\r\nX: y", "chiavè"])
async def test_a_key_that_cannot_be_sent_is_a_wrong_key(key: str) -> None:
    """A key that does not fit in a header raises Misconfigured before anything is sent."""
    io = Io(always(201, {"id": "m"}))
    async with serving(io) as client:
        with pytest.raises(Misconfigured) as caught:
            await client.submit_message(MESSAGE, key=SecretStr(key))

    assert caught.value.reason == "invalid_key"
    assert io.requests == []


async def test_parts_of_a_path_stay_parts() -> None:
    """Characters of a fiscal code or an id cannot change the path."""
    io = Io(always(200, {"status": "ACCEPTED"}))
    async with serving(io) as client:
        await client.get_message("A/B?c", "é #%2F", key=KEY)

    assert io.requests[0].raw_path == "/api/v1/messages/A%2FB%3Fc/%C3%A9%20%23%252F"


async def test_redirects_are_not_followed() -> None:
    """A redirect is not followed, so a redirected message is in doubt."""
    io = Io(always(307, headers={"Location": "/elsewhere"}))
    async with serving(io) as client:
        with pytest.raises(InDoubt):
            await client.submit_message(MESSAGE, key=KEY)
        with pytest.raises(Unavailable):
            await client.get_profile(FISCAL_CODE, key=KEY)

    assert [request.path for request in io.requests] == ["/api/v1/messages", "/api/v1/profiles"]


async def test_cookies_do_not_travel() -> None:
    """A cookie that IO's gateway sets for one service is not sent with another's call."""
    io = Io(always(201, {"id": "m"}, headers={"Set-Cookie": "affinity=1; Path=/"}))
    async with serving(io) as client:
        await client.submit_message(MESSAGE, key=KEY)
        await client.submit_message(MESSAGE, key=KEY)

    assert ["Cookie" in request.headers for request in io.requests] == [False, False]


async def test_a_proxy_of_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy in the environment is not used, so IO sees the same address."""
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    async with serving(Io(always(201, {"id": "m"}))) as client:
        assert await client.submit_message(MESSAGE, key=KEY) == "m"


async def test_a_rate_limit_says_how_long() -> None:
    """IO's retry-after is in the error."""
    io = Io(always(429, {"statusCode": 429}, headers={"x-rate-limit-retry-after": "3"}))
    async with serving(io) as client:
        with pytest.raises(RateLimited) as caught:
            await client.get_message(FISCAL_CODE, MESSAGE_ID, key=KEY)

    assert caught.value.retry_after == 3.0


async def test_connections_are_used_again() -> None:
    """Consecutive calls use one connection."""
    io = Io(always(201, {"id": "m"}))
    async with serving(io) as client:
        for _ in range(3):
            await client.submit_message(MESSAGE, key=KEY)

    assert len({request.transport for request in io.requests}) == 1


def test_a_client_needs_no_loop() -> None:
    """A client can be built, and closed without having been used, outside a loop."""
    asyncio.run(IoClient("https://api.example.invalid/api/v1").aclose())


@pytest.mark.parametrize("base_url", ["", "api.example.it/api/v1", "ftp://api.example.it", "https://"])
def test_an_address_must_be_one(base_url: str) -> None:
    """An invalid base URL is refused when the client is built."""
    with pytest.raises(ValueError, match="base_url"):
        IoClient(base_url)


async def test_a_closed_client_opens_again() -> None:
    """A second close is harmless, and a call after the close still works."""
    async with serving(Io(always(201, {"id": "m"}))) as client:
        await client.submit_message(MESSAGE, key=KEY)
        await client.aclose()
        await client.aclose()
        assert await client.submit_message(MESSAGE, key=KEY) == "m"


@pytest.mark.parametrize("status", [200, 201, 404, 500])
async def test_no_log_line_shows_a_person(status: int, caplog: pytest.LogCaptureFixture) -> None:
    """At DEBUG on every logger, no line contains the fiscal code, the key or the text."""
    body = {"title": f"x {FISCAL_CODE}", "detail": FISCAL_CODE, "status": "PROCESSED", "id": "m"}
    async with serving(Io(always(status, body))) as client:
        for name in ["httpx", *logging.root.manager.loggerDict]:
            caplog.set_level(logging.DEBUG, logger=name)
        caplog.set_level(logging.DEBUG)
        for call in (
            client.get_message(FISCAL_CODE, MESSAGE_ID, key=KEY),
            client.submit_message(MESSAGE, key=KEY),
            client.get_profile(FISCAL_CODE, key=KEY),
        ):
            with contextlib.suppress(IoError):
                await call

    lines = [f"{record.getMessage()} {record.__dict__}" for record in caplog.records if not is_server(record)]
    for secret in (FISCAL_CODE, "made-up-key", "Oggetto"):
        assert not [line for line in lines if secret in line]


def is_server(record: logging.LogRecord) -> bool:
    """Whether the record is from the test server, which runs in this process too."""
    return record.name in ("aiohttp.access", "aiohttp.server", "aiohttp.web")
