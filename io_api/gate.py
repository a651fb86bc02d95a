"""What stands in the way of asking IO, as one tick learns it."""

from datetime import datetime, timedelta

from io_api.errors import NotSent, RateLimited


class Gate:
    """Which services cannot be asked any more in this tick, and until when nobody can."""

    def __init__(self) -> None:
        self._closed: set[str] = set()
        self._opens_at: datetime | None = None

    def is_closed_to(self, service: str) -> bool:
        """Whether a call for this service would only fail again."""
        return service in self._closed

    def wait(self, now: datetime) -> float:
        """How many seconds nobody should ask."""
        return max(0.0, (self._opens_at - now).total_seconds()) if self._opens_at else 0.0

    def learn(self, service: str, error: NotSent, now: datetime) -> None:
        """A call was not made: a rate limit is over in seconds, anything else not in this tick."""
        if isinstance(error, RateLimited):
            self._opens_at = now + timedelta(seconds=error.retry_after)
        else:
            self._closed.add(service)
