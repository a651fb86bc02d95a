"""A citizen opens a message in the app: what IO's backend fetches, and what is shown (newMessagesService)."""

import asyncio
import hashlib
from typing import Any

from local.io_simulator.institution import DEFAULT_RETRY_AFTER, Fetched, Institution, institution_for
from local.io_simulator.messages import Message
from local.io_simulator.new_message import MARKDOWN, SUBJECT, fits
from local.io_simulator.simulator import Simulator

TEXT = frozenset({"subject", "markdown"})
PDF = b"%PDF"


class NotShownError(Exception):
    """The app shows an error in place of the message."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(str(error["status"]))
        self.error = error


def _not_shown(status: int, title: str) -> NotShownError:
    return NotShownError({"status": status, "title": title})


async def open_message(simulator: Simulator, message: Message, wait_seconds: float) -> dict[str, Any]:
    """Return what the citizen sees: the text, the precondition, the attachments; or the error in their place.

    A document that is not there yet is asked for again after its Retry-After, within `wait_seconds` in all.
    """
    shown: dict[str, Any] = {
        "subject": message.content["subject"],
        "markdown": message.content["markdown"],
        "precondition": None,
        "attachments": [],
        "error": None,
    }
    try:
        if message.status != "PROCESSED":
            raise _not_shown(404, "Not found")
        if "third_party_data" in message.content:
            await _fetch(simulator, message, shown, wait_seconds)
        message.openings += 1
    except NotShownError as not_shown:
        shown |= {"subject": None, "markdown": None, "attachments": [], "error": not_shown.error}
    return shown


async def _fetch(simulator: Simulator, message: Message, shown: dict[str, Any], wait_seconds: float) -> None:
    third_party = message.content["third_party_data"]
    configured = simulator.remote_configurations.find(third_party["configuration_id"])
    environment = configured.content.environment_of(message.fiscal_code) if configured else None
    if configured is None or environment is None:
        raise _not_shown(500, "The configuration has no environment")
    signed = configured.content.signs_for(message.fiscal_code)
    async with institution_for(environment, message.fiscal_code, signed=signed) as institution:
        precondition = third_party.get("has_precondition", configured.content.has_precondition)
        if precondition == "ALWAYS" or (precondition == "ONCE" and not message.openings):
            shown["precondition"] = await _precondition(institution, third_party["id"])
        details = await _details(institution, third_party)
        if third_party["has_remote_content"]:
            shown |= {name: text for name, text in (details.get("details") or {}).items() if name in TEXT}
        if third_party["has_attachments"]:
            for attachment in details.get("attachments") or ():
                shown["attachments"].append(
                    await _attachment(institution, third_party["id"], attachment, wait_seconds)
                )


async def _precondition(institution: Institution, remote_id: str) -> dict[str, Any]:
    document = _read(await institution.fetch(remote_id, "precondition"))
    if not all(isinstance(document.get(name), str) for name in ("title", "markdown")):
        raise _not_shown(500, "The precondition is not in the shape of the specification")
    return {name: document[name] for name in ("title", "markdown")}


async def _details(institution: Institution, third_party: dict[str, Any]) -> dict[str, Any]:
    """Return the details, checked against the flags of the message in the order of IO's code."""
    document = _read(await institution.fetch(third_party["id"]))
    if not _is_well_formed(document):
        raise _not_shown(500, "The details are not in the shape of the specification")
    if third_party["has_attachments"]:  # IO then does not look at the text
        if document.get("attachments") is None:
            raise _not_shown(502, "ATTACHMENTS_NOT_PRESENT")
    elif third_party["has_remote_content"]:
        _require_text(document.get("details") or {})
    return document


def _require_text(details: dict[str, Any]) -> None:
    subject, markdown = details.get("subject"), details.get("markdown")
    if not subject or not markdown:
        raise _not_shown(502, "REMOTE_CONTENT_NOT_PRESENT")
    if not fits(markdown, MARKDOWN):
        raise _not_shown(502, "MARKDOWN_VALIDATION_ERROR")
    if not fits(subject, SUBJECT):
        raise _not_shown(502, "SUBJECT_VALIDATION_ERROR")


def _is_well_formed(document: dict[str, Any]) -> bool:
    attachments, details = document.get("attachments"), document.get("details")
    listed = attachments is None or (
        isinstance(attachments, list)
        and all(isinstance(one, dict) and one.get("id") and one.get("url") for one in attachments)
    )
    return listed and (details is None or isinstance(details, dict))


async def _attachment(
    institution: Institution, remote_id: str, attachment: dict[str, Any], wait_seconds: float
) -> dict[str, Any]:
    fetched = await institution.fetch(remote_id, attachment["url"], may_wait=True)
    while fetched.status == 503:
        pause = fetched.retry_after if fetched.retry_after is not None else DEFAULT_RETRY_AFTER
        if pause > wait_seconds:
            break
        wait_seconds -= max(pause, 0.1)
        await asyncio.sleep(pause)
        fetched = await institution.fetch(remote_id, attachment["url"], may_wait=True)
    if fetched.status == 200 and not fetched.body.startswith(PDF):
        fetched = Fetched(415, "The requested file is not a valid PDF")
    return {
        "name": attachment.get("name"),
        "status": fetched.status,
        "bytes": len(fetched.body),
        "sha256": hashlib.sha256(fetched.body).hexdigest() if fetched.status == 200 else None,
        "retry_after": fetched.retry_after,
    }


def _read(fetched: Fetched) -> dict[str, Any]:
    if fetched.status != 200:
        raise NotShownError(fetched.error())
    document = fetched.document()
    return document if isinstance(document, dict) else {}
