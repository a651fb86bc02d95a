"""What IO gets when a citizen opens a message, and what everybody else gets."""

import json
import logging
from dataclasses import replace
from typing import Any

import pytest
from azure_functions_runtime.http_v2 import http_coordinator
from cryptography.fernet import Fernet
from pydantic import SecretStr

from contract.remote_content import RemoteContent
from remote_content.access import Call, caller_of
from remote_content.denials import MOST_CALLERS, MOST_IN_A_WINDOW, OTHERS, WINDOW_SECONDS, Denials
from remote_content.serve import Answer, attachment, details, precondition
from storage.table import Unanswered
from tests.remote import (
    CONTENT,
    PDF,
    SECOND_KEY,
    SOMEBODY_ELSE,
    RemoteContentApp,
    a_call,
    remote_content_id,
)
from tests.remote_functions import ATTACHMENT, DETAILS, HEADER, PRECONDITION, call, functions_of
from tests.samples import FISCAL_CODE, KEYS, a_cipher, personal_data_in

DENIED_CALLS = {
    "wrong key": a_call(key="x" * 40),
    "no key": a_call(key=""),
    "two keys in a header": a_call(key=f"{SECOND_KEY}, {SECOND_KEY}"),
    "wrong recipient": a_call(fiscal_code=SOMEBODY_ELSE),
    "missing": a_call(7),
    "missing and wrong key": a_call(7, key="x"),
}


@pytest.fixture
async def app() -> RemoteContentApp:
    """An app with one remote content."""
    app = RemoteContentApp()
    await app.keep()
    return app


async def every_answer(app: RemoteContentApp, call: Call, url: str = "1.pdf") -> list[Answer]:
    """The answers of the three endpoints to one call."""
    return [
        await details(call, app.access),
        await precondition(call, app.access),
        await attachment(call, url, app.access, app.documents),
    ]


def of_json(answer: Answer) -> dict[str, Any]:
    assert isinstance(answer.body, bytes)
    document: dict[str, Any] = json.loads(answer.body)
    return document


async def of_document(answer: Answer) -> bytes:
    assert not isinstance(answer.body, bytes)
    return b"".join([piece async for piece in answer.body.pieces])


@pytest.mark.parametrize("key", [a_call().key, SECOND_KEY])
async def test_recipient_gets_everything_with_either_key(app: RemoteContentApp, key: str) -> None:
    """With each of the two keys the recipient gets the text, the list of documents, and each document."""
    call = a_call(key=key)
    text, accepted, document = await every_answer(app, call, "2.pdf")
    assert of_json(text) == {
        "details": {"subject": CONTENT.subject, "markdown": CONTENT.markdown},
        "attachments": [
            {"id": url, "url": url, "name": name, "content_type": "application/pdf", "category": "DOCUMENT"}
            for url, name in (("1.pdf", "Avviso.pdf"), ("2.pdf", "Mappa.pdf"))
        ],
    }
    assert of_json(accepted) == {
        "title": "Prima di aprire",
        "markdown": "Il documento contiene dati sanitari.",
    }
    assert (document.content_type, await of_document(document)) == (
        "application/octet-stream",
        PDF + b"m.pdf",
    )
    assert [answer.status for answer in (text, accepted, document)] == [200] * 3


async def test_what_a_content_lacks_is_left_out() -> None:
    """A content without text or without documents has no member for them, and no precondition is 404."""
    app = RemoteContentApp()
    await app.keep(RemoteContent(attachments=CONTENT.attachments))
    text, accepted, _ = await every_answer(app, a_call())
    assert set(of_json(text)) == {"attachments"}
    assert accepted.status == 404

    await app.keep(RemoteContent(subject=CONTENT.subject, markdown=CONTENT.markdown), 1)
    text, _, document = await every_answer(app, a_call(1))
    assert set(of_json(text)) == {"details"}
    assert document.status == 404


@pytest.mark.parametrize("call", DENIED_CALLS.values(), ids=DENIED_CALLS)
async def test_denials_look_the_same_and_take_the_same_steps(app: RemoteContentApp, call: Call) -> None:
    """A wrong key, a wrong recipient and a missing id give one answer, after the same calls to storage."""
    missing = await every_answer(app, a_call(9))
    before = len(app.steps.done)
    assert await every_answer(app, call) == missing
    assert app.steps.done[before:] == ["remotecontents.get"] * 3
    assert {answer.status for answer in missing} == {404}


