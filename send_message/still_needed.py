"""Whether a message that waited is still to be sent: what is over, paid or stopped is not."""

from datetime import datetime

from io_api.observe import PAID_UPSTREAM
from storage.campaigns import Campaigns
from storage.ledger import REMINDED, Entry, Ledger, State, Step


def expired_or_paid(entry: Entry, now: datetime) -> Step | None:
    """The step that ends a request whose time is over, or whose notice was paid while it waited."""
    if entry.expires_at and entry.expires_at <= now:
        return Step(State.EXPIRED)
    return Step(State.SKIPPED, PAID_UPSTREAM.reason) if entry.settled_at else None


async def no_longer_needed(entry: Entry, ledger: Ledger, campaigns: Campaigns, now: datetime) -> Step | None:
    """As `ended`; ends a reminder also if its campaign was stopped, or its first message read or paid.

    Costs two reads for a reminder, one for another message in reply to one, else none. Raises Unanswered.
    """
    if step := expired_or_paid(entry, now):
        return step
    first = await ledger.get(entry.in_reply_to) if entry.in_reply_to else None
    if first is None or not _reminds_of(entry, first):
        return None
    reason = _known(entry, first)
    if reason is None and await campaigns.is_stopped(entry.campaign):
        reason = "campaign_stopped"
    return Step(State.SKIPPED, reason) if reason else None


def _reminds_of(entry: Entry, first: Entry) -> bool:
    reminders = [line.get("reminder") for line in first.history if line["what"] == REMINDED]
    return entry.request_id in reminders


def _known(entry: Entry, first: Entry) -> str | None:
    """What has become known of the first message since the reminder was decided on."""
    if first.settled_at:
        return PAID_UPSTREAM.reason
    if first.payment_status == "PAID":
        return "paid"
    reminds_to_read = entry.request_id.rpartition(":")[2].startswith("unread")
    return "read" if reminds_to_read and first.read_status == "READ" else None
