"""Documents and remote contents on a real emulator, and the fakes held to the same behaviour."""

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import web
from azure.core.exceptions import ResourceNotFoundError
from azure.storage.blob.aio import BlobServiceClient

from contract.remote_content import RemoteContent
from local.azurite import Azurite, connection_string
from settings import Settings
from storage import remote_contents
from storage.account import PIECE, StorageAccount
from storage.cipher import Undecipherable
from storage.documents import CONTAINER, Document, Documents, NoDocument
from storage.remote_contents import KeptContent, RemoteContents
from storage.table import Changed, Unanswered
from tests.fakes import FakeDocuments, FakeTable
from tests.samples import FISCAL_CODE, FORMER_KEY, KEYS, PDF_A, a_cipher, personal_data_in, remote_content

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
CONTENT = RemoteContent.model_validate(remote_content("a/b.pdf", "c.pdf"))
type Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]
OTHER = RemoteContent.model_validate(remote_content("d.pdf"))


@asynccontextmanager
async def on(connection: str) -> AsyncIterator[StorageAccount]:
    """The account of a connection string, as the app uses it."""
    keys = ",".join(key.get_secret_value() for key in KEYS)
    values = {"AzureWebJobsStorage": connection, "IO_API_KEY": "a", "ENCRYPTION_KEYS": keys}
    account = StorageAccount(Settings.model_validate(values))
    yield account
    await account.aclose()


@pytest.fixture(params=["fake", "real"])
async def documents(request: pytest.FixtureRequest, azurite: Azurite) -> AsyncIterator[Documents]:
    if request.param == "fake":
        yield FakeDocuments(piece=PIECE)
    else:
        async with on(azurite.connection_string) as account:
            yield account.documents()


@pytest.fixture
def blob() -> str:
    """A name that no other test uses."""
    return f"tari/2026/{uuid.uuid4().hex}.pdf"


async def _content(document: Document) -> bytes:
    return b"".join([piece async for piece in document.pieces])


@pytest.mark.parametrize("size", [0, 1, PIECE - 1, PIECE, PIECE + 1, 5 * PIECE + 7])
async def test_document_is_read_as_it_was_put(documents: Documents, blob: str, size: int) -> None:
    """The size is known before the first piece, no piece is longer than PIECE, and all make the document."""
    content = bytes(number % 251 for number in range(size))
    await documents.put(blob, content)
    document = await documents.open(blob)
    assert document.size == size
    pieces = [piece async for piece in document.pieces]
    assert b"".join(pieces) == content
    assert all(0 < len(piece) <= PIECE for piece in pieces)


async def test_reading_may_stop_after_a_piece(documents: Documents, blob: str) -> None:
    """A reader that stops early leaves nothing open, and the document can be read again."""
    await documents.put(blob, bytes(3 * PIECE))
    document = await documents.open(blob)
    assert len(await anext(document.pieces)) == PIECE
    await document.pieces.aclose()
    assert len(await _content(await documents.open(blob))) == 3 * PIECE


async def test_document_that_is_not_there(documents: Documents, blob: str) -> None:
    """A missing document is NoDocument, and its removal is no error."""
    with pytest.raises(NoDocument):
        await documents.open(blob)
    await documents.delete(blob)


async def test_document_is_replaced_and_deleted(documents: Documents, blob: str) -> None:
    """A put replaces the document, a delete removes it alone, and repeating either does no harm."""
    neighbour = f"{blob}.pdf"
    for content in (b"first", b"second", b"second"):
        await documents.put(blob, content)
    await documents.put(neighbour, b"neighbour")
    assert await _content(await documents.open(blob)) == b"second"
    for _ in range(2):
        await documents.delete(blob)
    with pytest.raises(NoDocument):
        await documents.open(blob)
    assert await _content(await documents.open(neighbour)) == b"neighbour"


@pytest.mark.parametrize("name", ["A-Z_a.z/0-9/", "/".join("ab" * 100), "a" * 480, ".well-known/", "-/_/..a"])
async def test_every_name_of_the_contract_is_a_blob(documents: Documents, name: str) -> None:
    """Names at the edges of the contract's rule read back, and are told apart by case."""
    blob = name + uuid.uuid4().hex[:8]
    await documents.put(blob, PDF_A)
    assert await _content(await documents.open(blob)) == PDF_A
    with pytest.raises(NoDocument):
        await documents.open(blob.swapcase())


async def test_missing_container_holds_no_document(azurite: Azurite, blob: str) -> None:
    """Before the back office has created the container, its documents are missing, not refused."""
    async with BlobServiceClient.from_connection_string(azurite.connection_string) as client:
        with suppress(ResourceNotFoundError):
            await client.delete_container(CONTAINER)
    async with on(azurite.connection_string) as account:
        documents = account.documents()
        with pytest.raises(NoDocument):
            await documents.open(blob)
        await documents.delete(blob)
        await documents.put(blob, PDF_A)
        assert (await documents.open(blob)).size == len(PDF_A)


