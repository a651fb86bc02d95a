"""Ctrl-C and SIGTERM, which mean the same to a program that must stop its children."""

import asyncio
import signal
from types import FrameType

EXIT_CODE = 130


def treat_sigterm_as_ctrl_c() -> None:
    """Make SIGTERM do what Ctrl-C does at the time, such as raise KeyboardInterrupt."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        signal.raise_signal(signal.SIGINT)

    signal.signal(signal.SIGTERM, interrupt)


async def interruption() -> None:
    """Return at Ctrl-C. Ctrl-C then does not cancel the caller."""
    interrupted = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, interrupted.set)
    await interrupted.wait()