@pytest.mark.parametrize("code", ["", "RSSMRA80A01H501", "rssmra80a01h501u", "RSSMRA80A01H501U, X"])
async def test_header_that_io_never_sends_is_400(app: RemoteContentApp, code: str) -> None:
    """A fiscal code that is missing, short, in lower case or given twice is a bad request."""
    before = len(app.steps.done)
    assert [answer.status for answer in await every_answer(app, a_call(fiscal_code=code))] == [400] * 3
    assert app.steps.done[before:] == []


@pytest.mark.parametrize(
    "odd", ["x", "0" * 42, "0" * 44, "..", "../" * 20, "%2e%2e", "é" * 43, "0" * 10_000, f"{0:042}/"]
)
async def test_id_or_path_of_another_shape_reaches_no_storage(app: RemoteContentApp, odd: str) -> None:
    """Traversal, slashes and huge ids are 404 without a call to storage."""
    before = len(app.steps.done)
    assert {answer.status for answer in await every_answer(app, a_call(remote_content_id=odd))} == {404}
    assert (await attachment(a_call(), odd, app.access, app.documents)).status == 404
    assert app.steps.done[before:] == []


@pytest.mark.parametrize("url", ["3.pdf", "0.pdf", "01.pdf", "1.pdf/", "1.PDF", "100.pdf", "1", "١.pdf"])
async def test_document_that_is_not_listed_is_404(app: RemoteContentApp, url: str) -> None:
    """Only the listed urls lead to a document."""
    assert (await attachment(a_call(), url, app.access, app.documents)).status == 404


@pytest.mark.parametrize("answers", ["good", "bad"])
async def test_nothing_may_be_cached(app: RemoteContentApp, answers: str) -> None:
    """No answer is kept by a proxy, and none is sniffed."""
    for answer in await every_answer(app, a_call(9) if answers == "bad" else a_call()):
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


async def test_document_that_is_not_there_yet_is_503(app: RemoteContentApp) -> None:
    """A document that is not in the container is asked for again later; the text is there meanwhile."""
    blob = app.documents.blobs.pop("tari/1.pdf")
    text, _, document = await every_answer(app, a_call())
    assert (text.status, document.status) == (200, 503)
    assert document.headers["Retry-After"] == "10"
    app.documents.blobs["tari/1.pdf"] = blob
    assert (await attachment(a_call(), "1.pdf", app.access, app.documents)).status == 200


async def test_storage_that_gives_no_answer_is_temporary(app: RemoteContentApp) -> None:
    """Without storage a document is 503, and the others are 500, which is all that IO's interface has."""
    for serve in (details, precondition):
        app.steps.fail_before(Unanswered())
        assert (await serve(a_call(), app.access)).status == 500
    for skip in (0, 1):
        app.steps.fail_before(Unanswered(), skip=skip)
        answer = await attachment(a_call(), "1.pdf", app.access, app.documents)
        assert (answer.status, answer.headers["Retry-After"]) == (503, "10")


async def test_recipient_is_not_denied_for_want_of_a_key_of_the_ring(app: RemoteContentApp) -> None:
    """A process without the key that sealed a content says that it is unavailable, not missing."""
    assert (await details(a_call(9), app.access)).status == 404  # which proves and notes the ring of this app
    other = SecretStr(Fernet.generate_key().decode())
    app.access = app.access_of(a_cipher([other]))
    assert [answer.status for answer in await every_answer(app, a_call())] == [500, 500, 503]
    assert (await details(a_call(9), app.access)).status == 500
    app.access = app.access_of(a_cipher([other, *KEYS]))
    assert [answer.status for answer in await every_answer(app, a_call())] == [200] * 3


async def test_damaged_content_is_unavailable(
    app: RemoteContentApp, caplog: pytest.LogCaptureFixture
) -> None:
    """A content that no key decrypts is 500, or 503, with a line in the log that names the request."""
    ((at, row),) = (
        (at, row) for at, row in app.remote_contents_table.rows_by_key.items() if at[1] == "current"
    )
    app.remote_contents_table.rows_by_key[at] = replace(row, values={**row.values, "content0": b"damaged"})
    assert [answer.status for answer in await every_answer(app, a_call())] == [500, 500, 503]
    assert "request=r-0" in caplog.text


