"""An event loop whose clock jumps whenever every task waits: hours of waiting take no time."""

import asyncio
import selectors
from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any

START = datetime(2026, 3, 2, 9, tzinfo=UTC)


class _Jump(selectors.DefaultSelector):
    """A selector that never blocks: it adds the timeout to the virtual time instead."""

    passed = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise RuntimeError("everybody waits for somebody else")
        self.passed += max(0.0, timeout)
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop for coroutines that sleep and compute, and open no sockets."""

    def __init__(self) -> None:
        self._jump = _Jump()
        super().__init__(self._jump)

    def time(self) -> float:
        """Seconds since the start."""
        return self._jump.passed

    def clock(self) -> datetime:
        """The virtual time of day, in UTC."""
        return START + timedelta(seconds=self.time())


def run[Result](main: Coroutine[Any, Any, Result]) -> Result:
    """Run `main` on a loop of its own, and return its result."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)
