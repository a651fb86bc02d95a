"""Adds an answer of IO to the ledger. A final value is never overwritten."""

from io_api.models import MessageStatus
from storage.ledger import Entry, Step
from storage.stores import Stores

# A final value is never undone, neither by a poorer answer nor by UNAVAILABLE, which is not UNREAD.
FINAL = {
    "status": frozenset({"PROCESSED", "REJECTED", "FAILED"}),
    "read_status": frozenset({"READ"}),
    "payment_status": frozenset({"PAID"}),
}
STEPS = {word: Step(word) for words in FINAL.values() for word in words} | {
    "UNAVAILABLE": Step("READ_UNAVAILABLE")
}
PAID_UPSTREAM = Step("PAID", "settled_upstream")


def observe(entry: Entry, seen: MessageStatus) -> tuple[list[Step], dict[str, str]]:
    """Return the steps that the answer causes, and the columns that change.

    Only a processed message can be read or paid. With any other status, read and payment status are ignored.
    """
    processed = "PROCESSED" in (entry.status, seen.status)
    changes = {
        column: str(getattr(seen, column))
        for column, final in FINAL.items()
        if (processed or column == "status")
        and getattr(entry, column) not in final
        and getattr(seen, column) not in (None, getattr(entry, column))
    }
    steps = [STEPS[word] for word in changes.values() if word in STEPS]
    if changes.get("status") == "PROCESSED" and entry.settled_at:  # paid before delivery: published now
        steps.append(PAID_UPSTREAM)
    return steps, changes


async def record(entry: Entry, seen: MessageStatus, stores: Stores) -> Entry:
    """Publish what is new in an answer, then write it to the ledger. A crash in between repeats the event."""
    steps, changes = observe(entry, seen)
    if not changes:
        return entry
    planned = stores.ledger.draft(entry, *steps, **changes)
    await stores.outcomes.publish(planned, newest=len(steps))
    return await stores.ledger.commit(planned)
