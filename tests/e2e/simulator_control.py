"""The simulator's control endpoints, as tests use them (local/io_simulator tells what each takes)."""

from typing import Any

import aiohttp


class SimulatorControl:
    """Scripts the simulated IO and tells what it has seen; `origin` is like http://127.0.0.1:7072."""

    def __init__(self, origin: str) -> None:
        self._session = aiohttp.ClientSession(f"{origin}/simulator/", raise_for_status=True)

    async def aclose(self) -> None:
        await self._session.close()

    async def citizens(self, scripts: dict[str, dict[str, Any]]) -> None:
        """What each fiscal code (or "default") does."""
        await self._post("citizens", scripts)

    async def keys(self, keys: dict[str, list[str]]) -> None:
        """The only valid keys of each service named."""
        await self._post("keys", keys)

    async def faults(self, *faults: dict[str, Any]) -> None:
        """Append faults to those still to come."""
        await self._post("faults", faults)

    async def clear_faults(self) -> None:
        async with self._session.delete("faults"):
            return

    async def messages(self) -> list[dict[str, Any]]:
        """Every message that IO accepted, in order."""
        messages: list[dict[str, Any]] = (await self._get("messages"))["messages"]
        return messages

    async def calls(self) -> dict[str, Any]:
        """By operation, the calls received and those answered by status."""
        operations: dict[str, Any] = (await self._get("calls"))["operations"]
        return operations

    async def unanswered(self, operation: str) -> int:
        """How many calls have been received and not answered: they wait, or their connection is gone."""
        calls = (await self.calls()).get(operation, {"received": 0, "answered": {}})
        return int(calls["received"]) - sum(calls["answered"].values())

    async def _post(self, name: str, document: Any) -> None:
        async with self._session.post(name, json=document):
            return

    async def _get(self, name: str) -> Any:
        async with self._session.get(name) as answer:
            return await answer.json()
