"""Retention: documents go when they end, with the last message that refers to them, and never before."""

import asyncio
from contextlib import suppress

import pytest

from contract.remote_content import RemoteContent
from io_api.errors import InDoubt
from send_message.resolve_in_doubt import settle
from storage.periods import DEFAULT, Periods
from storage.remote_contents import KeptContent, RemoteContents
from storage.retention import Retention
from storage.table import Changed, Unanswered
from tests.fake_app import FakeApp
from tests.fakes import Died, FakeDocuments, seen
from tests.samples import BLOB, FORMER_KEY, KEYS, PDF_A, a_body, a_cipher, remote_content

DAYS = 90
REMOVAL = 19
PERIODS = Periods(documents=DAYS)
OTHER, SHARED = "tari/2026/altro.pdf", "tari/2026/opuscolo.pdf"


@pytest.fixture
def app() -> FakeApp:
    app = FakeApp(periods=PERIODS)
    app.documents.blobs = dict.fromkeys((BLOB, OTHER, SHARED), PDF_A)
    return app


async def _accepted(app: FakeApp, request_id: str = "r-1", *blobs: str) -> None:
    content = remote_content(*(blobs or (BLOB,)))
    entry = await app.accepted(request_id, feature_level_type="ADVANCED", remote_content=content)
    assert entry.message_id


def _body(request_id: str, *blobs: str) -> str:
    content = remote_content(*blobs)
    return a_body(request_id=request_id, feature_level_type="ADVANCED", remote_content=content)


async def _kept(app: FakeApp, request_id: str = "r-1") -> KeptContent | None:
    return await app.remote_contents.get(app.entry(request_id).remote_content_id or "")


def _ends(app: FakeApp) -> int:
    return sum(partition != "control" for partition, _ in app.ends_table.rows_by_key)


def _due(app: FakeApp) -> int:
    minute = f"{app.clock():%Y%m%d%H%M}"
    return sum(
        partition[:12] <= minute for partition, _ in app.ends_table.rows_by_key if partition != "control"
    )


async def test_documents_end_with_their_retention(app: FakeApp) -> None:
    """The day comes: rows, references and document are gone, and other documents stay."""
    await _accepted(app)
    app.clock.advance(days=DAYS, seconds=1)
    await app.expire()
    assert await _kept(app) is None
    assert (app.contents_table.rows_by_key, _due(app)) == ({}, 0)
    assert set(app.documents.blobs) == {OTHER, SHARED}


async def test_no_document_goes_before_its_end(app: FakeApp) -> None:
    """A tick of each day before the end removes nothing."""
    await _accepted(app)
    for _ in range(DAYS):
        await app.expire()
        app.clock.advance(days=1, seconds=-1)
    assert await _kept(app)
    assert BLOB in app.documents.blobs
    assert _ends(app) == 1


async def test_message_without_remote_content_has_no_end(app: FakeApp) -> None:
    """A plain message puts no row in the index."""
    await app.accepted("r-2")
    assert _ends(app) == 0


async def test_without_the_setting_documents_are_kept_for_ever() -> None:
    """No row is put, and no tick removes anything, however long it takes."""
    app = FakeApp()
    app.documents.blobs[BLOB] = PDF_A
    await _accepted(app)
    assert _ends(app) == 0
    app.clock.advance(days=10_000)
    await app.expire()
    assert await _kept(app)
    assert app.documents.blobs == {BLOB: PDF_A}


@pytest.mark.parametrize("message_id", ["01JWCZ5V6Q4M3N2P1R0T9S8W7X", None])
async def test_message_settled_as_accepted_has_an_end(app: FakeApp, message_id: str | None) -> None:
    """A request in doubt that an operator settles as accepted ends too, even without IO's id."""
    app.io.submitted = InDoubt(reason="timeout")
    await app.accepted(feature_level_type="ADVANCED", remote_content=remote_content(BLOB))
    assert _ends(app) == 0
    app.clock.advance(days=3)
    await settle(app.entry(), app.stores, {}, accepted=True, message_id=message_id)
    app.clock.advance(days=DAYS - 1)
    await app.expire()
    assert await _kept(app)
    app.clock.advance(days=1, seconds=1)
    await app.expire()
    assert await _kept(app) is None


async def test_longer_retention_counts_for_earlier_messages(app: FakeApp) -> None:
    """If the setting grows, a message accepted before is kept as long as the setting of today says."""
    await _accepted(app)
    app.clock.advance(days=DAYS, seconds=1)
    app.retention = Retention(app.retention.index, Periods(documents=2 * DAYS))
    await app.expire()
    assert await _kept(app)
    app.clock.advance(days=DAYS)
    await app.expire()
    assert await _kept(app) is None


async def test_setting_that_was_removed_keeps_what_is_due(app: FakeApp) -> None:
    """Without the setting documents go with the ledger's row; if it comes back, the catch-up finds them."""
    await _accepted(app)
    app.clock.advance(days=DAYS + 2)
    before = app.retention
    app.retention = Retention(before.index, DEFAULT)
    await app.expire()
    assert await _kept(app)
    app.retention = before
    await app.expire()
    assert await _kept(app) is None