async def test_nothing_personal_is_logged(app: RemoteContentApp, caplog: pytest.LogCaptureFixture) -> None:
    """No log line of any answer holds personal data, a key, an address or an id of a content."""
    caplog.set_level(logging.DEBUG)
    app.documents.blobs.clear()
    for one in [a_call(), *DENIED_CALLS.values()] * (MOST_IN_A_WINDOW + 1):
        await every_answer(app, one)
    assert "denied calls" in caplog.text
    assert personal_data_in(caplog.text) == []
    for secret in (SOMEBODY_ELSE, SECOND_KEY, a_call().key, "192.0.2.1", remote_content_id()):
        assert secret not in caplog.text
    assert SECOND_KEY not in repr(a_call(key=SECOND_KEY))


@pytest.mark.parametrize(("route", "status"), [(DETAILS, 200), (ATTACHMENT, 200), (PRECONDITION, 404)])
async def test_runtime_keeps_nothing_of_an_answered_call(
    app: RemoteContentApp, route: str, status: int
) -> None:
    """After an answer, the platform's coordinator holds nothing of the invocation, as it would for ever."""
    params = {"id": remote_content_id(), "attachment_url": "1.pdf"}
    headers = {"fiscal_code": FISCAL_CODE, HEADER.lower(): a_call().key if status == 200 else "x"}
    sent = [
        (name.encode(), value.encode()) for name, value in {"x-ms-invocation-id": "i-1", **headers}.items()
    ]
    http_coordinator.set_http_request("i-1", object())
    kept = http_coordinator._context_references
    assert "i-1" in kept
    assert (await call(functions_of(app)[route], params, sent))[0] == status
    assert "i-1" not in kept


class Clock:
    """The seconds of the denials."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def _denials(clock: Clock) -> Denials:
    return Denials(a_cipher(KEYS).pseudonym, monotonic=clock)


def test_caller_with_many_denials_is_logged_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    """The threshold is per caller and minute; above it, one line a minute names the caller by a hash."""
    clock = Clock()
    denials = _denials(clock)
    for number in range(MOST_IN_A_WINDOW * 3):
        denials.add("key", f"192.0.2.{number % 3}")
    assert caplog.records == []
    for _ in range(10):
        denials.add("recipient", "192.0.2.1")
        denials.add("recipient", "192.0.2.2")
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert a_cipher(KEYS).pseudonym(b"192.0.2.1")[:12] in record.getMessage()
    clock.now += WINDOW_SECONDS
    for _ in range(MOST_IN_A_WINDOW):
        denials.add("id", "192.0.2.1")
    assert len(caplog.records) == 1
    denials.add("id", "192.0.2.1")
    assert len(caplog.records) == 2


def test_callers_beyond_the_memory_are_counted_together(caplog: pytest.LogCaptureFixture) -> None:
    """However many callers there are, a process remembers a bounded number, and the others as one."""
    denials = _denials(Clock())
    for number in range(MOST_CALLERS + MOST_IN_A_WINDOW + 1):
        denials.add("key", f"10.0.{number // 256}.{number % 256}")
    (record,) = caplog.records
    assert f"caller={OTHERS}" in record.getMessage()
    assert len(vars(denials)["_by_caller"]) == MOST_CALLERS + 1


@pytest.mark.parametrize(
    ("forwarded", "caller"),
    [
        ("192.0.2.1:50123", "192.0.2.1"),
        ("203.0.113.9, 192.0.2.1:50123", "192.0.2.1"),
        ("192.0.2.1", "192.0.2.1"),
        ("[2001:db8::1]:443", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("2001:db8::1", "2001:db8::1"),
        ("RSSMRA80A01H501U", "unknown"),
        ("192.0.2.1, ", "unknown"),
        ("", "unknown"),
    ],
)
def test_caller_is_the_address_that_the_platform_wrote(forwarded: str, caller: str) -> None:
    """The last address counts, without its port; anything before it is the caller's own claim."""
    assert caller_of(forwarded) == caller
