"""What each kind of failure proves about a request, on real sockets.

A message that may have reached IO must never be reported as not sent, and no layer below the client may send
a request twice. Both depend on the exact versions of httpx, httpx-aiohttp and aiohttp: these tests are the
contract that pins them.
"""

import asyncio
import contextlib
import socket
import ssl
import struct
import threading
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import certifi
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pydantic import SecretStr

from io_api.client import IoClient
from io_api.errors import InDoubt, IoError, RateLimited, Unavailable, Unreachable
from io_api.models import MessageContent, NewMessage
from io_api.transport import NoCertificates
from tests.pagopa.codecs import check_sent

FISCAL_CODE = "RSSMRA80A01H501U"
KEY = SecretStr("made-up-key")
MESSAGE = NewMessage(
    fiscal_code=FISCAL_CODE,
    content=MessageContent(subject="Oggetto di prova", markdown="😀" * 5000),
)
TIMEOUT = 1.2

CALLS: dict[str, Callable[[IoClient], Awaitable[object]]] = {
    "submit_message": lambda io: io.submit_message(MESSAGE, key=KEY),
    "get_profile": lambda io: io.get_profile(FISCAL_CODE, key=KEY),
    "get_message": lambda io: io.get_message(FISCAL_CODE, "01HMRBX079WA5SGYBQP1A7FSKH", key=KEY),
}


def http(status: str, body: bytes) -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


ANSWERS = {
    "submit_message": http("201 Created", b'{"id":"m"}'),
    "get_profile": http("200 OK", b'{"sender_allowed":true}'),
    "get_message": http("200 OK", b'{"status":"PROCESSED"}'),
}
MARKS = {
    "submit_message": "post /messages ",
    "get_profile": "post /profiles ",
    "get_message": "get /messages/",
}