async def test_document_replaced_while_it_is_read_is_unanswered(azurite: Azurite, blob: str) -> None:
    """A reader never gets the beginning of one document and the end of another."""
    async with on(azurite.connection_string) as account:
        documents = account.documents()
        await documents.put(blob, bytes(3 * PIECE))
        document = await documents.open(blob)
        await anext(document.pieces)
        await documents.put(blob, bytes([1]) * 3 * PIECE)
        with pytest.raises(Unanswered):
            await _content(document)


@asynccontextmanager
async def blobs_that(answer: Answer) -> AsyncIterator[Documents]:
    """Documents of an account whose blob endpoint gives this answer to every call."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
    try:
        async with on(connection_string((port, port, port))) as account:
            yield account.documents()
    finally:
        await runner.cleanup()


@pytest.mark.parametrize("status", [401, 403, 409, 429, 500, 503])
async def test_blobs_that_refuse_are_unanswered(status: int, blob: str) -> None:
    """Each operation on blobs that refuse or fail raises Unanswered, with the status."""

    async def refuse(request: web.Request) -> web.Response:
        return web.Response(status=status, headers={"x-ms-error-code": "AuthorizationPermissionMismatch"})

    async with blobs_that(refuse) as documents:
        for operation in (documents.open(blob), documents.delete(blob), documents.put(blob, b"x")):
            with pytest.raises(Unanswered) as raised:
                await operation
            assert raised.value.status == status


@pytest.mark.parametrize("pieces_before", [0, 1])
async def test_connection_that_breaks_in_a_document_is_unanswered(blob: str, pieces_before: int) -> None:
    """A connection cut in the first piece or in a later one raises Unanswered, never a shorter document."""
    size = 3 * PIECE

    async def cut(request: web.Request) -> web.StreamResponse:
        start, end = (int(number) for number in request.headers["x-ms-range"].split("=")[1].split("-"))
        response = web.StreamResponse(status=206)
        response.content_length = end - start + 1
        response.headers.update(
            {
                "Content-Range": f"bytes {start}-{end}/{size}",
                "ETag": '"1"',
                "x-ms-blob-type": "BlockBlob",
                "Last-Modified": "Tue, 24 Nov 2026 09:00:00 GMT",
            }
        )
        await response.prepare(request)
        await response.write(bytes(PIECE if start < pieces_before * PIECE else PIECE // 2))
        if start >= pieces_before * PIECE and request.transport:
            request.transport.abort()
        return response

    async with blobs_that(cut) as documents:
        with pytest.raises(Unanswered):
            await _content(await documents.open(blob))


async def test_blobs_that_are_away_are_unanswered(blob: str) -> None:
    """Blobs that take no connection raise Unanswered, without a status."""
    async with on(connection_string((9, 9, 9))) as account:
        with pytest.raises(Unanswered) as raised:
            await account.documents().open(blob)
        assert raised.value.status is None


@pytest.fixture(params=["fake", "real"])
async def contents(request: pytest.FixtureRequest, azurite: Azurite) -> AsyncIterator[RemoteContents]:
    if request.param == "fake":
        yield RemoteContents(FakeTable(), a_cipher(KEYS))
    else:
        async with on(azurite.connection_string) as account:
            yield RemoteContents(account.table(remote_contents.TABLE), a_cipher(KEYS))


@pytest.fixture
def kept() -> KeptContent:
    """A version as the sending side makes it, under an id of its own."""
    recipient = a_cipher(KEYS).digest(FISCAL_CODE.encode())
    return KeptContent(uuid.uuid4().hex, "TARI:2026:1", recipient, NOW, undeclared=0)


async def _versions(contents: RemoteContents, remote_content_id: str) -> list[tuple[int, RemoteContent]]:
    found = [each async for each in contents.versions(remote_content_id)]
    return [(each.version, contents.content_of(each)) for each in found]


async def test_content_is_read_as_it_was_kept(contents: RemoteContents, kept: KeptContent) -> None:
    """What was kept reads back equal, with the number of its documents; another id has none."""
    assert await contents.get(kept.remote_content_id) is None
    await contents.keep(kept, CONTENT)
    read = await contents.get(kept.remote_content_id)
    assert read
    assert replace(read, sealed={}, row=None) == replace(kept, attachments=2)
    assert contents.content_of(read) == CONTENT
    assert contents.is_for(read, FISCAL_CODE)
    assert not contents.is_for(read, "AAAAAA00A00A000A")
    assert await contents.get(uuid.uuid4().hex) is None


async def test_content_is_kept_once(contents: RemoteContents, kept: KeptContent) -> None:
    """A second content under the same id changes nothing."""
    await contents.keep(kept, CONTENT)
    await contents.keep(replace(kept, undeclared=1, since=NOW + timedelta(1)), OTHER)
    read = await contents.get(kept.remote_content_id)
    assert read
    assert (contents.content_of(read), read.since, read.undeclared) == (CONTENT, NOW, 0)


async def test_correction_keeps_the_former_version(contents: RemoteContents, kept: KeptContent) -> None:
    """Each correction becomes the current version; the former ones stay, the oldest first."""
    await contents.keep(kept, CONTENT)
    for number, content in enumerate((OTHER, CONTENT), start=1):
        read = await contents.get(kept.remote_content_id)
        assert read
        written = await contents.correct(read, content, NOW + timedelta(number), undeclared=number)
        assert await contents.get(kept.remote_content_id) == written
        assert (written.version, written.undeclared) == (number + 1, number)
    assert await _versions(contents, kept.remote_content_id) == [(1, CONTENT), (2, OTHER), (3, CONTENT)]


async def test_version_that_nobody_examined_says_so(contents: RemoteContents, kept: KeptContent) -> None:
    """A correction without an examination does not inherit the former version's result."""
    await contents.keep(kept, CONTENT)
    read = await contents.get(kept.remote_content_id)
    assert read
    await contents.correct(read, OTHER, NOW)
    newest = await contents.get(kept.remote_content_id)
    assert newest
    assert newest.undeclared is None


