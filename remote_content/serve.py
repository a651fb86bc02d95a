"""The three answers that IO gets when a citizen opens a message.

Source: IO's "Remote Content - Server implementation" (details, attachment, precondition). An answer costs no
call of IO's quota and waits for no permit.
"""

import json
import logging
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from contract.remote_content import RemoteContent
from remote_content.access import Access, Call, Denied, Unavailable
from storage.documents import Document, Documents, NoDocument
from storage.table import Unanswered

log = logging.getLogger(__name__)

JSON: Final = "application/json"
BYTES: Final = "application/octet-stream"
RETRY_AFTER_SECONDS: Final = 10  # what IO's backend assumes without the header
_URL: Final = re.compile(r"([1-9][0-9]?)\.pdf")
# Nothing between the institution and IO may keep an answer.
_HEADERS: Final = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
_TITLES: Final = {
    400: "Bad Request",
    404: "Not Found",
    500: "Internal Server Error",
    503: "Service Unavailable",
}


@dataclass(frozen=True)
class Answer:
    """A whole answer, or a document that is read while it is sent."""

    status: int
    body: bytes | Document
    content_type: str = JSON
    headers: Mapping[str, str] = field(default_factory=lambda: _HEADERS)


async def details(call: Call, access: Access) -> Answer:
    """Answer GET messages/{id}: the text, and the list of documents."""

    async def answer() -> Answer:
        return _json(200, _details(access.opened(await access.kept(call))))

    return await _or_problem(answer, when_unavailable=500)


async def precondition(call: Call, access: Access) -> Answer:
    """Answer GET messages/{id}/precondition: what the citizen accepts first. 404 if there is none."""

    async def answer() -> Answer:
        content = access.opened(await access.kept(call))
        if content.precondition is None:
            return _problem(404)
        return _json(200, content.precondition.model_dump(include={"title", "markdown"}))

    return await _or_problem(answer, when_unavailable=500)


async def attachment(call: Call, url: str, access: Access, documents: Documents) -> Answer:
    """Answer GET messages/{id}/{attachment_url}: a document, or 503 while it is not in the container."""

    async def answer() -> Answer:
        number = _URL.fullmatch(url)
        if number is None:
            raise access.no_such_path(call)
        kept = await access.kept(call)
        attachments = access.opened(kept).attachments
        if int(number[1]) > len(attachments):
            return _problem(404)
        try:
            document = await documents.open(attachments[int(number[1]) - 1].blob)
        except (NoDocument, Unanswered) as error:
            reason = type(error).__name__
            log.warning("document not served request=%s url=%s reason=%s", kept.request_id, url, reason)
            raise Unavailable(Unavailable.__doc__) from None
        return Answer(200, document, BYTES)

    return await _or_problem(answer, when_unavailable=503)


async def _or_problem(answer: Callable[[], Awaitable[Answer]], *, when_unavailable: int) -> Answer:
    try:
        return await answer()
    except Denied as denied:
        return _problem(denied.status)
    except Unavailable:
        return _problem(when_unavailable)


def _details(content: RemoteContent) -> dict[str, Any]:
    """Return the RemoteContentDetailsResponse. An empty list of attachments is left out."""
    attachments = [
        {
            "id": f"{number}.pdf",
            "url": f"{number}.pdf",
            "name": attachment.name,
            "content_type": "application/pdf",
            "category": "DOCUMENT",
        }
        for number, attachment in enumerate(content.attachments, 1)
    ]
    text = {"subject": content.subject, "markdown": content.markdown} if content.subject else None
    return {
        **({"attachments": attachments} if attachments else {}),
        **({"details": text} if text else {}),
    }


def _problem(status: int) -> Answer:
    retry = {"Retry-After": str(RETRY_AFTER_SECONDS)} if status == 503 else {}
    return _json(status, {"type": "about:blank", "title": _TITLES[status], "status": status}, retry)


def _json(status: int, document: Mapping[str, Any], headers: Mapping[str, str] = {}) -> Answer:
    body = json.dumps(document, ensure_ascii=False).encode()
    return Answer(status, body, headers=_HEADERS | dict(headers))
