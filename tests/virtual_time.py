"""An event loop whose time passes only while nobody can do anything: hours of waiting take no time."""

import asyncio
import selectors
from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any

START = datetime(2026, 3, 2, 9, tzinfo=UTC)


class _Jump(selectors.DefaultSelector):
    """Waits for nothing: what it would have waited is what has passed."""

    passed = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise RuntimeError("everybody waits for somebody else")
        self.passed += max(0.0, timeout)
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """Runs coroutines that sleep and compute, and open no sockets."""

    def __init__(self) -> None:
        self._jump = _Jump()
        super().__init__(self._jump)

    def time(self) -> float:
        """Seconds since the start."""
        return self._jump.passed

    def clock(self) -> datetime:
        """The time of day, in UTC."""
        return START + timedelta(seconds=self.time())


def run[Result](main: Coroutine[Any, Any, Result]) -> Result:
    """What `main` returns, on a loop of its own."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)
