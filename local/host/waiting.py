"""The host's waits and delays."""

import asyncio
import random

SHORTEST_SECONDS = 0.1


async def happens_within(event: asyncio.Event, seconds: float) -> bool:
    """Wait for `event`, at most `seconds`. Return whether it happened."""
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return False
    return True


class Backoff:
    """Random exponential delays from 0.1 s to `longest`: the queue extension's polling strategy."""

    def __init__(self, longest: float) -> None:
        self._longest = longest
        self._doublings = 0

    def reset(self) -> None:
        self._doublings = 0

    def next_delay(self) -> float:
        delay = SHORTEST_SECONDS
        if self._doublings:
            delay += SHORTEST_SECONDS * 2 ** (self._doublings - 1) * random.uniform(0.8, 1.2)
        if delay >= self._longest:
            return self._longest
        self._doublings += 1
        return delay