class Connection:
    """One accepted connection, from the server's side."""

    def __init__(self, server: "Server", reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._server = server
        self._reader = reader
        self._writer = writer
        self.call = ""

    async def read_head(self) -> int:
        """Read up to the empty line, and return the length of the body that follows."""
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode().lower()
        line = head.partition("\r\n")[0]
        self.call = next(name for name, mark in MARKS.items() if line.startswith(mark))
        lengths = [row for row in head.split("\r\n") if row.startswith("content-length:")]
        return int(lengths[0].partition(":")[2]) if lengths else 0

    async def read_request(self) -> None:
        body = await self._reader.readexactly(await self.read_head())
        if self.call == "submit_message":
            check_sent(body)
        self._server.seen.append(self.call)
        self._server.has_seen.set()

    async def send(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def answer(self) -> None:
        await self.send(ANSWERS[self.call])

    async def hang(self) -> None:
        """Send nothing more until the client gives up."""
        await self._reader.read()

    def reset(self) -> None:
        """Close with RST instead of FIN."""
        raw = self._writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()


Behaviour = Callable[[Connection], Awaitable[None]]


class Server:
    """A server that treats every connection alike, and counts connections and complete requests."""

    def __init__(self, behaviour: Behaviour) -> None:
        self._behaviour = behaviour
        self.connections = 0
        self.seen: list[str] = []
        self.has_seen = asyncio.Event()

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await self._behaviour(Connection(self, reader, writer))
        writer.close()


@contextlib.asynccontextmanager
async def serving(server: Server, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """The server's address, while the server runs."""
    listening = await asyncio.start_server(server, "127.0.0.1", 0, ssl=tls)
    port = listening.sockets[0].getsockname()[1]
    try:
        yield f"{'https' if tls else 'http'}://127.0.0.1:{port}"
    finally:
        listening.close()
        listening.close_clients()
        await listening.wait_closed()


@contextlib.asynccontextmanager
async def client(base_url: str, *, max_connections: int = 100) -> AsyncIterator[IoClient]:
    io = IoClient(
        base_url,
        timeout_seconds=TIMEOUT,
        submit_timeout_seconds=TIMEOUT,
        max_connections=max_connections,
    )
    try:
        yield io
    finally:
        await io.aclose()


async def outcome(call: str, io: IoClient) -> object:
    """The call's result or its error, after a check that the error shows no secret."""
    try:
        return await CALLS[call](io)
    except IoError as raised:
        error = raised
    assert error.__cause__ is None
    assert error.__context__ is None
    shown = "".join(traceback.format_exception(error)) + repr(error) + repr(error.__dict__)
    for secret in (FISCAL_CODE, "made-up-key", "Oggetto", "😀", "127.0.0.1"):
        assert secret not in shown
    return error


async def every_outcome(io: IoClient) -> list[Any]:
    """The results of the three calls, made at the same time, in the order of CALLS."""
    return await asyncio.gather(*(outcome(call, io) for call in CALLS))


async def never_answers(connection: Connection) -> None:
    await connection.read_request()
    await connection.hang()


async def reads_then_closes(connection: Connection) -> None:
    await connection.read_request()


async def reads_then_resets(connection: Connection) -> None:
    await connection.read_request()
    connection.reset()


async def closes_at_once(connection: Connection) -> None:
    del connection


async def resets_at_once(connection: Connection) -> None:
    connection.reset()


async def resets_within_the_body(connection: Connection) -> None:
    await connection.read_head()
    connection.reset()


async def speaks_no_http(connection: Connection) -> None:
    await connection.read_request()
    await connection.send(b"220 smtp.example ESMTP\r\n")


async def half_a_status_line(connection: Connection) -> None:
    await connection.read_request()
    await connection.send(b"HTTP/1.1 201 Cre")


async def half_the_headers_then_hangs(connection: Connection) -> None:
    await connection.read_request()
    await connection.send(b"HTTP/1.1 201 Created\r\nContent-")
    await connection.hang()


async def continues_then_closes(connection: Connection) -> None:
    await connection.read_request()
    await connection.send(b"HTTP/1.1 100 Continue\r\n\r\n")


async def redirects_nowhere(connection: Connection) -> None:
    await connection.read_request()
    await connection.send(f"HTTP/1.1 307 X\r\nLocation: http://io:{FISCAL_CODE}/\r\n\r\n".encode())


async def switches_protocols(connection: Connection) -> None:
    await connection.read_request()
    await connection.send(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n")


SENT: list[tuple[Behaviour, str]] = [
    (never_answers, "timeout"),
    (reads_then_closes, "connection_lost"),
    (reads_then_resets, "connection_lost"),
    (closes_at_once, "connection_lost"),
    (resets_at_once, "connection_lost"),
    (resets_within_the_body, "connection_lost"),
    (speaks_no_http, "connection_lost"),
    (half_a_status_line, "connection_lost"),
    (half_the_headers_then_hangs, "timeout"),
    (continues_then_closes, "connection_lost"),
    (switches_protocols, "unexpected_answer"),
    (redirects_nowhere, "unexpected_failure"),
]
READS_THE_REQUEST = {case for case, _ in SENT} - {closes_at_once, resets_at_once, resets_within_the_body}


@pytest.mark.parametrize(("behaviour", "reason"), SENT)
async def test_what_left_and_got_no_answer_is_in_doubt(behaviour: Behaviour, reason: str) -> None:
    """After a connection, a send without an answer is InDoubt, a read Unavailable, and none is repeated."""
    server = Server(behaviour)
    async with serving(server) as base_url, client(base_url) as io:
        errors = await every_outcome(io)

    assert [(type(error), error.reason) for error in errors] == [
        (InDoubt, reason),
        (Unavailable, reason),
        (Unavailable, reason),
    ]
    assert server.connections == len(CALLS)
    assert sorted(server.seen) == (sorted(CALLS) if behaviour in READS_THE_REQUEST else [])


async def status_then_hangs(connection: Connection) -> None:
    await connection.read_request()
    await connection.send(ANSWERS[connection.call].partition(b"{")[0])
    await connection.hang()


async def status_and_half_a_body(connection: Connection) -> None:
    await connection.read_request()
    await connection.send(ANSWERS[connection.call][:-5])


async def status_and_no_gzip(connection: Connection) -> None:
    await connection.read_request()
    await connection.send(ANSWERS[connection.call].replace(b"\r\n", b"\r\nContent-Encoding: gzip\r\n", 1))


@pytest.mark.parametrize("behaviour", [status_then_hangs, status_and_half_a_body, status_and_no_gzip])
async def test_a_status_counts_without_its_body(behaviour: Behaviour) -> None:
    """A 201 proves that the message was created even if its body is lost; a read needs its body."""
    server = Server(behaviour)
    async with serving(server) as base_url, client(base_url) as io:
        sent, *reads = await every_outcome(io)

    assert sent is None
    assert [(type(error), error.reason) for error in reads] == [(Unavailable, "unreadable_answer")] * 2
    assert sorted(server.seen) == sorted(CALLS)


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"HTTP/1.1 400 Bad Request", Unreachable),
        (b"HTTP/1.1 429 Too Many Requests", RateLimited),
        (b"HTTP/1.1 500 Internal Server Error", InDoubt),
    ],
)
async def test_an_error_status_counts_without_its_body(head: bytes, expected: type[IoError]) -> None:
    """An error status counts even if its body is cut short, and without IO's words it is no refusal."""

    async def refuses(connection: Connection) -> None:
        await connection.read_request()
        await connection.send(head + b"\r\nContent-Length: 100\r\n\r\n{")

    async with serving(Server(refuses)) as base_url, client(base_url) as io:
        assert type(await outcome("submit_message", io)) is expected


async def answers_before_the_body(connection: Connection) -> None:
    await connection.read_head()
    await connection.send(b"HTTP/1.1 413 Payload Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    await connection.hang()


async def test_an_answer_may_come_before_the_body_was_read() -> None:
    """An answer that comes before the body was read is understood."""
    async with serving(Server(answers_before_the_body)) as base_url, client(base_url) as io:
        assert type(await outcome("submit_message", io)) is Unreachable


async def informs_then_answers(connection: Connection) -> None:
    await connection.read_request()
    await connection.send(b"HTTP/1.1 100 Continue\r\n\r\n" * 2)
    await connection.send(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n")
    await connection.answer()


async def test_informational_answers_are_not_the_answer() -> None:
    """100 and 103 answers before the 201 neither end nor repeat the request."""
    server = Server(informs_then_answers)
    async with serving(server) as base_url, client(base_url) as io:
        assert await outcome("submit_message", io) == "m"

    assert server.seen == ["submit_message"]


async def test_an_answer_just_before_the_timeout_counts() -> None:
    """An answer 100 ms before the timeout counts (or is in doubt, if the machine stalls at that moment)."""

    async def answers_late(connection: Connection) -> None:
        await connection.read_request()
        await asyncio.sleep(TIMEOUT - 0.1)
        await connection.answer()

    results: list[object] = []
    async with serving(Server(answers_late)) as base_url, client(base_url) as io:
        while len(results) < 4 and "m" not in results:
            results.append(await outcome("submit_message", io))

    assert results[-1] == "m"
    assert all(isinstance(result, InDoubt) for result in results[:-1])


async def test_a_connection_that_hung_is_not_used_again() -> None:
    """After a timeout the next call opens its own connection, and cannot read the first's late answer."""

    async def hangs_once(connection: Connection) -> None:
        await connection.read_request()
        if len(server.seen) == 1:
            await connection.send(ANSWERS[connection.call].partition(b"{")[0])
            await connection.hang()
        await connection.answer()

    server = Server(hangs_once)
    async with serving(server) as base_url, client(base_url) as io:
        assert await outcome("submit_message", io) is None
        assert await outcome("submit_message", io) == "m"

    assert server.connections == 2


@contextlib.contextmanager
def closed_port() -> Iterator[str]:
    with socket.socket() as bound:  # bound and not listening, so every connection is refused
        bound.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{bound.getsockname()[1]}"


@contextlib.contextmanager
def full_backlog() -> Iterator[str]:
    """A listening socket that never accepts and whose queue is full, so connecting gets no answer."""
    with contextlib.ExitStack() as sockets:
        listening = sockets.enter_context(socket.socket())
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        for _ in range(3):
            filler = sockets.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listening.getsockname())
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


@contextlib.contextmanager
def unknown_name() -> Iterator[str]:
    yield "https://io.invalid"


@pytest.mark.parametrize(
    ("target", "cause"),
    [
        (closed_port, "ClientConnectorError"),
        (full_backlog, "ConnectionTimeoutError"),
        (unknown_name, "ClientConnectorDNSError"),
    ],
)
async def test_without_a_connection_nothing_left(
    target: Callable[[], contextlib.AbstractContextManager[str]], cause: str
) -> None:
    """A refused connection, one not accepted in time, or an unknown name is Unreachable, with its cause."""
    with target() as base_url:
        async with client(base_url) as io:
            errors = await every_outcome(io)

    assert [(type(error), error.cause) for error in errors] == [(Unreachable, cause)] * 3


def test_certificates_that_are_nowhere_are_told_when_the_client_is_made(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Missing certificates raise NoCertificates when the client is built, before any message is in doubt."""
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere/ca.pem")
    with pytest.raises(NoCertificates):
        IoClient("https://127.0.0.1/api/v1")


async def test_certificates_that_are_missing_from_the_app_send_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """If the app's own certificates cannot be read, preparing raises nothing, and no call leaves."""
    _without_named_certificates(monkeypatch)
    monkeypatch.setattr(certifi, "where", lambda: "/nowhere/ca.pem")
    async with client("https://127.0.0.1:1/api/v1") as io:
        await io.prepare()
        errors = await every_outcome(io)

    not_prepared = (Unreachable, "not_prepared", "NoCertificates")
    assert [(type(error), error.reason, error.cause) for error in errors] == [not_prepared] * 3


async def test_prepared_client_reads_no_certificates_for_a_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """After preparing, a call does not read certificates."""
    _without_named_certificates(monkeypatch)
    async with client("https://127.0.0.1:1/api/v1") as io:
        await io.prepare()
        monkeypatch.setattr(certifi, "where", lambda: "/nowhere/ca.pem")
        error = await outcome("submit_message", io)

    assert isinstance(error, Unreachable)
    assert error.cause == "ClientConnectorError"


def _without_named_certificates(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)


async def test_what_fails_before_the_connection_was_not_sent() -> None:
    """A failure before the connection means that nothing was sent."""
    async with client("https://127.0.0.1:1/api/v1") as io:
        io._base_url = "https://\x00/"  # a case that no check foresees
        errors = await every_outcome(io)
    assert [type(error) for error in errors] == [Unreachable] * 3
    assert {error.reason for error in errors if isinstance(error, IoError)} == {"not_prepared"}


@pytest.fixture(scope="module")
def self_signed(tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    """The TLS context of a server with an untrusted certificate."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    pem: Path = tmp_path_factory.mktemp("tls") / "server.pem"
    pem.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    return context


async def test_a_bad_certificate_stops_before_sending(self_signed: ssl.SSLContext) -> None:
    """An untrusted certificate is Unreachable, and the server never gets the request."""
    server = Server(never_answers)
    async with serving(server, self_signed) as base_url, client(base_url) as io:
        error = await outcome("submit_message", io)

    assert type(error) is Unreachable
    assert error.cause == "ClientConnectorCertificateError"
    assert server.seen == []


async def refuses_tls(connection: Connection) -> None:
    await connection.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    await connection.hang()


async def ignores_tls(connection: Connection) -> None:
    await connection.hang()


@pytest.mark.parametrize("behaviour", [refuses_tls, closes_at_once, resets_at_once, ignores_tls])
async def test_a_failed_handshake_stops_before_sending(behaviour: Behaviour) -> None:
    """A server that answers, closes, resets or ignores a TLS handshake never gets the request."""
    server = Server(behaviour)
    async with serving(server) as base_url, client(base_url.replace("http:", "https:")) as io:
        assert type(await outcome("submit_message", io)) is Unreachable

    assert server.seen == []


async def test_without_a_free_connection_nothing_left() -> None:
    """A call that gets no connection in time is Unreachable, and the call that holds it is in doubt."""
    server = Server(never_answers)
    async with serving(server) as base_url, client(base_url, max_connections=1) as io:
        first, second = await asyncio.gather(outcome("submit_message", io), outcome("submit_message", io))

    assert type(first) is InDoubt
    assert type(second) is Unreachable
    assert server.seen == ["submit_message"]


@pytest.mark.parametrize("call", CALLS)
async def test_a_stale_connection_is_not_tried_again(call: str) -> None:
    """A request on a connection that the server has just closed is not repeated on a new one.

    The event loop is blocked until the server has closed, so the client cannot know yet.
    """
    answered, closed = threading.Event(), threading.Event()

    def serve_once(listening: socket.socket) -> None:
        connection, _ = listening.accept()
        received = b""
        while b"\r\n\r\n" not in received:
            received += connection.recv(65_536)
        connection.sendall(ANSWERS["get_message"])
        answered.wait()
        connection.close()
        closed.set()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = threading.Thread(target=serve_once, args=(listening,))
        server.start()
        async with client(f"http://127.0.0.1:{listening.getsockname()[1]}") as io:
            await CALLS["get_message"](io)
            answered.set()
            closed.wait()
            error = await outcome(call, io)
        server.join()
        listening.setblocking(False)
        with pytest.raises(BlockingIOError):  # there was no second connection
            listening.accept()

    assert type(error) is (InDoubt if call == "submit_message" else Unavailable)
    assert error.reason == "connection_lost"


async def test_a_cancelled_send_is_cancelled() -> None:
    """Cancellation passes through unchanged, because the caller knows better what to record."""
    server = Server(never_answers)
    async with serving(server) as base_url, client(base_url) as io:
        sending = asyncio.create_task(io.submit_message(MESSAGE, key=KEY))
        await server.has_seen.wait()
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending

    assert server.seen == ["submit_message"]
