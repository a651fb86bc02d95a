"""Sending a message with remote content: what is examined, kept and said to IO before it leaves."""

import json
import logging
from datetime import timedelta
from typing import Any

import pytest

from contract.remote_content import RemoteContent
from io_api.errors import Refused, Suspended
from io_api.models import Profile
from poison.redrive import drop, redrive
from report.meanings import REASONS
from send_message.deferral import LONGEST_MISSING
from send_message.documents import SEARCHED
from storage.documents import LARGEST_DOCUMENT
from storage.ledger import State
from storage.queues import MESSAGE_REQUESTS, MESSAGE_SENDS, poison
from storage.remote_contents import KeptContent
from storage.table import Unanswered
from tests.fake_app import CONFIGURATION_ID, FakeApp
from tests.fakes import Died, FakeDocuments, seen
from tests.samples import BLOB, MARKDOWN, PDF, PDF_A, SUBJECT, a_body, personal_data_in, remote_content

OTHER = "tari/2026/opuscolo.pdf"
CLAIM = 14
PRECONDITION = {"title": "Prima di aprire", "markdown": "Il documento contiene dati sanitari."}


@pytest.fixture
def app() -> FakeApp:
    return FakeApp()


@pytest.fixture
def documents(app: FakeApp) -> FakeDocuments:
    app.documents.blobs[BLOB] = PDF_A
    return app.documents


def _body(**changes: Any) -> str:
    premium = {"feature_level_type": "ADVANCED", "remote_content": remote_content(BLOB)}
    return a_body(**(premium | changes))


async def _kept(app: FakeApp) -> KeptContent | None:
    return await app.remote_contents.get(app.entry().remote_content_id or "")


def _contents(app: FakeApp) -> int:
    return sum(key == "current" for _, key in app.contents_table.rows_by_key)


async def _run(app: FakeApp, body: str) -> None:
    await app.queues.put(MESSAGE_REQUESTS, body)
    await app.run()


async def _redrive(app: FakeApp) -> None:
    (message,) = [one async for one in app.parked.all()]
    await redrive(message, app.stores)
    await app.run()


def _third_party_data(app: FakeApp) -> dict[str, Any]:
    ((message, _),) = app.io.sent
    said: dict[str, Any] = json.loads(message.body())["content"]["third_party_data"]
    return said


async def test_message_says_what_io_may_fetch(app: FakeApp, documents: FakeDocuments) -> None:
    """IO gets the id, the service's configuration and the flags, and the text of content as courtesy."""
    await _run(app, _body(remote_content=remote_content(BLOB, precondition=PRECONDITION)))
    assert _third_party_data(app) == {
        "id": app.entry().remote_content_id,
        "configuration_id": CONFIGURATION_ID,
        "has_attachments": True,
        "has_remote_content": True,
        "has_precondition": "ALWAYS",
    }
    assert app.io.sent[0][0].content.markdown == MARKDOWN
    assert app.entry().state is State.ACCEPTED


@pytest.mark.parametrize(
    ("content", "flags"),
    [
        (remote_content(), (False, True, "NEVER")),
        (remote_content(BLOB, subject=None, markdown=None), (True, False, "NEVER")),
        (
            remote_content(BLOB, precondition=PRECONDITION | {"has_precondition": "ONCE"}),
            (True, True, "ONCE"),
        ),
    ],
    ids=["text", "document", "all"],
)
async def test_flags_agree_with_the_content(
    app: FakeApp, documents: FakeDocuments, content: dict[str, Any], flags: tuple[Any, ...]
) -> None:
    """Each flag follows from the content, so IO never finds less or more than the message says."""
    await _run(app, _body(remote_content=content))
    said = _third_party_data(app)
    assert (said["has_attachments"], said["has_remote_content"], said["has_precondition"]) == flags


async def test_content_is_kept_before_io_is_asked(app: FakeApp, documents: FakeDocuments) -> None:
    """The remote content is kept, for its recipient alone, before the check of the recipient."""
    await app.check(_body())
    assert app.steps.done.index("remotecontents.insert") < app.steps.done.index("io.get_profile")
    kept = await _kept(app)
    assert kept
    assert (kept.request_id, kept.version, kept.attachments, kept.undeclared) == ("r-1", 1, 1, 0)
    assert app.remote_contents.is_for(kept, "RSSMRA80A01H501U")
    assert not app.remote_contents.is_for(kept, "RSSMRA80A01H501X")
    assert app.remote_contents.content_of(kept) == RemoteContent.model_validate(remote_content(BLOB))


