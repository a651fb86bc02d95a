"""Closes clients at the end of the process, of which the platform's Python worker tells an app nothing.

The worker runs the app in `asyncio.run`. Once every task is done, that closes each asynchronous generator
that has begun (loop.shutdown_asyncgens): one that waits in the middle learns of the end.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable

type Close = Callable[[], Awaitable[None]]

_begun: list[object] = []
"""Held here: a generator that nobody holds is closed at once, and a task may vanish."""


def close_at_the_end(*closes: Close) -> None:
    """Have these called, in this order, when the running loop ends; without a loop nobody will."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    waiting = _until_the_end(closes)
    _begun.extend((waiting, asyncio.ensure_future(anext(waiting))))


async def _until_the_end(closes: tuple[Close, ...]) -> AsyncGenerator[None]:
    try:
        yield
    finally:
        for close in closes:
            await close()
