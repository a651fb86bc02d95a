"""Removes what IO could fetch for a message, once its retention has ended. IO then gets a 404."""

import logging

from context import Context
from storage.documents import Documents
from storage.due_index import DueEntry
from storage.due_processing import process_due

log = logging.getLogger(__name__)


async def expire_documents(context: Context) -> None:
    """Run one tick. What cannot be removed stays due; the failures are raised together at the end.

    Removes nothing while DOCUMENT_RETENTION_DAYS or REMOTE_CONTENT_API_KEY is not set.
    """
    documents = context.documents
    if documents is None or context.retention.period is None:
        return

    async def handle(due: DueEntry) -> None:
        await _expire(due, documents, context)

    await process_due(
        context.retention.index, handle, what="expired", wait=lambda _: 0.0, clock=context.clock
    )


async def _expire(due: DueEntry, documents: Documents, context: Context) -> None:
    """Remove the documents of one message, and then its row. A crash in between repeats the removal.

    The retention of today counts, which may be longer than when the row was put.
    """
    entry = await context.ledger.get(due.request_id)
    ends_at = context.retention.end_of(entry) if entry else None
    if ends_at and ends_at > context.clock():
        await context.retention.index.reschedule(due, ends_at)
        return
    if entry and entry.remote_content_id:
        await context.remote_contents.forget(entry.remote_content_id, documents)
        log.info("documents removed request_id=%s", entry.request_id)
    await context.retention.index.remove(due)
