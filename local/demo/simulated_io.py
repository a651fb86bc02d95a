"""The demo's control of the IO simulator: its citizens, its faults, its clock and its messages."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import httpx


class SimulatedIo:
    """Calls the simulator's control endpoints; `local.io_simulator` describes them."""

    def __init__(self, control_url: str) -> None:
        # IO waits ten seconds for each of the institution's answers.
        self._http = httpx.AsyncClient(base_url=control_url, timeout=60)

    async def script(self, citizens: Mapping[str, Mapping[str, object]]) -> None:
        """Script the citizens, by fiscal code."""
        await self._post("/citizens", citizens)

    async def add_faults(self, faults: Sequence[Mapping[str, object]]) -> None:
        """Apply these faults to the next calls."""
        await self._post("/faults", faults)

    async def advance(self, time: timedelta) -> None:
        """Let `time` pass at IO, and for its citizens."""
        await self._post("/clock", {"advance_seconds": time.total_seconds()})

    async def faults_are_used_up(self) -> bool:
        """Return whether every fault has hit its calls."""
        return not await self._get("/faults")

    async def messages(self) -> list[dict[str, Any]]:
        """Return the messages that IO has accepted, in that order."""
        messages: list[dict[str, Any]] = (await self._get("/messages"))["messages"]
        return messages

    async def open(self, message_id: str) -> Mapping[str, Any]:
        """Let the citizen open a message in the app, and return what the citizen sees."""
        seen: Mapping[str, Any] = await self._post("/open", {"id": message_id})
        return seen

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def _get(self, path: str) -> Any:
        answer = await self._http.get(path)
        return answer.raise_for_status().json()

    async def _post(self, path: str, document: object) -> Any:
        answer = await self._http.post(path, json=document)
        return answer.raise_for_status().json()