async def test_redelivery_changes_nothing_that_is_kept(app: FakeApp, documents: FakeDocuments) -> None:
    """A repeated request and a redelivered reference leave the kept content and its id as they were."""
    await app.check(_body())
    kept = await _kept(app)
    app.clock.advance(minutes=1)
    await app.check(_body(), redelivered=True)
    await app.check(app.reference(), redelivered=True)
    await app.run()
    assert await _kept(app) == kept
    assert _contents(app) == 1
    assert len(app.io.sent) == 1


async def test_other_attachment_under_a_known_id_is_a_conflict(
    app: FakeApp, documents: FakeDocuments
) -> None:
    """The same request_id with another document is parked as a conflict, and the first is sent."""
    documents.blobs[OTHER] = PDF_A
    await _run(app, _body())
    await _run(app, _body(remote_content=remote_content(OTHER)))
    (message,) = [one async for one in app.parked.all()]
    assert (message.reason, len(app.io.sent)) == ("conflict", 1)


async def test_message_waits_for_its_document(app: FakeApp, documents: FakeDocuments) -> None:
    """A document that is not there yet defers the message without a call of IO, and its coming sends it."""
    del documents.blobs[BLOB]
    await app.check(_body())
    entry = app.entry()
    assert (entry.state, entry.last_step["reason"]) == (State.DEFERRED, "document_missing")
    assert (app.io.asked, app.told()) == ([], [])
    assert not app.contents_table.rows_by_key
    documents.blobs[BLOB] = PDF_A
    await app.run()
    assert (app.entry().state, len(app.io.sent)) == (State.ACCEPTED, 1)


async def test_document_that_never_comes_parks_the_message(app: FakeApp, documents: FakeDocuments) -> None:
    """After 24 hours the message is parked with the reason, looked for every 15 minutes until then."""
    del documents.blobs[BLOB]
    began_at = app.clock()
    await _run(app, _body())
    entry = app.entry()
    assert (entry.state, entry.last_step["reason"]) == (State.DEAD, "document_missing")
    assert LONGEST_MISSING < entry.updated_at - began_at < LONGEST_MISSING + timedelta(minutes=16)
    assert 96 <= entry.history[-2]["times"] <= 1000
    assert (app.told(), app.io.asked) == (["r-1/0/parked"], [])
    assert app.events()[0]["data"]["reason"] == "document_missing"
    documents.blobs[BLOB] = PDF_A
    await _redrive(app)
    assert (app.entry().state, len(app.io.sent)) == (State.ACCEPTED, 1)


async def test_redriven_message_waits_a_day_again(app: FakeApp, documents: FakeDocuments) -> None:
    """A redrive before the document was stored begins a new wait, and does not park at once."""
    del documents.blobs[BLOB]
    await _run(app, _body())
    app.clock.advance(days=3)
    again_at = app.clock()
    await _redrive(app)
    assert app.entry().updated_at - again_at > LONGEST_MISSING


async def test_request_that_expires_does_not_wait_for_its_document(
    app: FakeApp, documents: FakeDocuments
) -> None:
    """expires_at ends the wait for a document, as it ends any other."""
    del documents.blobs[BLOB]
    await _run(app, _body(expires_at="2026-11-24T12:00:00Z"))
    assert (app.entry().state, app.told()) == (State.EXPIRED, ["r-1/0/expired"])


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "document_empty"),
        (b"%PDF", "document_not_pdf"),
        (b"PK\x03\x04 a Word document", "document_not_pdf"),
        (b"\n" + PDF_A, "document_not_pdf"),
        (b"\xef\xbb\xbf" + PDF_A, "document_not_pdf"),
        (b"%pdf-1.7", "document_not_pdf"),
        (PDF_A + bytes(LARGEST_DOCUMENT + 1 - len(PDF_A)), "document_too_large"),
    ],
    ids=["empty", "cut", "word", "line before", "byte order mark", "lower case", "large"],
)
async def test_wrong_document_is_refused(
    app: FakeApp, documents: FakeDocuments, content: bytes, reason: str
) -> None:
    """What IO would not show is parked before IO is asked, and a redrive after its replacement sends it."""
    documents.blobs[BLOB] = content
    await _run(app, _body())
    assert (app.entry().state, app.entry().last_step["reason"]) == (State.REFUSED, reason)
    assert reason in REASONS
    assert (app.told(), app.io.asked) == (["r-1/0/refused", "r-1/0/parked"], [])
    documents.blobs[BLOB] = PDF_A
    await _redrive(app)
    assert (app.entry().state, len(app.io.sent)) == (State.ACCEPTED, 1)


