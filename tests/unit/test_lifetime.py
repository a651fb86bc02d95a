"""What is closed when the process ends."""

import asyncio
import gc

import lifetime


def test_closes_in_order_after_the_last_task() -> None:
    """What an app opened is closed when all that uses it is done, even what was cancelled."""
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
    """Whoever only looks at the app, outside of a loop, can import it."""

    async def close() -> None:
        raise AssertionError

    lifetime.close_at_the_end(close)
