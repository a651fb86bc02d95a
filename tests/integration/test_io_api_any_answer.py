"""For any answer of a server, the client returns or raises what the answer proves."""

import asyncio
import json
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass, field

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from io_api.answers import EVERY_CALL, GET_MESSAGE, SUBMIT_MESSAGE
from io_api.client import IoClient
from io_api.errors import InDoubt, IoError, NotSent, Refused, Unavailable
from io_api.models import MessageContent, MessageStatus, NewMessage, Profile
from tests.pagopa.codecs import check_sent

FISCAL_CODE = "RSSMRA80A01H501U"
KEY = SecretStr("made-up-key")
MESSAGE = NewMessage(
    fiscal_code=FISCAL_CODE,
    content=MessageContent(subject="Oggetto di prova", markdown="Testo di prova. " * 6),
)

statuses = st.integers(200, 599)
words = st.sampled_from([row.words for row in (*SUBMIT_MESSAGE, *EVERY_CALL, *GET_MESSAGE)])
texts = st.one_of(words, st.text(), st.just(f"value [{FISCAL_CODE}]"))
scalars = st.one_of(texts, st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False))
objects = st.dictionaries(
    st.sampled_from(["title", "message", "detail", "id", "status", "read_status", "sender_allowed"]), scalars
)
bodies = st.one_of(st.binary(), objects.map(lambda value: json.dumps(value).encode()))
headers = st.dictionaries(
    st.sampled_from(
        ["x-rate-limit-retry-after", "Location", "Content-Encoding", "Set-Cookie", "Retry-After"]
    ),
    st.from_regex(r"[!-~]{1,20}", fullmatch=True),
)


@dataclass
class Server:
    """A server that gives the answer that a test sets, on a loop of its own."""

    runner: asyncio.Runner
    client: IoClient
    answer: web.Response = field(default_factory=web.Response)

    def tell(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.answer = web.Response(status=status, body=body, headers=headers)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    async def answer(request: web.Request) -> web.Response:
        body = await request.read()
        if request.path.endswith("/messages"):
            check_sent(body)
        return running.answer

    async def start() -> IoClient:
        await listening.start_server()
        return IoClient(str(listening.make_url("/api/v1")))

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    with asyncio.Runner() as runner:
        listening = TestServer(app, host="127.0.0.1")
        running = Server(runner, runner.run(start()))
        yield running
        runner.run(running.client.aclose())
        runner.run(listening.close())


def outcome(server: Server, call: Coroutine[object, object, object]) -> object:
    """The call's result or its IoError; any other exception fails the test."""
    try:
        return server.runner.run(call)
    except IoError as error:
        return error


@settings(max_examples=250, deadline=None)
@given(statuses, bodies, headers)
def test_a_send_ends_in_what_its_status_proves(
    server: Server, status: int, body: bytes, headers: dict[str, str]
) -> None:
    """A 201 is accepted, a 4xx may prove a refusal if it has IO's words, and any other status is InDoubt."""
    server.tell(status, body, headers)
    result = outcome(server, server.client.submit_message(MESSAGE, key=KEY))

    if status == 201:
        assert result is None or isinstance(result, str)
    elif 400 <= status < 500 and status not in {408, 499}:
        in_ios_words = b'"title"' in body
        assert isinstance(result, NotSent | Refused | InDoubt if in_ios_words else NotSent)
    else:
        assert type(result) is InDoubt
    assert FISCAL_CODE not in str(result)


@settings(max_examples=250, deadline=None)
@given(statuses, bodies, headers)
def test_a_read_ends_in_a_model_or_a_typed_error(
    server: Server, status: int, body: bytes, headers: dict[str, str]
) -> None:
    """A model comes only from a 200, no profile only from a 404, and only IoError is raised."""
    server.tell(status, body, headers)
    profile = outcome(server, server.client.get_profile(FISCAL_CODE, key=KEY))
    server.tell(status, body, headers)
    message = outcome(server, server.client.get_message(FISCAL_CODE, "01HMRBX079WA5SGYBQP1A7FSKH", key=KEY))

    assert isinstance(profile, Profile | NotSent | Refused | Unavailable | None)
    assert isinstance(message, MessageStatus | NotSent | Unavailable)
    assert profile is not None or status == 404
    assert status == 200 or (not isinstance(profile, Profile) and not isinstance(message, MessageStatus))
    assert FISCAL_CODE not in f"{profile} {message}"
