"""What stands in the way of asking IO, as one tick learns it."""

from datetime import datetime, timedelta

from io_api.errors import Misconfigured, NotSent, RateLimited, Suspended

SHORTEST_DELAY = timedelta(minutes=1)
LONGEST_DELAY = timedelta(minutes=15)


class Backoff:
    """Which services cannot be asked any more in this tick, and until when nobody can."""

    def __init__(self) -> None:
        self._delays: dict[str, timedelta] = {}
        self._resumes_at: datetime | None = None

    def delay_for(self, service: str) -> timedelta | None:
        """How long to leave this service alone, when a call for it would only fail again."""
        return self._delays.get(service)

    def wait(self, now: datetime) -> float:
        """How many seconds nobody should ask."""
        return max(0.0, (self._resumes_at - now).total_seconds()) if self._resumes_at else 0.0

    def record(self, service: str, error: NotSent, now: datetime) -> None:
        """A call was not made: a rate limit is over in seconds, anything else not in this tick."""
        if isinstance(error, RateLimited):
            self._resumes_at = now + timedelta(seconds=error.retry_after)
        else:
            self._delays[service] = _delay(error)


def _delay(error: NotSent) -> timedelta:
    """What is stopped may go on soon, the later the longer it has been stopped; settings take their time."""
    if isinstance(error, Suspended):
        return min(LONGEST_DELAY, max(SHORTEST_DELAY, timedelta(seconds=error.retry_after)))
    return LONGEST_DELAY if isinstance(error, Misconfigured) else SHORTEST_DELAY
