"""API Management's rate limit: calls of one account in a sliding window of real time."""

import math
from collections import deque
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class RateLimit:
    """At most `calls` in any `seconds`. None means no limit (IO's group ApiNoRateLimit)."""

    calls: int | None = 150
    seconds: float = 5


@dataclass(frozen=True, slots=True)
class Admission:
    """The window's answer to one call. Exactly one field is set, or neither if there is no limit."""

    remaining: int | None = None
    retry_after: int | None = None


@dataclass(slots=True)
class SlidingWindow:
    """The calls of one account. Refused calls do not use up the limit, but count for `busiest`."""

    limit: RateLimit
    busiest: int = 0
    _seen: deque[float] = field(default_factory=deque)
    _admitted: deque[float] = field(default_factory=deque)

    def admit(self, now: float) -> Admission:
        """Admit a call at the monotonic instant `now`, or give the whole seconds after which to retry."""
        start = now - self.limit.seconds
        _forget(self._seen, start)
        self._seen.append(now)
        self.busiest = max(self.busiest, len(self._seen))
        if self.limit.calls is None:
            return Admission()
        _forget(self._admitted, start)
        if len(self._admitted) >= self.limit.calls:
            return Admission(retry_after=max(1, math.ceil(self._admitted[0] - start)))
        self._admitted.append(now)
        return Admission(remaining=self.limit.calls - len(self._admitted))


def _forget(instants: deque[float], until: float) -> None:
    while instants and instants[0] <= until:
        instants.popleft()


class RateLimiter:
    """Holds one window per account, for all its services, keys and endpoints."""

    def __init__(self, limit: RateLimit) -> None:
        self._limit = limit
        self._windows: dict[str, SlidingWindow] = {}

    def admit(self, account: str, now: float) -> Admission:
        """Do as `SlidingWindow.admit`, for the account."""
        if account not in self._windows:
            self._windows[account] = SlidingWindow(self._limit)
        return self._windows[account].admit(now)

    @property
    def busiest_window(self) -> int:
        """The most calls of one account within the limit's period, refused ones included."""
        return max((window.busiest for window in self._windows.values()), default=0)
