"""What this process has counted and not yet written: a sum for each campaign and service."""

import logging
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, NamedTuple, Self

from storage.facts import accepted_at, facts_of
from storage.ledger import Watcher

log = logging.getLogger(__name__)

STEPS: Final = "steps"
UNCERTAIN: Final = "uncertain"


class Group(NamedTuple):
    """The requests that are counted together."""

    campaign: str | None
    service: str

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Self:
        """Return the group of a request, by the columns of its row in the ledger."""
        return cls(row.get("campaign"), row["service"])


@dataclass
class Sums:
    """The sums of a group: how many requests have each fact, and when the first and the last step was.

    `accepted_at`: when IO last accepted one.
    """

    numbers: Counter[str] = field(default_factory=Counter)
    first_at: datetime | None = None
    last_at: datetime | None = None
    accepted_at: datetime | None = None

    def add(self, other: "Sums") -> None:
        """Add other sums to these."""
        self.numbers.update(other.numbers)
        self.first_at = _of(min, self.first_at, other.first_at)
        self.last_at = _of(max, self.last_at, other.last_at)
        self.accepted_at = _of(max, self.accepted_at, other.accepted_at)

    @classmethod
    def total(cls, parts: Iterable["Sums"]) -> Self:
        """Return the sum of all parts."""
        total = cls()
        for part in parts:
            total.add(part)
        return total


class Tally(Watcher):
    """Notes each step of the ledger. Noting never fails and never waits."""

    def __init__(self) -> None:
        self._sums: dict[Group, Sums] = {}

    def note(self, before: Mapping[str, Any] | None, after: Mapping[str, Any]) -> None:
        """Note that a row of the ledger was written. `before`: as it was, None for a new row."""
        try:
            change = facts_of(after)
            change.subtract(facts_of(before or {}))
            self._add(after, Counter({STEPS: 1, **{fact: by for fact, by in change.items() if by}}))
        except Exception:  # no count may fail a send
            log.exception("a step was not counted")
            self.doubt(after)

    def doubt(self, row: Mapping[str, Any]) -> None:
        """Note that the answer to a write was lost, so that one step may never be counted."""
        self._add(row, Counter({UNCERTAIN: 1}))

    def take(self) -> dict[Group, Sums]:
        """Return the sums since the last call."""
        taken, self._sums = self._sums, {}
        return taken

    def _add(self, row: Mapping[str, Any], numbers: Counter[str]) -> None:
        change = Sums(numbers, row.get("created_at"), row.get("updated_at"))
        if numbers["reached/ACCEPTED"] > 0:
            change.accepted_at = accepted_at(row)
        self._sums.setdefault(Group.of(row), Sums()).add(change)


def _of(choose: Any, one: datetime | None, other: datetime | None) -> datetime | None:
    there = [at for at in (one, other) if at]
    return choose(there) if there else None
