"""Runs work beside the app, and closes clients at the end of the process.

The platform's Python worker does not announce that end. It runs the app in `asyncio.run`. Once every task is
done, `asyncio.run` closes each asynchronous generator that has begun (loop.shutdown_asyncgens). A generator
that waits at its `yield` learns of the end.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from typing import Any

type Close = Callable[[], Awaitable[None]]

_begun: list[object] = []
"""Keeps references: without one, a generator is closed at once, and a task may vanish."""


def close_at_the_end(*closes: Close) -> None:
    """Call these, in this order, when the running loop ends. Without a running loop, none is called."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    waiting = _until_the_end(closes)
    _begun.extend((waiting, asyncio.ensure_future(anext(waiting))))


def keep_running(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run this beside the app until the running loop ends. Without a running loop, nothing runs."""
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return
    _begun.append(loop.create_task(work()))


async def _until_the_end(closes: tuple[Close, ...]) -> AsyncGenerator[None]:
    try:
        yield
    finally:
        for close in closes:
            await close()
