"""The outages of Postino's dependencies: how each begins and ends."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from tests.e2e.storage_proxy import ALL, StorageProxy
from tests.e2e.world import World

type Change = Callable[[World, StorageProxy], Awaitable[None]]


@dataclass(frozen=True)
class Outage:
    """One kind of outage: how it begins, and how it ends."""

    name: str
    begin: Change
    end: Change


def _fault(operation: str, kind: str) -> Change:
    async def begin(world: World, _: StorageProxy) -> None:
        await world.io.faults({"operation": operation, "kind": kind, "probability": 1})

    return begin


async def _mended(world: World, _: StorageProxy) -> None:
    await world.io.clear_faults()


def _keys(*keys: str) -> Change:
    async def change(world: World, _: StorageProxy) -> None:
        await world.io.keys({"default": [*keys]})

    return change


def _refused(*tables: str) -> Change:
    async def change(_: World, proxy: StorageProxy) -> None:
        proxy.refused = tables

    return change


async def _storage_goes(world: World, _: StorageProxy) -> None:
    world.storage.stop()


async def _storage_comes(world: World, _: StorageProxy) -> None:
    world.storage.start()


def _of_io(name: str, operation: str, kind: str) -> Outage:
    return Outage(name, _fault(operation, kind), _mended)


KEY: Final[Any] = "simulator-key"
OUTAGES: Final = (
    _of_io("profiles answer 503", "get_profile", "503_before"),
    _of_io("profiles time out", "get_profile", "hang"),
    _of_io("POST answers 503", "submit_message", "503_before"),
    _of_io("POST times out", "submit_message", "hang"),
    _of_io("POST accepts, then 502", "submit_message", "502_after"),
    Outage("tables answer 403", _refused(ALL), _refused()),
    Outage("IO refuses the key", _keys(), _keys(KEY)),
    Outage("storage is gone", _storage_goes, _storage_comes),
)
