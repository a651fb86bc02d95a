"""The storage account's own time, which all workers share. No machine's clock plays a part."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf

from storage.table import ETag, written_between

log = logging.getLogger(__name__)

# Two clocks drift apart by less than this (seconds per second), so the known bounds widen by as much.
DRIFT = 1e-4


@dataclass
class StorageClock:
    """Learns the time from each write, whose Timestamp lies between the request and the answer.

    Every write narrows the bounds of the storage account's time. `now` is the middle between the bounds. Once
    the account has given whole seconds only, `now` is the earlier bound. A call may then leave up to `late`
    seconds after its slot, a second at first and less with each write, but never before its slot.
    """

    monotonic: Callable[[], float] = time.monotonic
    _low: float = -inf
    _high: float = inf
    _learned_at: float = field(default=0.0, repr=False)
    _is_coarse: bool = False

    @property
    def is_known(self) -> bool:
        """Whether any write has been seen yet."""
        return self._low > -inf

    @property
    def late(self) -> float:
        """How many seconds `now` lags at most; 0 while the account gives fractions of seconds."""
        return self._high - self._low if self._is_coarse else 0.0

    def learn(self, etag: ETag, *, sent: float, received: float) -> None:
        """Learn from the answer to a write, with the monotonic times around the write. Raises Unanswered."""
        earliest, latest = written_between(etag)
        if latest > earliest and not self._is_coarse:
            self._is_coarse = True
            log.warning("storage ETags hold no time: the Date of the answers is used, at a lower call rate")
        low, high = earliest - received, latest - sent
        drift = DRIFT * (received - self._learned_at)
        if low > self._high + drift or high < self._low - drift:  # another server's clock answers now
            self._low, self._high = low, high
        else:
            self._low, self._high = max(low, self._low - drift), min(high, self._high + drift)
        self._learned_at = received

    def now(self) -> float:
        """Return the seconds since the epoch, by the storage account's clock."""
        if self._is_coarse:
            return self.monotonic() + self._low
        return self.monotonic() + (self._low + self._high) / 2
