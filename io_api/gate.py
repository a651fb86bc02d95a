"""What stands in the way of asking IO, as one tick learns it."""

from datetime import datetime, timedelta

from io_api.errors import Misconfigured, NotSent, RateLimited, Stopped

SOONEST = timedelta(minutes=1)
LEFT_ALONE = timedelta(minutes=15)


class Gate:
    """Which services cannot be asked any more in this tick, and until when nobody can."""

    def __init__(self) -> None:
        self._closed: dict[str, timedelta] = {}
        self._opens_at: datetime | None = None

    def closed_to(self, service: str) -> timedelta | None:
        """How long to leave this service alone, when a call for it would only fail again."""
        return self._closed.get(service)

    def wait(self, now: datetime) -> float:
        """How many seconds nobody should ask."""
        return max(0.0, (self._opens_at - now).total_seconds()) if self._opens_at else 0.0

    def learn(self, service: str, error: NotSent, now: datetime) -> None:
        """A call was not made: a rate limit is over in seconds, anything else not in this tick."""
        if isinstance(error, RateLimited):
            self._opens_at = now + timedelta(seconds=error.retry_after)
        else:
            self._closed[service] = _left_alone(error)


def _left_alone(error: NotSent) -> timedelta:
    """What is stopped may go on soon, the later the longer it has been stopped; settings take their time."""
    if isinstance(error, Stopped):
        return min(LEFT_ALONE, max(SOONEST, timedelta(seconds=error.retry_after)))
    return LEFT_ALONE if isinstance(error, Misconfigured) else SOONEST
