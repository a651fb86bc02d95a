"""The account's rate budget: one row that all workers share, and the slots that each priority gets from it.

IO counts the calls of an account, whatever the service, key or endpoint, in a sliding window
(pagopa/io-infra, policy of the product io_services: 150 calls in 5 s). The row holds the next free slot (a
generic cell rate algorithm). A worker moves that slot forward with a conditional write, and calls at the
slots that it reserved. This module is arithmetic only: `rate_limiter.py` keeps the row.

Times are seconds of the storage account's clock, rates are calls per second.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from enum import IntEnum
from typing import Any, NamedTuple, Self

from settings import RateLimit


class Priority(IntEnum):
    """The order of calls when the budget is not enough for all."""

    SEND = 0
    CHECK = 1
    POLL = 2
    REMINDER = 3
    BULK_SEND = 4
    BULK_CHECK = 5


SHARES: Mapping[Priority, float] = {
    Priority.CHECK: 0.1,
    Priority.POLL: 0.06,
    Priority.REMINDER: 0.02,
    Priority.BULK_SEND: 0.02,
    Priority.BULK_CHECK: 0.02,
}
"""The least part of the rate that a priority gets while the priorities before it want everything."""

# Three of 150 places in the window stay free, for calls that leave or arrive a little late.
USED = 0.98
# A call that would leave later than this after its slot could overfill the next window: it takes a new slot.
LATEST = 1 - USED  # of the limit's period
CHUNK_SECONDS = 0.5
SAVED_SECONDS = 3.0
# A worker reserves its next chunk at most this long after the end of the last one.
GRACE_SECONDS = 0.25
# Bulk calls reserve only while so little is reserved, so that any other call finds a slot within a second or
# so. Longer than the pause of a process that got no slot (rate_limiter.RETRY_SECONDS), so that none is lost.
BULK_AHEAD_SECONDS = 0.3
# No slot is sooner than this, so that the answer to the reserving write arrives before the slot.
SOONEST_SECONDS = 0.02

CUT = 0.9  # of the rate remains after a 429, at most once a window
LEAST = 0.05  # of the limit
# IO's answers give the calls left in the window. While more than this part of the limit is left, the rate
# rises in proportion, by at most a hundredth of the limit a second. When less is left, another client is
# calling, and the rate sinks.
LEFT = 1 / 75
GAIN = 0.5
RISE = 0.01
# Where IO does not give the calls left, the rate rises half as fast, until the next 429.
BLIND_RISE = RISE / 2


class Feedback(NamedTuple):
    """What IO's answers have shown since the last reservation."""

    least_left: int | None = None  # x-rate-limit-remaining
    answered: bool = False  # an answer without that header, not a 429
    refused: bool = False  # a 429
    retry_after: float = 0.0  # its x-rate-limit-retry-after, in seconds


class Slot(NamedTuple):
    """An instant at which one call may leave."""

    at: float
    priority: Priority


