"""Examines a remote content before its message leaves. What IO could not show later is found here.

Reading costs no quota of IO and takes no permit. The documents are read before the check of the recipient, so
that no call is wasted, and again before the claim: a message may wait for days in between, and a message that
left cannot be withdrawn.
"""

import logging
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Final

from context import Context
from contract.request import MessageRequest
from io_api.errors import NotSent, Refused
from io_api.models import HasPrecondition, ThirdPartyData
from send_message.deferral import DOCUMENT_MISSING
from storage.documents import LARGEST_DOCUMENT, Document, Documents, NoDocument
from storage.ledger import Entry, LostRace
from storage.remote_contents import KeptContent
from storage.table import Unanswered

log = logging.getLogger(__name__)

DOCUMENTS_UNANSWERED: Final = "documents_unanswered"
# Readers accept a header in the first 1,024 bytes. IO answers the app with a 415 unless the document begins
# with it (pagopa/io-backend, src/utils/file-type.ts).
HEADER: Final = b"%PDF-"
# Every PDF/A declares itself in its metadata, which a PDF/A-1 must not compress (ISO 19005-1, 6.7).
DECLARATION: Final = b"pdfaid"
# In bytes. Of a longer document only this much is searched.
SEARCHED: Final = 4 * 1024 * 1024


async def examine(entry: Entry, request: MessageRequest, context: Context) -> None:
    """Make sure that IO can fetch the remote content of a request, if it has one, and keep it. Idempotent.

    The first examination looks for PDF/A too, and keeps the remote content when no document is wrong. Later
    ones examine the newest version, which an operator may have corrected.

    Raises NotSent if a document is missing or cannot be read, Refused if a document or the settings are
    wrong, LostRace if the request was erased meanwhile, and Unanswered if the tables do not answer.
    """
    if request.remote_content is None or entry.remote_content_id is None:
        return
    if context.documents is None or entry.service not in context.configuration_ids:
        raise Refused(reason="remote_content_not_configured")
    kept = await context.remote_contents.get(entry.remote_content_id)
    content = context.remote_contents.content_of(kept) if kept else request.remote_content
    most = SEARCHED if kept is None else len(HEADER)
    declared = [
        await read_document(entry.request_id, attachment.blob, context.documents, most)
        for attachment in content.attachments
    ]
    if kept is None:
        undeclared = declared.count(False)
        kept = _kept(entry, entry.remote_content_id, undeclared, context)
        await context.remote_contents.keep(kept, content)
        await _forget_if_erased(kept, context)
        if undeclared:
            log.warning("documents not PDF/A request_id=%s documents=%d", entry.request_id, undeclared)


async def _forget_if_erased(kept: KeptContent, context: Context) -> None:
    """Remove what was kept if an erasure passed while the documents were read. A later one finds it."""
    if await context.ledger.get(kept.request_id) is None:
        await context.remote_contents.forget(kept.remote_content_id)
        raise LostRace(LostRace.__doc__)


def third_party_data(
    entry: Entry, request: MessageRequest, configuration_ids: Mapping[str, str]
) -> ThirdPartyData | None:
    """Return what tells IO to fetch the remote content; None for a request without one.

    The flags follow from the content, because IO shows the citizen an error where they disagree.
    """
    content = request.remote_content
    if content is None or entry.remote_content_id is None:
        return None
    return ThirdPartyData(
        id=entry.remote_content_id,
        configuration_id=configuration_ids[entry.service],
        has_attachments=bool(content.attachments),
        has_remote_content=content.markdown is not None,
        has_precondition=HasPrecondition(content.has_precondition),
    )


async def read_document(request_id: str, blob: str, documents: Documents, most: int) -> bool | None:
    """Examine one document. Return whether it says that it is PDF/A; None if `most` bytes do not tell.

    Raises NotSent, Refused.
    """
    try:
        document = await documents.open(blob)
        if wrong := _wrong_size(document.size):
            raise Refused(reason=wrong)
        return await _search(document, most)
    except NoDocument:
        raise NotSent(reason=DOCUMENT_MISSING) from None
    except Unanswered as error:
        # Tables are another endpoint with another role. While only the blobs refuse, other messages go on.
        log.warning("documents do not answer request_id=%s status=%s", request_id, error.status)
        raise NotSent(reason=DOCUMENTS_UNANSWERED, status=error.status) from None


def _wrong_size(size: int) -> str | None:
    if size == 0:
        return "document_empty"
    return "document_too_large" if size > LARGEST_DOCUMENT else None


async def _search(document: Document, most: int) -> bool | None:
    """Check the header, then read until the declaration, the end or `most` bytes.

    Raises Refused, Unanswered.
    """
    async with aclosing(document.pieces) as pieces:
        window = await _beginning(pieces)
        if not window.startswith(HEADER):
            raise Refused(reason="document_not_pdf")
        read = len(window)
        while DECLARATION not in window:
            if read >= most:
                return None
            piece = await anext(pieces, b"")
            if not piece:
                return False
            window = window[-len(DECLARATION) :] + piece
            read += len(piece)
    return True


async def _beginning(pieces: AsyncGenerator[bytes]) -> bytes:
    beginning = b""
    while len(beginning) < len(HEADER) and (piece := await anext(pieces, b"")):
        beginning += piece
    return beginning


def _kept(entry: Entry, remote_content_id: str, undeclared: int, context: Context) -> KeptContent:
    return KeptContent(
        remote_content_id=remote_content_id,
        request_id=entry.request_id,
        recipient=entry.recipient,
        since=context.clock(),
        undeclared=undeclared,
    )
