"""When to look at a message again, and when nothing more can change that anyone waits for."""

from datetime import datetime, timedelta

from io_api.errors import IoError, RateLimited
from storage.ledger import DELIVERED, Entry, State

SHORTEST = timedelta(seconds=10)
LONGEST = timedelta(days=7)
HORIZON = timedelta(days=60)
AFTER_FAILURE = timedelta(minutes=5)


def next_check(entry: Entry, now: datetime) -> datetime | None:
    """The time of the next look; None: it is not followed any longer."""
    return _next_rung(entry, now) if _can_change(entry) else None


def after_failure(entry: Entry, error: IoError, now: datetime) -> datetime | None:
    """The time to look again after a look that failed; what is known stays."""
    rung = _next_rung(entry, now)
    if rung and isinstance(error, RateLimited):
        return now + timedelta(seconds=error.retry_after)
    return rung and max(rung, now + AFTER_FAILURE)


def _next_rung(entry: Entry, now: datetime) -> datetime | None:
    """The looks are at ten seconds from the acceptance, twenty, forty, ..., then every week, to the horizon.

    Fixed times: two rows that a crash left of one message meet in one again.
    """
    accepted_at = entry.accepted_at or now
    if now - accepted_at > HORIZON:
        return None
    rung = SHORTEST
    while accepted_at + rung <= now:
        rung += min(rung, LONGEST)
    return accepted_at + rung


def _can_change(entry: Entry) -> bool:
    if entry.state is State.ACCEPTED:
        return True
    if entry.state not in DELIVERED or entry.feature_level_type != "ADVANCED":
        return False
    return entry.read_status != "READ" or (entry.has_payment and entry.payment_status != "PAID")