async def test_switched_off_app_removes_nothing(app: FakeApp) -> None:
    """Without REMOTE_CONTENT_API_KEY there is no container to remove from, so all stays until there is."""
    await _accepted(app)
    app.io.status = seen("PROCESSED")
    app.clock.advance(minutes=1)
    await app.follow()
    app.clock.advance(days=DAYS, seconds=1)
    app.serves_documents = False
    await app.expire()
    assert (await _kept(app) is not None, _ends(app)) == (True, 1)


async def test_shared_document_goes_with_the_last_message(app: FakeApp) -> None:
    """A leaflet of two messages is removed when the second ends, and each one's own document with its own."""
    await _accepted(app, "r-1", BLOB, SHARED)
    app.clock.advance(days=10)
    await _accepted(app, "r-2", OTHER, SHARED)
    app.clock.advance(days=DAYS - 10, seconds=1)
    await app.expire()
    assert set(app.documents.blobs) == {OTHER, SHARED}
    assert await _kept(app, "r-2")
    app.clock.advance(days=10)
    await app.expire()
    assert app.documents.blobs == {}
    assert app.contents_table.rows_by_key == {}


async def test_shared_document_of_messages_that_end_together_goes(app: FakeApp) -> None:
    """Of many messages that end in one tick, the last one removes their shared document."""
    for number in range(30):
        await _accepted(app, f"r-{number}", SHARED)
    app.clock.advance(days=DAYS, seconds=1)
    await asyncio.gather(app.expire(), app.expire())
    assert SHARED not in app.documents.blobs
    assert app.contents_table.rows_by_key == {}


async def test_document_of_a_message_that_waits_is_kept(app: FakeApp) -> None:
    """A message that was examined and not yet sent holds the document that it shares."""
    await _accepted(app, "r-1", SHARED)
    app.clock.advance(days=DAYS, seconds=1)
    await app.check(_body("r-2", SHARED))
    await app.expire()
    assert SHARED in app.documents.blobs
    await app.run()
    assert len(app.io.sent) == 2


async def test_documents_of_former_versions_go_too(app: FakeApp) -> None:
    """After a correction, both the document shown now and the one shown before end, unless shared."""
    await _accepted(app, "r-1", BLOB)
    await _accepted(app, "r-2", SHARED)
    for blob in (OTHER, SHARED):
        kept = await _kept(app)
        assert kept
        content = RemoteContent.model_validate(remote_content(blob))
        await app.remote_contents.correct(kept, content, app.clock())
    await app.remote_contents.forget(app.entry("r-1").remote_content_id or "", app.documents)
    assert set(app.documents.blobs) == {SHARED}
    assert await _kept(app, "r-2")


async def test_references_under_a_former_key_are_found(app: FakeApp) -> None:
    """A document of a content kept before the index key is neither removed early nor left behind."""
    older = RemoteContents(app.contents_table, a_cipher(KEYS, [FORMER_KEY]))
    content = RemoteContent.model_validate(remote_content(SHARED))
    await older.keep(KeptContent("old", "r-0", "", app.clock()), content)
    await app.remote_contents.keep(KeptContent("new", "r-1", "", app.clock()), content)
    await app.remote_contents.forget("new", app.documents)
    assert SHARED in app.documents.blobs
    await app.remote_contents.forget("old", app.documents)
    assert SHARED not in app.documents.blobs
    assert app.contents_table.rows_by_key == {}


async def test_content_of_a_lost_key_goes_without_its_document(
    app: FakeApp, caplog: pytest.LogCaptureFixture
) -> None:
    """If the key was given up, the rows are removed, and an error says that the document stays."""
    await _accepted(app)
    stranger = RemoteContents(app.contents_table, a_cipher(KEYS[1:]))
    await stranger.forget(app.entry().remote_content_id or "", app.documents)
    assert await _kept(app) is None
    assert BLOB in app.documents.blobs
    assert "documents of a lost key are not removed request_id=r-1" in caplog.text


async def test_ledger_row_that_is_gone_ends_the_wait(app: FakeApp) -> None:
    """A row of a request that was erased is removed, and stops no other."""
    await _accepted(app)
    await _accepted(app, "r-2", OTHER)
    gone = app.entry("r-1").row
    assert gone
    await app.ledger_table.delete(gone.partition, gone.key)
    app.clock.advance(days=DAYS, seconds=1)
    await app.expire()
    assert _due(app) == 0
    assert await _kept(app, "r-2") is None


async def _corrected() -> FakeApp:
    app = FakeApp(periods=PERIODS)
    app.documents.blobs = dict.fromkeys((BLOB, OTHER, SHARED), PDF_A)
    await _accepted(app, "r-1", BLOB, SHARED)
    kept = await _kept(app)
    assert kept
    corrected = RemoteContent.model_validate(remote_content(OTHER, SHARED))
    await app.remote_contents.correct(kept, corrected, app.clock())
    await _accepted(app, "r-2", SHARED)
    return app