@pytest.mark.parametrize("content", [b"%PDF-", PDF, PDF + bytes(LARGEST_DOCUMENT - len(PDF))])
async def test_document_at_the_edge_of_a_rule_is_sent(
    app: FakeApp, documents: FakeDocuments, content: bytes
) -> None:
    """The shortest and the longest document that are allowed are sent."""
    documents.blobs[BLOB] = content
    await _run(app, _body())
    assert len(app.io.sent) == 1


async def test_every_document_is_examined(app: FakeApp, documents: FakeDocuments) -> None:
    """One wrong document among good ones refuses the message."""
    documents.blobs[OTHER] = b"<html>"
    await _run(app, _body(remote_content=remote_content(BLOB, OTHER)))
    assert app.entry().last_step["reason"] == "document_not_pdf"


async def test_document_that_is_not_pdf_a_is_sent_with_a_warning(
    app: FakeApp, documents: FakeDocuments, caplog: pytest.LogCaptureFixture
) -> None:
    """A document without a declaration of PDF/A is sent; the kept row and the log count such documents."""
    documents.blobs[OTHER] = PDF
    await _run(app, _body(remote_content=remote_content(BLOB, OTHER)))
    kept = await _kept(app)
    assert kept
    assert (kept.attachments, kept.undeclared, len(app.io.sent)) == (2, 1, 1)
    assert "not PDF/A request_id=r-1 documents=1" in caplog.text
    assert BLOB not in caplog.text


@pytest.mark.parametrize("piece", [1, 4, 7, 1000])
async def test_declaration_is_found_across_pieces(app: FakeApp, piece: int) -> None:
    """Wherever the pieces of a document begin and end, its header and its declaration are found."""
    app.documents = FakeDocuments(app.steps, piece=piece)
    app.documents.blobs |= {BLOB: PDF_A, OTHER: PDF}
    await _run(app, _body(remote_content=remote_content(BLOB, OTHER)))
    kept = await _kept(app)
    assert kept
    assert kept.undeclared == 1


async def test_long_document_is_read_in_part(app: FakeApp, documents: FakeDocuments) -> None:
    """At most four megabytes are searched for PDF/A, once; later examinations read the beginning alone."""
    documents.blobs[BLOB] = PDF + bytes(4 * SEARCHED)
    await app.check(_body())
    assert app.steps.done.count("documents.piece") == SEARCHED // 1024
    kept = await _kept(app)
    assert kept
    assert kept.undeclared == 0
    await app.run()
    assert app.steps.done.count("documents.piece") == SEARCHED // 1024 + 1


@pytest.mark.parametrize("skip", [0, 1], ids=["opened", "read"])
async def test_blobs_that_refuse_defer_the_message(
    app: FakeApp, documents: FakeDocuments, skip: int, caplog: pytest.LogCaptureFixture
) -> None:
    """If only the blobs refuse or break off, the message waits with that reason, and the log says so."""
    app.steps.fail_before(Unanswered("no role", 403), skip=2 + skip)
    await app.check(_body())
    entry = app.entry()
    assert (entry.state, entry.last_step["reason"]) == (State.DEFERRED, "documents_unanswered")
    assert (entry.last_step["http_status"], app.io.asked) == (403, [])
    assert "documents do not answer request_id=r-1 status=403" in caplog.text
    await app.run()
    assert (app.entry().state, len(app.io.sent)) == (State.ACCEPTED, 1)


