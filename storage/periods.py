"""The periods for which each kind of data is kept."""

from datetime import timedelta
from typing import Final, NamedTuple


class Periods(NamedTuple):
    """Days, counted from IO's acceptance, or from the end of a request that was never sent.

    documents: None for as long as the ledger's row. parked: from the last time a message was parked. audit:
    from the end of the month of an action.
    """

    contents: int = 90
    documents: int | None = None
    parked: int = 90
    ledger: int = 365
    tombstones: int = 3650
    audit: int = 730

    def of(self, kind: str) -> timedelta:
        """Return the period of one kind, by its name here. Documents without a period are as the ledger."""
        days = getattr(self, kind)
        return timedelta(days=self.ledger if days is None else days)

    def __str__(self) -> str:
        return " ".join(f"{kind}={days}" for kind, days in self._asdict().items())


DEFAULT: Final = Periods()
