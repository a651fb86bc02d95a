"""The simulator's control endpoints, as the tests use them (described in local/io_simulator)."""

from datetime import timedelta
from typing import Any

import aiohttp

IN_FULL_SWING = 10
"""The number of messages that IO accepts at once before it becomes slow."""
SLOW = {
    "operation": "submit_message",
    "kind": "slow",
    "seconds": 5,
    "after": IN_FULL_SWING,
    "probability": 1,
}
"""After those, messages stay in flight to IO for long enough that a test sees them."""


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

    async def in_full_swing(self) -> bool:
        """Whether IO has accepted messages and, being SLOW, has others unanswered."""
        calls = (await self.calls()).get("submit_message", {"received": 0, "answered": {}})
        unanswered = calls["received"] - sum(calls["answered"].values())
        return len(await self.messages()) >= IN_FULL_SWING and unanswered > 3

    async def _post(self, name: str, document: Any) -> None:
        async with self._session.post(name, json=document):
            return

    async def _get(self, name: str) -> Any:
        async with self._session.get(name) as answer:
            return await answer.json()