async def test_long_silence_of_the_blobs_ends_no_message(app: FakeApp, documents: FakeDocuments) -> None:
    """Blobs that refuse for three days park no message; it is sent when they answer."""
    began_at = app.clock()

    class Refusing(FakeDocuments):
        async def open(self, blob: str) -> Any:
            if app.clock() - began_at < timedelta(days=3):
                raise Unanswered("no role", 403)
            return await documents.open(blob)

    app.documents = Refusing(app.steps)
    await _run(app, _body())
    assert (app.entry().state, len(app.io.sent)) == (State.ACCEPTED, 1)
    assert app.clock() - began_at < timedelta(days=3, minutes=16)
    assert poison(MESSAGE_REQUESTS) not in app.queues.messages


@pytest.mark.parametrize("step", ["remotecontents.get", "remotecontents.insert"])
async def test_silent_tables_are_the_platforms(app: FakeApp, documents: FakeDocuments, step: str) -> None:
    """If the tables do not answer, the check raises, so the message goes back to its queue as it is."""
    healthy = FakeApp()
    healthy.documents.blobs[BLOB] = PDF_A
    await healthy.check(_body())
    app.steps.fail_before(Unanswered(), skip=healthy.steps.done.index(step))
    with pytest.raises(Unanswered):
        await app.check(_body())
    assert (app.entry().state, app.io.asked) == (State.REQUESTED, [])


@pytest.mark.parametrize("missing", ["configuration", "key"])
async def test_service_without_a_configuration_is_refused(
    app: FakeApp, documents: FakeDocuments, missing: str
) -> None:
    """Without a configuration at IO, or a key for IO, the message is parked, and the setting mends it."""
    if missing == "key":
        app.serves_documents = False
    else:
        app.configuration_ids = {"tributi": CONFIGURATION_ID}
    await _run(app, _body())
    assert app.entry().last_step["reason"] == "remote_content_not_configured"
    assert (app.told(), app.io.asked) == (["r-1/0/refused", "r-1/0/parked"], [])
    app.configuration_ids, app.serves_documents = {"default": CONFIGURATION_ID}, True
    await _redrive(app)
    assert len(app.io.sent) == 1


async def test_configuration_that_was_removed_before_the_send_refuses(
    app: FakeApp, documents: FakeDocuments
) -> None:
    """A message whose service lost its configuration after the check is refused, and not sent without it."""
    await app.check(_body())
    app.configuration_ids = {}
    await app.run()
    assert app.entry().last_step["reason"] == "remote_content_not_configured"
    assert (app.entry().state, app.entry().attempt, app.io.sent) == (State.REFUSED, 0, [])


async def test_document_that_vanished_before_the_send_is_waited_for(
    app: FakeApp, documents: FakeDocuments
) -> None:
    """A message that waited after its check is not sent without its document, nor claimed."""
    await app.check(_body())
    del documents.blobs[BLOB]
    await app.send(app.queues.take(MESSAGE_SENDS)[0])
    entry = app.entry()
    assert (entry.state, entry.last_step["reason"], entry.attempt) == (State.DEFERRED, "document_missing", 0)
    assert len(app.queues.bodies(MESSAGE_SENDS)) == 1
    documents.blobs[BLOB] = PDF_A
    await app.run()
    assert len(app.io.sent) == 1


async def test_document_that_was_spoiled_before_the_send_is_refused(
    app: FakeApp, documents: FakeDocuments
) -> None:
    """A document replaced by something else after the check parks the message, without a permit."""
    await app.check(_body())
    documents.blobs[BLOB] = b"<html>"
    await app.run()
    assert (app.entry().state, app.entry().last_step["reason"]) == (State.REFUSED, "document_not_pdf")
    assert (app.io.sent, "io.permit_to_send" in app.steps.done) == ([], False)
    documents.blobs[BLOB] = PDF_A
    await _redrive(app)
    assert len(app.io.sent) == 1


async def test_newest_version_is_examined(app: FakeApp, documents: FakeDocuments) -> None:
    """After a correction of a message that waits, the corrected document counts."""
    suspended = Suspended(reason="paused")
    app.io.permit, permit = suspended, app.io.permit
    await app.check(_body())
    await app.send(app.queues.take(MESSAGE_SENDS)[0])
    del documents.blobs[BLOB]
    documents.blobs[OTHER] = PDF
    kept = await _kept(app)
    assert kept
    content = RemoteContent.model_validate(remote_content(OTHER))
    await app.remote_contents.correct(kept, content, app.clock(), undeclared=1)
    app.io.permit = permit
    await app.run()
    assert len(app.io.sent) == 1


