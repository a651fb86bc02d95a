"""Decides when to poll a message again, and when no change that matters can still come."""

import hashlib
from collections.abc import Iterator
from datetime import datetime, timedelta

from storage.ledger import DELIVERED, Entry, State

# While IO processes a message, usually for seconds: these few polls cost almost nothing.
DELIVERY = (timedelta(seconds=10), timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=30))
# Then by age. Of the schedules in benchmarks/, this one has the shortest lag for about six calls per message.
FIRST_WAIT = timedelta(hours=3, minutes=30)
LONGEST_WAIT = timedelta(days=14)
HORIZON = timedelta(days=60)
# People pay around the due date, which is the last moment of its day.
AROUND_DUE_DATE = (timedelta(days=-3), timedelta(0), timedelta(days=1))
SPREAD = timedelta(hours=12)
# The last poll may be late by GRACE, and is repeated every LAST_AGAIN. After that, polling is over.
GRACE = timedelta(days=7)
LAST_AGAIN = timedelta(days=1)


def next_poll(entry: Entry, now: datetime, stretch: int = 1) -> datetime | None:
    """Return the time of the next poll; None if the message is no longer followed.

    Polls are at fixed times. If a crash left two rows of one message in the due index, both rows therefore
    move to the same time and become one. `stretch` makes the wait so many times longer, by leaving times out.
    """
    if not _can_change(entry):
        return None
    times = [time for time in _poll_times(entry, now) if time > now]
    if not times:
        return None
    not_before = now + (times[0] - now) * stretch
    return next((time for time in times if time >= not_before), times[-1])


def next_poll_after_failure(entry: Entry, now: datetime, stretch: int = 1) -> datetime:
    """Return the time of the next poll after a failed one. The last is repeated daily until polling ends."""
    last = _poll_times(entry, now)[-1]
    return next_poll(entry, now, stretch) or last + LAST_AGAIN * ((now - last) // LAST_AGAIN + 1)


def postponed(entry: Entry, wait: timedelta, now: datetime) -> datetime:
    """Return the time of a poll that could not be made now. Polls postponed together get different times."""
    return now + wait * (1 + _fraction(entry.request_id))


def stretch(late: timedelta) -> int:
    """Return how many times longer to wait when polls are this late: IO's quota is not enough for all.

    Each day adds one, so that polls become fewer until they are made in time.
    """
    return 1 + max(late, timedelta(0)).days


def is_over(entry: Entry, now: datetime) -> bool:
    """Return whether polling has ended: nothing can change, or the message's last poll is long past."""
    return not _can_change(entry) or now > _poll_times(entry, now)[-1] + GRACE


def _can_change(entry: Entry) -> bool:
    """Return whether IO may still report a change that matters."""
    if entry.state is State.ACCEPTED:
        return True
    if entry.state not in DELIVERED or entry.feature_level_type != "ADVANCED":
        return False
    return entry.read_status != "READ" or (entry.has_payment and entry.payment_status != "PAID")


def _poll_times(entry: Entry, now: datetime) -> list[datetime]:
    accepted_at = entry.accepted_at or now
    times = [accepted_at + age * (1 - _fraction(entry.request_id) / 20) for age in _ages()]
    if entry.state is State.ACCEPTED:
        times += [accepted_at + age for age in DELIVERY]
    if entry.has_payment and entry.due_date:
        at = entry.due_date + SPREAD * _fraction(entry.request_id)
        times += [at + days for days in AROUND_DUE_DATE if at + days > accepted_at]
    return sorted(times)


def _ages() -> Iterator[timedelta]:
    """Yield the ages at which a message is polled: each wait is twice the one before, up to the horizon."""
    age, wait = FIRST_WAIT, FIRST_WAIT
    while age < HORIZON:
        yield age
        wait = min(wait * 2, LONGEST_WAIT)
        age += wait
    yield HORIZON


def _fraction(request_id: str) -> float:
    """Return a number from 0 to 1, always the same for a request.

    Messages sent together are therefore not polled together for ever.
    """
    return int(hashlib.sha256(request_id.encode()).hexdigest()[-8:], 16) / 0xFFFFFFFF
