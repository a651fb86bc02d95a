"""The clock for processing, reading and paying."""

from datetime import UTC, datetime, timedelta


class SimulatedClock:
    """Real time plus the time that a test has added, so that days pass in one call."""

    def __init__(self) -> None:
        self._advanced = timedelta()

    def now(self) -> datetime:
        """Return the simulated instant, in UTC."""
        return datetime.now(UTC) + self._advanced

    def advance(self, seconds: float) -> None:
        """Move the clock forward. It never goes back."""
        self._advanced += timedelta(seconds=seconds)


def iso(instant: datetime) -> str:
    """Return an instant as IO writes it: UTC, milliseconds, Z."""
    return instant.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
