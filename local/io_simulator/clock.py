"""The clock that processing, reading and paying follow."""

from datetime import UTC, datetime, timedelta


class SimulatedClock:
    """Real time plus what a test has added, so that days pass in a call."""

    def __init__(self) -> None:
        self._advanced = timedelta()

    def now(self) -> datetime:
        """The simulated instant, in UTC."""
        return datetime.now(UTC) + self._advanced

    def advance(self, seconds: float) -> None:
        """Move forward; it never goes back."""
        self._advanced += timedelta(seconds=seconds)


def iso(instant: datetime) -> str:
    """An instant as IO writes it: UTC, milliseconds, Z."""
    return instant.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
