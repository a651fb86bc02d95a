"""The count of the calls received and answered."""

from collections import Counter, defaultdict
from typing import Any, Literal

Operation = Literal["get_message", "get_profile", "submit_message"]


class Calls:
    """Counts by operation; what was received and not answered was cut off, or is still waiting."""

    def __init__(self) -> None:
        self._received: Counter[Operation] = Counter()
        self._answered: defaultdict[Operation, Counter[str]] = defaultdict(Counter)

    def receive(self, operation: Operation) -> None:
        """A call arrived whole, with whatever key."""
        self._received[operation] += 1

    def answer(self, operation: Operation, status: int) -> None:
        """A whole answer left."""
        self._answered[operation][str(status)] += 1

    def document(self) -> dict[str, Any]:
        """{operation: {"received": n, "answered": {status: n}}}"""
        return {
            operation: {"received": received, "answered": dict(self._answered[operation])}
            for operation, received in self._received.items()
        }
