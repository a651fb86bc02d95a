"""Calls to IO per message, and the lag until its reading is noticed, for our schedule and others.

The model is an assumption, to be replaced by an institution's own figures. Recipients read 65 % of the
messages, after a lognormal time with a median of 6 h and a sigma of 1.8. No message is followed beyond 60
days. Every schedule has the poll for the delivery, ten seconds after acceptance, and ticks of five minutes.
"""

import math
import random
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from statistics import median, quantiles
from typing import Final

from check_status.schedule import HORIZON, next_poll
from storage.ledger import Entry, State

READ: Final = 0.65
MEDIAN_HOURS: Final = 6.0
SIGMA: Final = 1.8
HORIZON_HOURS: Final = HORIZON / timedelta(hours=1)
TICK_HOURS: Final = 5 / 60
CALLS_A_SECOND: Final = 24  # of the 30 that IO allows, the part that sending leaves for polls
ACCEPTED_AT: Final = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)

# Takes the number of a message; returns the hours after acceptance of its polls until it is read.
type Schedule = Callable[[int], Sequence[float]]


@dataclass(frozen=True)
class ModelRow:
    """One schedule: the most and the mean polls per message, and the lag of the messages read, in hours."""

    schedule: str
    most_polls: int
    calls: float
    median_lag_hours: float
    p95_lag_hours: float
    sustainable_a_day: int


def ours(number: int) -> list[float]:
    """Return the hours that check_status/schedule.py gives for a delivered message that is not read."""
    entry = replace(_DELIVERED, request_id=f"m-{number}")
    at, hours = ACCEPTED_AT + timedelta(seconds=10), []
    while found := next_poll(entry, at):
        at = found
        hours.append((at - ACCEPTED_AT) / timedelta(hours=1))
    return hours


def every(hours: float) -> Schedule:
    """Return a schedule with a fixed interval."""
    polls = [hours * (number + 1) for number in range(int(HORIZON_HOURS / hours))]
    return lambda number: polls


def ladder(first: float, factor: float, cap: float) -> Schedule:
    """Return a schedule with a wait of `first` hours, then each `factor` times longer, up to `cap` hours."""
    polls, at, wait = [], first, first
    while at < HORIZON_HOURS:
        polls.append(at)
        wait = min(wait * factor, cap)
        at += wait
    return lambda number: [*polls, HORIZON_HOURS]


SCHEDULES: Final[dict[str, Schedule]] = {
    "every 5 min": every(5 / 60),
    "every hour": every(1),
    "every day": every(24),
    "1 h x2, 7 d at most": ladder(1, 2, 168),
    "4 h x2, 7 d at most": ladder(4, 2, 168),
    "6 h x3, 14 d at most": ladder(6, 3, 336),
    "24 h x2, 14 d at most": ladder(24, 2, 336),
    "after 7 and 60 days": lambda number: [168, HORIZON_HOURS],
    "ours": ours,
}


def compare(samples: int, seed: int = 1) -> list[ModelRow]:
    """Run every schedule over the same messages."""
    rng = random.Random(seed)
    reads = [_reads_after(rng) for _ in range(samples)]
    return [_row(name, schedule, reads, rng) for name, schedule in SCHEDULES.items()]


def _reads_after(rng: random.Random) -> float:
    """Return the hours until a message is read; infinite for one never read."""
    return rng.lognormvariate(math.log(MEDIAN_HOURS), SIGMA) if rng.random() < READ else math.inf


def _row(name: str, schedule: Schedule, reads: Sequence[float], rng: random.Random) -> ModelRow:
    calls, lags, most = 0, [], 0
    for number, read in enumerate(reads):
        polls = schedule(number)
        late = rng.random() * TICK_HOURS
        found = bisect_left(polls, read - late)  # a poll happens at the tick after its time
        calls += 1 + min(found + 1, len(polls))
        most = max(most, 1 + len(polls))
        if found < len(polls):
            lags.append(polls[found] + late - read)
    mean = calls / len(reads)
    p95 = quantiles(lags, n=20)[-1]
    return ModelRow(name, most, mean, median(lags), p95, int(CALLS_A_SECOND * 86_400 / mean))


_DELIVERED: Final = Entry(
    request_id="m",
    state=State.PROCESSED,
    service="default",
    feature_level_type="ADVANCED",
    recipient="",
    sealed_fiscal_code=b"",
    content_digest="",
    created_at=ACCEPTED_AT,
    updated_at=ACCEPTED_AT,
    waiting_since=ACCEPTED_AT,
    status="PROCESSED",
    read_status="UNREAD",
    history=({"at": ACCEPTED_AT.isoformat(), "what": "ACCEPTED"},),
)
