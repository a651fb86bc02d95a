"""Removes what has ended of one request: documents, content, row, and at last the tombstone of the row."""

import logging
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Final

from context import Context
from storage.cipher import Undecipherable
from storage.ledger import GIVEN_UP, NOT_REMINDED, REMINDED, Entry
from storage.retention import AGAIN, has_ended

log = logging.getLogger(__name__)

# Where no remote contents are configured, there is no container to remove documents from.
NO_CONTAINER: Final = timedelta(days=1)


async def expire_request(request_id: str, now: datetime, context: Context) -> datetime | None:
    """Remove what has ended by now, and return when the next part ends; None if nothing is left.

    The periods of today count. Idempotent, also after a crash anywhere. Raises LostRace, Changed, Unanswered.
    """
    entry = await context.ledger.get(request_id)
    if entry is None:
        return await context.ledger.remove_remains(request_id, context.retention.remains_end, now)
    if not context.retention.overdue(entry, now):
        return context.retention.next_end(entry, now)
    if _has_documents(entry) and context.documents is None:
        log.warning("documents are not removed: REMOTE_CONTENT_API_KEY is not set request_id=%s", request_id)
        return now + NO_CONTAINER
    return await _shorten(entry, now, context)


async def _shorten(entry: Entry, now: datetime, context: Context) -> datetime:
    """Remove the parts that have ended, and return when the next one does."""
    retention = context.retention
    if _is_past(retention.documents_end(entry), now):
        await _forget_remote_content(entry, context)
    if _is_past(retention.content_end(entry), now):
        if entry.state in GIVEN_UP:
            await _forget_remote_content(entry, context)
        entry = await context.ledger.advance(entry, body={})
    if _is_past(retention.row_end(entry), now) and not await _is_reminder_to_come(entry, context):
        await _bury(entry, now, context)
        return retention.tombstone_end(now)
    return retention.next_end(entry, now)


async def _bury(entry: Entry, now: datetime, context: Context) -> None:
    """Remove the traces of a request in other tables, and then all of its row but the tombstone."""
    await _forget_remote_content(entry, context)
    if entry.notice:
        await context.notices.forget(entry.notice, [entry.request_id], keep_settlement=True)
    if entry.has(REMINDED) or entry.has(NOT_REMINDED):
        for recipient in _recipients(entry, context):
            await context.reminder_days.forget(recipient, before=(now - AGAIN).date())
    await context.ledger.bury(entry)
    log.info("buried request_id=%s", entry.request_id)


def _recipients(entry: Entry, context: Context) -> set[str]:
    """Return the keyed hashes of the citizen: reminders of an entry of before the index key have another."""
    recipients = {entry.recipient}
    with suppress(Undecipherable):  # its key was given up, and the other hash with it
        recipients.add(context.ledger.recipient_of(entry))
    return recipients


async def _is_reminder_to_come(entry: Entry, context: Context) -> bool:
    """Return whether a message whose reminders are still being decided needs this reminder's row.

    The reminder timer sends a reminder again whose row is gone.
    """
    first = await context.ledger.get(entry.in_reply_to) if entry.in_reply_to else None
    return first is not None and not has_ended(first)


async def _forget_remote_content(entry: Entry, context: Context) -> None:
    """Remove a remote content, and with an accepted message its documents. Of others they stay."""
    if entry.remote_content_id:
        documents = context.documents if _has_documents(entry) else None
        await context.remote_contents.forget(entry.remote_content_id, documents)
        log.info("remote content removed request_id=%s", entry.request_id)


def _has_documents(entry: Entry) -> bool:
    return entry.remote_content_id is not None and entry.accepted_at is not None


def _is_past(end: datetime | None, now: datetime) -> bool:
    return end is not None and end <= now
