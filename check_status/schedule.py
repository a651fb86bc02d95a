"""When to look at a message again, and when nothing more can change that anyone waits for."""

import hashlib
from collections.abc import Iterator
from datetime import datetime, timedelta

from storage.ledger import DELIVERED, Entry, State

# While IO works on a message: seconds as a rule, so these few cost next to nothing.
DELIVERY = (timedelta(seconds=10), timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=30))
# Then by age. Of the ladders in benchmarks/ this one has the shortest lag for about six calls a message.
FIRST_WAIT = timedelta(hours=3, minutes=30)
LONGEST_WAIT = timedelta(days=14)
HORIZON = timedelta(days=60)
# People pay around the due date, which is the last moment of its day.
AROUND_DUE_DATE = (timedelta(days=-3), timedelta(0), timedelta(days=1))
SPREAD = timedelta(hours=12)
# The last look may be made so late, and be repeated so often; after that it is over.
GRACE = timedelta(days=7)
LAST_AGAIN = timedelta(days=1)


def next_poll(entry: Entry, now: datetime, stretch: int = 1) -> datetime | None:
    """The time of the next look; None: it is not followed any longer.

    The looks are at fixed times (times), so that two rows of the due index that a crash left of one message
    meet in one again. `stretch` makes the wait so many times longer, by leaving times out.
    """
    if not _can_change(entry):
        return None
    times = [time for time in _poll_times(entry, now) if time > now]
    if not times:
        return None
    not_before = now + (times[0] - now) * stretch
    return next((time for time in times if time >= not_before), times[-1])


def next_poll_after_failure(entry: Entry, now: datetime, stretch: int = 1) -> datetime:
    """The time of the next look when this one failed; the last one is repeated each day, until it is over."""
    last = _poll_times(entry, now)[-1]
    return next_poll(entry, now, stretch) or last + LAST_AGAIN * ((now - last) // LAST_AGAIN + 1)


def postponed(entry: Entry, wait: timedelta, now: datetime) -> datetime:
    """The time of a look that could not be made now; not the same for all that are put off together."""
    return now + wait * (1 + _fraction(entry.request_id))


def stretch(late: timedelta) -> int:
    """How many times longer the waits are when looks are made so late: IO's quota is not enough for all.

    Each day adds one, so that the looks become fewer until they are made in time.
    """
    return 1 + max(late, timedelta(0)).days


def is_over(entry: Entry, now: datetime) -> bool:
    """Whether a message is not looked at any more: nothing can change, or its last look is long past."""
    return not _can_change(entry) or now > _poll_times(entry, now)[-1] + GRACE


def _can_change(entry: Entry) -> bool:
    """Whether IO may still tell something of a message that anyone waits for."""
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
    """The ages of a message at which it is looked at: each wait twice the one before, up to the horizon."""
    age, wait = FIRST_WAIT, FIRST_WAIT
    while age < HORIZON:
        yield age
        wait = min(wait * 2, LONGEST_WAIT)
        age += wait
    yield HORIZON


def _fraction(request_id: str) -> float:
    """0 to 1, always the same for a request: messages sent together are not looked at together for ever."""
    return int(hashlib.sha256(request_id.encode()).hexdigest()[-8:], 16) / 0xFFFFFFFF
