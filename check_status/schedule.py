"""When to look at a message again, and when nothing more can change that anyone waits for."""

from datetime import datetime, timedelta

from io_api.errors import IoError, RateLimited
from storage.ledger import DELIVERED, Entry, State

SHORTEST = timedelta(seconds=10)
LONGEST = timedelta(days=7)
HORIZON = timedelta(days=60)
AFTER_FAILURE = timedelta(minutes=5)


def next_check(entry: Entry, now: datetime) -> datetime | None:
    """The time of the next look, at twice the message's age; None: it is not followed any longer."""
    age = now - (entry.accepted_at or now)
    if age > HORIZON or not _can_change(entry):
        return None
    return now + min(max(age, SHORTEST), LONGEST)


def after_failure(entry: Entry, error: IoError, now: datetime) -> datetime | None:
    """The time to look again after a look that failed; what is known stays."""
    if now - (entry.accepted_at or now) > HORIZON:
        return None
    if isinstance(error, RateLimited):
        return now + timedelta(seconds=error.retry_after)
    return now + AFTER_FAILURE


def _can_change(entry: Entry) -> bool:
    if entry.state is State.ACCEPTED:
        return True
    if entry.state not in DELIVERED or entry.feature_level_type != "ADVANCED":
        return False
    return entry.read_status != "READ" or (entry.has_payment and entry.payment_status != "PAID")
