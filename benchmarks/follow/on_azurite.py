"""The same tick on Azurite. Azurite limits its speed: it is one process, and its table scan grows."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from benchmarks.follow.tick_cost import START, Post
from local.azurite import Azurite
from settings import Settings
from storage.account import StorageAccount
from storage.due_index import DueIndex
from storage.table import Table
from tests.samples import KEYS

TOGETHER = 32


@dataclass(frozen=True)
class AzuriteTime:
    """The seconds of a tick, and of its one query alone, for which Azurite reads every row of the table."""

    tracked: int
    due: int
    tick_seconds: float
    query_seconds: float


async def measure(tracked: int, due: int, progress: Callable[[str], None]) -> AzuriteTime:
    """Start an emulator, seed it, and run one tick."""
    with Azurite() as azurite:
        account = StorageAccount(_settings(azurite.connection_string))
        try:
            return await _measure(account, tracked, due, progress)
        finally:
            await account.aclose()


async def _measure(
    account: StorageAccount, tracked: int, due: int, progress: Callable[[str], None]
) -> AzuriteTime:
    ledger_table, due_table = account.table("ledger"), account.table("due")
    post = Post(ledger_table, due_table)
    await post.deliver(due)
    await _seed(due_table, post.due_index, tracked - due, progress)
    progress(f"Azurite, {tracked:,} tracked: ticking")
    began = time.perf_counter()
    found = [entry async for entry in post.due_index.due(f"{START:%Y%m%d%H%M}")]
    query_seconds = time.perf_counter() - began
    if len(found) != due:
        raise AssertionError(f"{len(found)} of {due} rows were found due")
    began = time.perf_counter()
    await post.tick()
    return AzuriteTime(tracked, due, time.perf_counter() - began, query_seconds)


async def _seed(table: Table, index: DueIndex, count: int, progress: Callable[[str], None]) -> None:
    for first in range(0, count, TOGETHER):
        if first % (TOGETHER * 100) == 0:
            progress(f"Azurite: {first:,} of {count:,} rows seeded")
        later = (START + timedelta(hours=1, minutes=number) for number in range(first, first + TOGETHER))
        await asyncio.gather(
            *(
                index.put(f"m-{first + place:08}", at)
                for place, at in zip(range(TOGETHER), later, strict=True)
            )
        )


def _settings(connection_string: str) -> Settings:
    keys = KEYS[0].get_secret_value()
    values = {"AzureWebJobsStorage": connection_string, "IO_API_KEY": "none", "ENCRYPTION_KEYS": keys}
    return Settings.model_validate(values)