async def test_only_one_of_two_corrections_wins(contents: RemoteContents, kept: KeptContent) -> None:
    """A correction of a version that was replaced meanwhile is refused, and loses no version."""
    await contents.keep(kept, CONTENT)
    read = await contents.get(kept.remote_content_id)
    assert read
    await contents.correct(read, OTHER, NOW)
    with pytest.raises(Changed):
        await contents.correct(read, CONTENT, NOW)
    assert await _versions(contents, kept.remote_content_id) == [(1, CONTENT), (2, OTHER)]


async def test_forgotten_content_has_no_version_left(contents: RemoteContents, kept: KeptContent) -> None:
    """Every version is removed, another content stays, and a repetition does no harm."""
    other = replace(kept, remote_content_id=uuid.uuid4().hex)
    await contents.keep(kept, CONTENT)
    await contents.keep(other, OTHER)
    read = await contents.get(kept.remote_content_id)
    assert read
    await contents.correct(read, OTHER, NOW)
    for _ in range(2):
        await contents.forget(kept.remote_content_id)
        assert await contents.get(kept.remote_content_id) is None
        assert await _versions(contents, kept.remote_content_id) == []
    assert await _versions(contents, other.remote_content_id) == [(1, OTHER)]


def _shown(contents: KeptContent) -> Iterator[str]:
    yield repr(contents)
    assert contents.row
    for name, value in contents.row.values.items():
        yield f"{name} {value.decode('latin-1') if isinstance(value, bytes) else value}"


async def test_rows_hold_nothing_in_clear(contents: RemoteContents, kept: KeptContent) -> None:
    """Neither a row nor a repr shows a text, a name of a document or a blob; a lost key opens nothing."""
    await contents.keep(kept, CONTENT)
    read = await contents.get(kept.remote_content_id)
    assert read
    text = " ".join(_shown(read))
    assert personal_data_in(text) == []
    assert not [word for word in ("Avviso TARI", "a/b.pdf", "c.pdf") if word in text]
    stranger = RemoteContents(FakeTable(), a_cipher([*KEYS[1:]], [FORMER_KEY]))
    with pytest.raises(Undecipherable):
        stranger.content_of(read)
    assert not stranger.is_for(read, FISCAL_CODE)


async def test_end_of_a_content_removes_its_documents(azurite: Azurite, kept: KeptContent) -> None:
    """A document goes with the last content that refers to it, in whichever version, on real storage."""
    own, shared, former = (f"{uuid.uuid4().hex}.pdf" for _ in range(3))
    other = replace(kept, remote_content_id=uuid.uuid4().hex)
    async with on(azurite.connection_string) as account:
        documents = account.documents()
        contents = RemoteContents(account.table(remote_contents.TABLE), a_cipher(KEYS))
        for blob in (own, shared, former):
            await documents.put(blob, PDF_A)
        await contents.keep(kept, RemoteContent.model_validate(remote_content(former, shared)))
        await contents.keep(other, RemoteContent.model_validate(remote_content(shared)))
        read = await contents.get(kept.remote_content_id)
        assert read
        await contents.correct(read, RemoteContent.model_validate(remote_content(own, shared)), NOW)
        for _ in range(2):
            await contents.forget(kept.remote_content_id, documents)
            assert await _versions(contents, kept.remote_content_id) == []
            assert [await _is_there(documents, blob) for blob in (own, former, shared)] == [
                False,
                False,
                True,
            ]
        await contents.forget(other.remote_content_id, documents)
        assert not await _is_there(documents, shared)


async def _is_there(documents: Documents, blob: str) -> bool:
    try:
        await documents.open(blob)
    except NoDocument:
        return False
    return True
