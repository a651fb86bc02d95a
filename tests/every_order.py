"""Runs the product's coroutines one access to a table at a time, in every order of these accesses.

No event loop is involved: a coroutine stops before each access, and the caller chooses which one goes on.
"""

from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Generator, Iterator, Mapping
from typing import Any

from storage.table import ETag, Row, Table
from tests.fake_app import FakeApp
from tests.fakes import FakeTable

type Work = Coroutine[Any, Any, object]


class Pause:
    """The place before an access, where another coroutine may run."""

    def __await__(self) -> Generator[None]:
        yield


class PausingTable(FakeTable):
    """A fake table that pauses before each access."""

    async def get(self, partition: str, key: str) -> Row | None:
        await Pause()
        return await super().get(partition, key)

    async def insert(self, partition: str, key: str, values: Mapping[str, Any]) -> ETag:
        await Pause()
        return await super().insert(partition, key, values)

    async def replace(self, row: Row, values: Mapping[str, Any]) -> ETag:
        await Pause()
        return await super().replace(row, values)

    async def upsert(self, partition: str, key: str, values: Mapping[str, Any]) -> ETag:
        await Pause()
        return await super().upsert(partition, key, values)

    async def merge(self, partition: str, key: str, values: Mapping[str, Any]) -> ETag:
        await Pause()
        return await super().merge(partition, key, values)

    async def rows(
        self, condition: str, *, columns: Collection[str] = (), **parameters: str
    ) -> AsyncIterator[Row]:
        await Pause()
        async for row in super().rows(condition, columns=columns, **parameters):
            yield row


class PausingApp(FakeApp):
    """The app on tables that pause: those of the requests and of the notices."""

    def _table(self, name: str) -> Table:
        if name not in ("ledger", "notices"):
            return super()._table(name)
        return self.tables.setdefault(name, PausingTable(name, self.steps))


def step(work: Work) -> bool:
    """Let a coroutine run to its next pause; return whether there is one."""
    try:
        work.send(None)
    except StopIteration:
        return False
    return True


def finish(work: Work) -> None:
    """Let a coroutine run to its end, without another one in between."""
    while step(work):
        pass


def every_order(begin: Callable[[], list[Work]]) -> Iterator[int]:
    """Run what `begin` returns to its end, in each possible order. Yield the number of the run after it."""
    choices: list[tuple[int, int]] = []  # taken, of how many
    run = 0
    while True:
        choices = _run(begin(), [taken for taken, _ in choices])
        yield run
        run += 1
        while choices and choices[-1][0] + 1 == choices[-1][1]:
            choices.pop()
        if not choices:
            return
        taken, several = choices.pop()
        choices.append((taken + 1, several))


def _run(works: list[Work], plan: list[int]) -> list[tuple[int, int]]:
    """Follow the plan, then always take the first coroutine. Return each choice and how many there were."""
    choices: list[tuple[int, int]] = []
    works = [work for work in works if step(work)]
    while works:
        taken = plan[len(choices)] if len(choices) < len(plan) else 0
        choices.append((taken, len(works)))
        if not step(works[taken]):
            del works[taken]
    return choices
