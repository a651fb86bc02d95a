"""Ctrl-C, and SIGTERM, which means the same to a program that has to stop its children."""

import asyncio
import signal
from types import FrameType

EXIT_CODE = 130


def treat_sigterm_as_ctrl_c() -> None:
    """From now on SIGTERM raises KeyboardInterrupt, or whatever else Ctrl-C does at the time."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        signal.raise_signal(signal.SIGINT)

    signal.signal(signal.SIGTERM, interrupt)


async def interruption() -> None:
    """Returns at Ctrl-C, instead of being cancelled by it."""
    interrupted = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, interrupted.set)
    await interrupted.wait()