@dataclass(frozen=True)
class Budget:
    """The content of the row.

    next_free: the first free slot. rate: slots given per second, of a `limit` of so many calls per second.
    sending_until, polling_until: until then some worker waits to send (or check), or to poll.
    ..._from: since when each priority has not used its share.
    """

    rate: float
    limit: float = 0.0
    next_free: float = 0.0
    cut_at: float = 0.0
    steered_at: float = 0.0
    sending_until: float = 0.0
    polling_until: float = 0.0
    check_from: float = 0.0
    poll_from: float = 0.0
    reminder_from: float = 0.0
    bulk_send_from: float = 0.0
    bulk_check_from: float = 0.0

    @classmethod
    def full(cls, limit: RateLimit) -> Self:
        """Return the budget before the first call."""
        return cls(rate=USED * limit.rate, limit=limit.rate)

    @classmethod
    def of(cls, values: Mapping[str, Any], limit: RateLimit) -> Self:
        """Return the budget that a row holds. After a change of the limit, the rate keeps its part of it."""
        known = cls(**{name: float(values[name]) for name in asdict(cls.full(limit)) if name in values})
        rate = known.rate * limit.rate / known.limit if known.limit else known.rate
        return replace(known, rate=min(rate, USED * limit.rate), limit=limit.rate)

    def values(self) -> dict[str, float]:
        """Return the row's columns."""
        return asdict(self)

    def adjusted(self, limit: RateLimit, feedback: Feedback, now: float) -> Self:
        """Return the budget with the rate that IO's answers require: raised slowly, lowered at once."""
        if feedback.refused:
            return self._cut(limit, feedback, now)
        has_feedback = feedback.answered or feedback.least_left is not None
        if not has_feedback or now - self.cut_at < limit.seconds:
            return self
        left = feedback.least_left
        step = BLIND_RISE if left is None else min(RISE, GAIN * (left / limit.calls - LEFT))
        rate = self.rate + step * limit.rate * min(1.0, now - self.steered_at)
        return replace(self, rate=_within(limit, rate), steered_at=now)

    def _cut(self, limit: RateLimit, feedback: Feedback, now: float) -> Self:
        pause = (
            feedback.retry_after if feedback.retry_after > limit.seconds else 0
        )  # a shorter wait is only the window
        cut = replace(self, next_free=max(self.next_free, now + pause))
        if now - self.cut_at < limit.seconds:
            return cut
        return replace(cut, rate=_within(limit, CUT * self.rate), cut_at=now, steered_at=now)

    def reserve(self, wants: Mapping[Priority, int], now: float) -> tuple[Self, list[Slot]]:
        """Give slots to the calls that want them, at most a chunk. Return the new budget and the slots."""
        granted, shares = self._granted(wants, now)
        start = max(self.next_free, now + SOONEST_SECONDS)
        order = [priority for priority in Priority for _ in range(granted[priority])]
        slots = [Slot(start + number / self.rate, priority) for number, priority in enumerate(order)]
        after = replace(self, next_free=start + len(slots) / self.rate if slots else self.next_free, **shares)
        return after._with_waiting(wants, granted, start - now), slots

    def _granted(
        self, wants: Mapping[Priority, int], now: float
    ) -> tuple[dict[Priority, int], dict[str, float]]:
        """Return how many slots each priority gets, and since when each share is unused."""
        room = max(1, round(self.rate * CHUNK_SECONDS))
        granted, shares = dict.fromkeys(Priority, 0), {}
        for priority, share in SHARES.items():
            since = max(self._share_from(priority), now - SAVED_SECONDS)
            due = int((now - since) * share * self.rate)
            granted[priority] = min(wants.get(priority, 0), due, room)
            shares[_share_column(priority)] = since + granted[priority] / (share * self.rate)
            room -= granted[priority]
        for priority in Priority:
            more = min(wants.get(priority, 0) - granted[priority], room)
            if self._is_outranked(priority, wants, granted, now):
                more = 0
            granted[priority] += more
            room -= more
        return granted, shares

    def _is_outranked(
        self, priority: Priority, wants: Mapping[Priority, int], granted: Mapping[Priority, int], now: float
    ) -> bool:
        """Return whether a call of a higher priority waits, in this worker or another.

        Every worker has sends and checks, so these two are not ranked between workers.
        """
        if any(wants.get(before, 0) > granted[before] for before in Priority if before < priority):
            return True
        if priority >= Priority.BULK_SEND:
            return self.next_free - now > BULK_AHEAD_SECONDS
        sending = priority >= Priority.POLL and self.sending_until > now
        return sending or (priority is Priority.REMINDER and self.polling_until > now)

    def _with_waiting(
        self, wants: Mapping[Priority, int], granted: Mapping[Priority, int], wait: float
    ) -> Self:
        def waits(*priorities: Priority) -> bool:
            wanted = sum(wants.get(priority, 0) for priority in priorities)
            given = sum(granted[priority] for priority in priorities)
            return wanted > given or (given > 0 and wait > CHUNK_SECONDS)

        until = self.next_free + GRACE_SECONDS
        return replace(
            self,
            sending_until=until if waits(Priority.SEND, Priority.CHECK) else self.sending_until,
            polling_until=until if waits(Priority.POLL) else self.polling_until,
        )

    def _share_from(self, priority: Priority) -> float:
        since: float = getattr(self, _share_column(priority))
        return since


def _share_column(priority: Priority) -> str:
    return f"{priority.name.lower()}_from"


def _within(limit: RateLimit, rate: float) -> float:
    return min(USED * limit.rate, max(LEAST * limit.rate, rate))
