"""The account at IO, as several workers share it: whose key, at whose turn, and when not at all."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr

from io_api.account import IoAccount, Keys
from io_api.client import IoClient
from io_api.errors import Misconfigured, RateLimited, Stopped
from io_api.models import NewMessage
from io_api.stops import EVERY, PROBE_AFTER, StopBoard
from io_api.turns import Turns
from local.io_simulator import Configuration, RateLimit, RunningSimulator, Service, running_simulator
from settings import RateLimit as Limit
from tests.fakes import FakeTable

FISCAL_CODE = "RSSMRA80A01H501U"
MESSAGE = NewMessage.model_validate(
    {"fiscal_code": FISCAL_CODE, "content": {"subject": "Un avviso per te", "markdown": "Gentile. " * 10}}
)
PLENTY = Limit(1000, 1)


class Institution:
    """Workers that share one table, and their settings."""

    def __init__(self, simulator: RunningSimulator, keys: Mapping[str, Keys], limit: Limit) -> None:
        self.simulator = simulator
        self.table = FakeTable()
        self.ahead = timedelta(0)
        self._keys = keys
        self._limit = limit
        self._clients: list[IoClient] = []

    def worker(self) -> IoAccount:
        """One more worker."""
        turns = Turns(self.table, self._limit)
        client = IoClient(self.simulator.base_url, observe=turns.observe)
        self._clients.append(client)
        return IoAccount(client, self._keys, turns=turns, stops=self.board())

    def board(self) -> StopBoard:
        """What is stopped, by a clock that `ahead` moves on."""
        return StopBoard(self.table, lambda: datetime.now(UTC) + self.ahead)

    def answered(self) -> Counter[int]:
        """The answers that IO gave, by status."""
        return sum((Counter(one.answered) for one in self.simulator.calls.values()), Counter[int]())

    async def aclose(self) -> None:
        """End all connections."""
        for client in self._clients:
            await client.aclose()
