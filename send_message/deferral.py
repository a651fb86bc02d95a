"""Decides when to retry a message that surely was not sent."""

import random
from datetime import datetime, timedelta
from typing import Any, Final

from io_api.breakers import READ_FAILURES
from io_api.errors import IoError, Misconfigured, RateLimited, Suspended
from storage.ledger import Entry, State, Step

# A document that the container does not hold yet.
DOCUMENT_MISSING: Final = "document_missing"
SHORTEST = timedelta(seconds=2)
# While a backend's circuit breaker may still open, messages come back in time for IO's recovery.
LONGEST_AT_FIRST = timedelta(seconds=40)
AT_FIRST = READ_FAILURES
LONGEST = timedelta(minutes=15)
# The back office may enqueue a request before it has stored the documents, but not for ever.
LONGEST_MISSING = timedelta(hours=24)


def deferral(entry: Entry, error: IoError, now: datetime) -> tuple[Step, dict[str, Any]]:
    """Return the step to DEFERRED and the columns that change with it.

    The delay is 2 s plus a random part. The limit of that part doubles with each failure, up to 40 s for the
    first ten failures and 15 min after that. A 429, a suspension or a wrong configuration sets its own delay.
    No failure of IO is the message's fault: `failures` sets only the delay. Age ends a message: after seven
    days of waiting it is parked (`delivery.py`, MAX_AGE), and after one day if a document is missing.
    """
    if error.reason == DOCUMENT_MISSING and now - _missing_since(entry, now) > LONGEST_MISSING:
        return Step(State.DEAD, error.reason), {}
    failures = entry.failures + (not isinstance(error, RateLimited | Suspended | Misconfigured))
    changes = {
        "next_at": now + _delay(failures, error),
        "sequence": entry.sequence + 1,
        "failures": failures,
    }
    return Step(State.DEFERRED, error.reason, error.status), changes


def _missing_since(entry: Entry, now: datetime) -> datetime:
    """Return when a document was first found missing, of the times in a row that it was."""
    last = entry.last_step
    if last.get("reason") != DOCUMENT_MISSING:
        return now
    return datetime.fromisoformat(last.get("since", last["at"]))


def _delay(failures: int, error: IoError) -> timedelta:
    if isinstance(error, RateLimited):
        least = timedelta(seconds=error.retry_after)
        return least + max(least, SHORTEST) * random.random()
    if isinstance(error, Suspended):
        return timedelta(seconds=error.retry_after) * random.uniform(0.5, 1)
    if isinstance(error, Misconfigured):
        return LONGEST * random.uniform(0.5, 1)
    longest = LONGEST_AT_FIRST if failures <= AT_FIRST else LONGEST
    return SHORTEST + min(longest, SHORTEST * (1 << min(failures, 10))) * random.random()