async def test_claim_is_the_step_at_that_number(app: FakeApp, documents: FakeDocuments) -> None:
    """The crashes below are at every step up to the claim."""
    await _run(app, _body())
    assert app.steps.done.index("ledger.replace") == CLAIM


@pytest.mark.parametrize("step", range(1, CLAIM + 1))
async def test_crash_at_any_step_before_the_claim_loses_nothing(
    app: FakeApp, documents: FakeDocuments, step: int
) -> None:
    """Whichever step before the claim a worker crashes at, the content is kept once and sent once."""
    app.steps.fail_before(Died(), skip=step)
    await _run(app, _body())
    assert (len(app.io.sent), app.steps.to_come) == (1, 0)
    assert app.entry().state is State.ACCEPTED
    assert _contents(app) == 1
    assert (await _kept(app)) is not None


@pytest.mark.parametrize("step", range(1, CLAIM))
async def test_lost_answer_of_any_step_keeps_one_content(
    app: FakeApp, documents: FakeDocuments, step: int
) -> None:
    """A step that happened and whose answer was lost is repeated without a second content."""
    app.steps.fail_after(Died(), skip=step)
    await _run(app, _body())
    assert (len(app.io.sent), app.steps.to_come) == (1, 0)
    assert _contents(app) == 1


@pytest.mark.parametrize("step", range(8))
async def test_content_of_a_skipped_message_is_forgotten(
    app: FakeApp, documents: FakeDocuments, step: int
) -> None:
    """A message that is never sent leaves no remote content, whichever step its worker crashes at."""
    app.io.profile = Profile(sender_allowed=False)
    app.steps.fail_before(Died(), skip=step + 1)
    await _run(app, _body())
    assert (app.entry().state, set(app.told())) == (State.SKIPPED, {"r-1/0/skipped"})
    assert app.contents_table.rows_by_key == {}
    assert documents.blobs == {BLOB: PDF_A}


async def test_content_of_a_dropped_message_is_forgotten(app: FakeApp, documents: FakeDocuments) -> None:
    """Dropping a message that IO refused removes its remote content, even if the first drop crashed."""
    app.io.submitted = Refused(reason="invalid_message", status=400)
    await _run(app, _body())
    (message,) = [one async for one in app.parked.all()]
    assert _contents(app) == 1
    app.steps.fail_after(Died(), skip=2)
    with pytest.raises(Died):
        await drop(message, app.stores)
    assert app.entry().body == {}
    await drop(message, app.stores)
    assert (app.contents_table.rows_by_key, app.parked_table.rows_by_key) == ({}, {})


async def test_reminder_is_a_plain_message(app: FakeApp, documents: FakeDocuments) -> None:
    """The reminder of a message with remote content has none: no id, no document, no third_party_data."""
    await app.accepted(
        feature_level_type="ADVANCED",
        remote_content=remote_content(BLOB),
        reminders={"unread": {"after_days": 7}},
    )
    app.io.status = seen("PROCESSED", "UNREAD")
    await app.follow()
    app.clock.advance(days=8)
    app.clock.now = app.clock.now.replace(hour=10)
    for _ in range(3):
        await app.follow()
        await app.remind()
        app.clock.advance(hours=1)
    await app.run()
    first, reminder = (json.loads(message.body()) for message, _ in app.io.sent)
    assert "third_party_data" in first["content"]
    assert "third_party_data" not in reminder["content"]
    assert app.entry("r-1:unread-1").remote_content_id is None
    assert _contents(app) == 1


async def test_nothing_personal_is_shown(
    app: FakeApp, documents: FakeDocuments, caplog: pytest.LogCaptureFixture
) -> None:
    """No table, internal queue, event or log line has a text, a name of a document or a name of a blob."""
    caplog.set_level(logging.DEBUG)
    documents.blobs[BLOB] = PDF
    await _run(app, _body(remote_content=remote_content(BLOB, precondition=PRECONDITION)))
    kept = [*app.everything_kept(), ("log", caplog.text)]
    secrets = (BLOB, "Avviso TARI", "Prima di aprire", "dati sanitari", SUBJECT)
    assert not [(place, found) for place, text in kept if (found := personal_data_in(text))]
    assert not [(place, word) for place, text in kept for word in secrets if word in text]
