"""Counts of the calls received and answered."""

from collections import Counter, defaultdict
from typing import Any, Literal

Operation = Literal[
    "create_configuration",
    "get_configuration",
    "get_message",
    "get_profile",
    "get_subscriptions",
    "list_configurations",
    "submit_message",
    "update_configuration",
]


class Calls:
    """Counts by operation. A call received but not answered was cut off, or still waits."""

    def __init__(self) -> None:
        self._received: Counter[Operation] = Counter()
        self._answered: defaultdict[Operation, Counter[str]] = defaultdict(Counter)

    def receive(self, operation: Operation) -> None:
        """Count a call that arrived whole, with any key."""
        self._received[operation] += 1

    def answer(self, operation: Operation, status: int) -> None:
        """Count an answer that left whole."""
        self._answered[operation][str(status)] += 1

    def document(self) -> dict[str, Any]:
        """Return {operation: {"received": n, "answered": {status: n}}}."""
        return {
            operation: {"received": received, "answered": dict(self._answered[operation])}
            for operation, received in self._received.items()
        }
