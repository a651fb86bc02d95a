"""Closing resources at the end of the process."""

import asyncio
import gc

import lifetime


def test_closes_in_order_after_the_last_task() -> None:
    """Resources are closed in order after the last task has ended, even a cancelled one."""
    ended: list[str] = []

    async def close(name: str) -> None:
        await asyncio.sleep(0)
        ended.append(name)

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            ended.append("work")

    async def app() -> None:
        lifetime.close_at_the_end(lambda: close("io"), lambda: close("storage"))
        working = asyncio.create_task(work())
        await asyncio.sleep(0)
        gc.collect()
        assert not working.done()
        assert ended == []

    asyncio.run(app())
    assert ended == ["work", "io", "storage"]


def test_without_a_loop_nothing_happens() -> None:
    """Outside a loop, close_at_the_end does nothing, so the app can be imported."""

    async def close() -> None:
        raise AssertionError

    lifetime.close_at_the_end(close)
