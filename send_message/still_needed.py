"""Decides whether a waiting message is still needed: not if it expired, was paid, or its campaign stopped."""

from datetime import datetime

from io_api.observe import PAID_UPSTREAM
from storage.ledger import REMINDED, Entry, State, Step
from storage.stores import Stores


def expired_or_paid(entry: Entry, now: datetime) -> Step | None:
    """Return the step that ends a request that expired, or whose notice was paid while it waited."""
    if entry.expires_at and entry.expires_at <= now:
        return Step(State.EXPIRED)
    return Step(State.SKIPPED, PAID_UPSTREAM.reason) if entry.settled_at else None


async def no_longer_needed(entry: Entry, stores: Stores) -> Step | None:
    """Return the step of `expired_or_paid`, or the step that ends a reminder that is no longer needed.

    A reminder also ends if its campaign stopped, or if its message was read or paid. Costs two reads for a
    reminder, one for any other message in reply to another, otherwise none. Raises Unanswered.
    """
    if step := expired_or_paid(entry, stores.clock()):
        return step
    first = await stores.ledger.get(entry.in_reply_to) if entry.in_reply_to else None
    if first is None or not _is_reminder_of(entry, first):
        return None
    reason = _known_since(entry, first)
    if reason is None and await stores.campaigns.is_stopped(entry.campaign):
        reason = "campaign_stopped"
    return Step(State.SKIPPED, reason) if reason else None


def _is_reminder_of(entry: Entry, first: Entry) -> bool:
    reminders = [line.get("reminder") for line in first.history if line["what"] == REMINDED]
    return entry.request_id in reminders


def _known_since(entry: Entry, first: Entry) -> str | None:
    """Return what has become known of the first message since the reminder was decided."""
    if first.settled_at:
        return PAID_UPSTREAM.reason
    if first.payment_status == "PAID":
        return "paid"
    reminds_to_read = entry.request_id.rpartition(":")[2].startswith("unread")
    return "read" if reminds_to_read and first.read_status == "READ" else None
