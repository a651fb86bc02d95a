"""The simulator's control endpoints, as the tests use them (described in local/io_simulator)."""

import asyncio
from datetime import timedelta
from typing import Any

import aiohttp

_LIMIT_SECONDS = 60
_AT_ONCE, _LATE = 10, 16
_SLOW = {"operation": "submit_message", "kind": "slow", "after": _AT_ONCE}
FULL_SWING = (_SLOW | {"seconds": 1, "count": _LATE}, _SLOW | {"seconds": 45, "probability": 1})
"""IO accepts some messages at once, others late, so the app lets more in flight; the rest stay in flight.

They stay until the test clears the faults, or until shortly before the app gives up.
"""


class SimulatorControl:
    """Scripts the simulated IO and reads its state; `origin` is like http://127.0.0.1:7072."""

    def __init__(self, origin: str) -> None:
        self._session = aiohttp.ClientSession(f"{origin}/simulator/", raise_for_status=True)

    async def aclose(self) -> None:
        await self._session.close()

    async def citizens(self, scripts: dict[str, dict[str, Any]]) -> None:
        """Set the behaviour of each fiscal code (or "default")."""
        await self._post("citizens", scripts)

    async def advance(self, time: timedelta) -> None:
        """Advance IO's clock."""
        await self._post("clock", {"advance_seconds": time.total_seconds()})

    async def keys(self, keys: dict[str, list[str]]) -> None:
        """Set the only valid keys of each named service."""
        await self._post("keys", keys)

    async def faults(self, *faults: dict[str, Any]) -> None:
        """Append faults to the queue."""
        await self._post("faults", faults)

    async def clear_faults(self) -> None:
        async with self._session.delete("faults"):
            return

    async def messages(self) -> list[dict[str, Any]]:
        """Every message that IO accepted, in order."""
        messages: list[dict[str, Any]] = (await self._get("messages"))["messages"]
        return messages

    async def calls(self) -> dict[str, Any]:
        """The calls received and answered, by operation and status."""
        operations: dict[str, Any] = (await self._get("calls"))["operations"]
        return operations

    async def until_answered(self, submissions: int, *, others_in_flight: int = 0) -> None:
        """Wait until IO has answered this many submissions, and this many others have no answer yet.

        It asks IO alone: a look at storage takes so long on a loaded machine that the moment may be over.
        """
        async with asyncio.timeout(_LIMIT_SECONDS):
            while True:
                calls = (await self.calls()).get("submit_message", {"received": 0, "answered": {}})
                answered = sum(calls["answered"].values())
                if answered >= submissions and calls["received"] - answered >= others_in_flight:
                    return
                await asyncio.sleep(0.1)

    async def until_full_swing(self) -> None:
        """Wait until messages stay in flight (see FULL_SWING)."""
        await self.until_answered(_AT_ONCE + _LATE, others_in_flight=4)

    async def _post(self, name: str, document: Any) -> None:
        async with self._session.post(name, json=document):
            return

    async def _get(self, name: str) -> Any:
        async with self._session.get(name) as answer:
            return await answer.json()
