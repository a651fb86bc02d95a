"""The backoff of one tick: when not to call IO, as the tick's own calls show."""

from datetime import datetime, timedelta

from io_api.errors import Misconfigured, NotSent, RateLimited, Suspended

SHORTEST_DELAY = timedelta(minutes=1)
LONGEST_DELAY = timedelta(minutes=15)


class Backoff:
    """Holds the services that this tick must not call for, and the time until which no call may be made."""

    def __init__(self) -> None:
        self._delays: dict[str, timedelta] = {}
        self._resumes_at: datetime | None = None

    def delay_for(self, service: str) -> timedelta | None:
        """Return how long to make no call for this service, or None if a call for it may succeed."""
        return self._delays.get(service)

    def wait(self, now: datetime) -> float:
        """Return for how many seconds no call may be made."""
        return max(0.0, (self._resumes_at - now).total_seconds()) if self._resumes_at else 0.0

    def record(self, service: str, error: NotSent, now: datetime) -> None:
        """Record why a call was not made. A rate limit ends in seconds; other causes outlast this tick."""
        if isinstance(error, RateLimited):
            self._resumes_at = now + timedelta(seconds=error.retry_after)
        else:
            self._delays[service] = _delay(error)


def _delay(error: NotSent) -> timedelta:
    """Return the delay for a service. A suspension may end soon, and its delay grows with its age.

    A correction of the settings takes longer.
    """
    if isinstance(error, Suspended):
        return min(LONGEST_DELAY, max(SHORTEST_DELAY, timedelta(seconds=error.retry_after)))
    return LONGEST_DELAY if isinstance(error, Misconfigured) else SHORTEST_DELAY
