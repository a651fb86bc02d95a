"""The storage account's own time, which all workers share; no machine's clock plays a part."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf

from storage.table import written_at

# Two oscillators part by less than this (seconds a second); what was learned is trusted that much less.
DRIFT = 1e-4


@dataclass
class StorageClock:
    """Learns from each write: its Timestamp lies between the moments of the request and of the answer.

    Every write narrows the bounds within which the storage account's time is known; the middle is taken.
    """

    monotonic: Callable[[], float] = time.monotonic
    _low: float = -inf
    _high: float = inf
    _learned_at: float = field(default=0.0, repr=False)

    @property
    def is_known(self) -> bool:
        """Whether any write was seen yet."""
        return self._low > -inf

    def learn(self, etag: str, *, sent: float, received: float) -> None:
        """Take in the ETag of a write, with the monotonic times around it."""
        at = written_at(etag).timestamp()
        low, high = at - received, at - sent
        drift = DRIFT * (received - self._learned_at)
        if low > self._high + drift or high < self._low - drift:  # another server's clock answers now
            self._low, self._high = low, high
        else:
            self._low, self._high = max(low, self._low - drift), min(high, self._high + drift)
        self._learned_at = received

    def now(self) -> float:
        """Seconds since the epoch, by the storage account's clock."""
        return self.monotonic() + (self._low + self._high) / 2