async def _steps() -> list[str]:
    app = await _corrected()
    done = len(app.steps.done)
    await app.remote_contents.forget(app.entry("r-1").remote_content_id or "", app.documents)
    return app.steps.done[done:]


@pytest.mark.parametrize("lost_answer", [False, True])
@pytest.mark.parametrize("step", range(REMOVAL))
async def test_crash_at_any_step_is_repeated(step: int, lost_answer: bool) -> None:
    """Whichever step of the removal crashes, the next one ends it; IO never gets a content again."""
    app = await _corrected()
    remote_content_id = app.entry("r-1").remote_content_id or ""
    inject = app.steps.fail_after if lost_answer else app.steps.fail_before
    inject(Died(), skip=step)
    crashed = False
    try:
        await app.remote_contents.forget(remote_content_id, app.documents)
    except Died:
        crashed = True
    assert SHARED in app.documents.blobs
    if crashed and BLOB not in app.documents.blobs:
        assert await _kept(app) is None
    await app.remote_contents.forget(remote_content_id, app.documents)
    assert set(app.documents.blobs) == {SHARED}
    assert {
        partition for partition, _ in app.contents_table.rows_by_key if partition == remote_content_id
    } == set()
    assert await _kept(app, "r-2")
    await app.remote_contents.forget(app.entry("r-2").remote_content_id or "", app.documents)
    assert (app.documents.blobs, app.contents_table.rows_by_key) == ({}, {})


async def test_every_step_of_the_removal_is_crashed_at() -> None:
    """The crashes above reach every step of a removal with a correction and a shared document."""
    assert len(await _steps()) == REMOVAL


@pytest.mark.parametrize("step", range(16))
async def test_tick_that_crashes_is_made_up_for(app: FakeApp, step: int) -> None:
    """Whichever step of a tick crashes, the tick after the lease removes all that ended."""
    await _accepted(app, "r-1", BLOB)
    app.clock.advance(days=DAYS, seconds=1)
    app.steps.fail_before(Died(), skip=step)
    crashed = False
    try:
        await app.expire()
    except (Died, BaseExceptionGroup):
        crashed = True
    app.clock.advance(minutes=30)
    await app.expire()
    assert crashed == (app.steps.to_come == 0)
    assert (app.contents_table.rows_by_key, _due(app)) == ({}, 0)
    assert BLOB not in app.documents.blobs


async def test_blobs_that_do_not_answer_leave_the_message_due(app: FakeApp) -> None:
    """A document that cannot be removed stays due and fails the tick; other messages are not held up."""
    await _accepted(app, "r-1", BLOB)
    await _accepted(app, "r-2", OTHER)
    app.clock.advance(days=DAYS, seconds=1)

    class Refusing(FakeDocuments):
        async def delete(self, blob: str) -> None:
            if blob == BLOB:
                raise Unanswered("no role", 403)
            await FakeDocuments.delete(self, blob)

    refusing = Refusing(app.steps)
    refusing.blobs, app.documents = app.documents.blobs, refusing
    with pytest.raises(ExceptionGroup):
        await app.expire()
    assert set(refusing.blobs) == {BLOB, SHARED}
    assert await _kept(app) is None
    assert _due(app) == 1
    app.documents = FakeDocuments(app.steps)
    app.documents.blobs = refusing.blobs
    app.clock.advance(minutes=30)
    await app.expire()
    assert (set(app.documents.blobs), _due(app)) == ({SHARED}, 0)


@pytest.mark.parametrize("step", range(12, 22))
async def test_crash_around_acceptance_loses_no_end(app: FakeApp, step: int) -> None:
    """Whichever step around the acceptance crashes, an accepted message has exactly one end."""
    app.steps.fail_before(Died(), skip=step)
    await app.queues.put("message-requests", _body("r-1", BLOB))
    await app.run()
    if app.entry().state == "ACCEPTED":
        assert _ends(app) == 1
    else:
        assert (app.entry().state, _ends(app)) == ("IN_DOUBT", 0)


@pytest.mark.parametrize("step", range(6))
async def test_correction_that_meets_the_end_leaves_nothing(app: FakeApp, step: int) -> None:
    """Wherever the end comes in between, the correction is refused and neither row nor reference is left."""
    await _accepted(app)
    kept = await _kept(app)
    assert kept
    former = kept.remote_content_id
    app.steps.do_before(lambda: _forgotten(app, former), skip=step)
    content = RemoteContent.model_validate(remote_content(OTHER))
    with suppress(Changed):
        await app.remote_contents.correct(kept, content, app.clock())
    await app.remote_contents.forget(former)
    assert app.contents_table.rows_by_key == {}


def _forgotten(app: FakeApp, remote_content_id: str) -> None:
    """Remove the rows of a content between two steps of another worker."""
    for key in [key for key in app.contents_table.rows_by_key if key[0] == remote_content_id]:
        del app.contents_table.rows_by_key[key]
    for key in [key for key in app.contents_table.rows_by_key if key[1] == remote_content_id]:
        del app.contents_table.rows_by_key[key]
