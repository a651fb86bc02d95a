"""The institution's account at IO: its services, each with its own keys, under one rate limit."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from datetime import datetime
from typing import NamedTuple, Self

from pydantic import SecretStr

from io_api.client import IoClient
from io_api.errors import Misconfigured, NotSent, Stopped
from io_api.models import MessageStatus, NewMessage, Profile
from io_api.rate_budget import Priority
from io_api.stop_board import NEWS_SECONDS, StopBoard
from io_api.stops import Key, named_keys
from io_api.turns import Turn, Turns
from settings import Settings
from storage.table import Table, Unanswered

# The intent to send is written while the message's instant comes near.
CLAIM_SECONDS = 0.5
READY_SECONDS = 20.0
"""A call whose turn is near leaves within these, or is not made."""
# While nothing at all may be sent, messages wait here rather than going round the queues.
HOLD_SECONDS = 10.0

GET_PROFILE, SUBMIT_MESSAGE, GET_MESSAGE = "get_profile", "submit_message", "get_message"


class Keys(NamedTuple):
    """The two keys of a service; IO takes either, so that one can be changed at a time."""

    primary: SecretStr
    secondary: SecretStr | None


class IoAccount:
    """Makes each call at its turn, with a key of the service that it is made for. Raises as IoClient does.

    Also Stopped, RateLimited (budget_spent), NotSent (not_ready) and Unanswered: no call was made.
    """

    def __init__(self, client: IoClient, keys: Mapping[str, Keys], *, turns: Turns, stops: StopBoard) -> None:
        self._client = client
        self._keys = {name: named_keys(name, *pair) for name, pair in keys.items()}
        self._turns = turns
        self._stops = stops

    @classmethod
    def of(cls, configured: Settings, table: Table, clock: Callable[[], datetime]) -> Self:
        """The account of the settings; `table` is the one that its workers share (turns.TABLE)."""
        turns = Turns(table, configured.io_rate_limit)
        client = IoClient(str(configured.io_api_base_url), observe=turns.observe)
        keys = {name: Keys(one.key, one.secondary_key) for name, one in configured.services.items()}
        return cls(client, keys, turns=turns, stops=StopBoard(table, clock))

    async def aclose(self) -> None:
        """Close the connections. A later call opens new ones."""
        await self._client.aclose()

    @property
    def services(self) -> Collection[str]:
        """The names of the configured services."""
        return self._keys.keys()

    async def get_profile(self, fiscal_code: str, *, service: str) -> Profile | None:
        """Whether the citizen can be contacted by this service; None: not on IO, or inbox off."""
        turn = await self._turn(service, GET_PROFILE, Priority.CHECK)
        return await self._call(
            service, GET_PROFILE, turn, lambda key: self._client.get_profile(fiscal_code, key=key)
        )

    async def turn_to_send(self, service: str) -> Turn:
        """Wait for the turn to send one message; when this returns its instant is half a second away.

        Nobody else gets that instant: claim the message and submit it.
        """
        turn = await self._turn(service, SUBMIT_MESSAGE, Priority.SEND)
        await turn.is_near(CLAIM_SECONDS)
        return turn

    async def submit_message(self, message: NewMessage, *, service: str, turn: Turn) -> str | None:
        """Send; returns IO's message id, None when it was accepted without a readable one."""
        return await self._call(
            service, SUBMIT_MESSAGE, turn, lambda key: self._client.submit_message(message, key=key)
        )

    async def get_message(
        self, fiscal_code: str, message_id: str, *, service: str, priority: Priority = Priority.POLL
    ) -> MessageStatus:
        """What IO knows of a message of this service."""
        turn = await self._turn(service, GET_MESSAGE, priority)
        return await self._call(
            service, GET_MESSAGE, turn, lambda key: self._client.get_message(fiscal_code, message_id, key=key)
        )

    async def _turn(self, service: str, operation: str, priority: Priority) -> Turn:
        hold = HOLD_SECONDS if priority in (Priority.SEND, Priority.CHECK) else 0
        stopped = await self._stops.why_stopped(self._keys_of(service), operation)
        while stopped and hold > 0 and await self._all_is_stopped(operation):
            await asyncio.sleep(NEWS_SECONDS)
            hold -= NEWS_SECONDS
            stopped = await self._stops.why_stopped(self._keys_of(service), operation)
        if stopped:
            raise stopped
        return await self._turns.reserve(priority)

    async def _all_is_stopped(self, operation: str) -> bool:
        return all([await self._stops.why_stopped(keys, operation) for keys in self._keys.values()])

    async def _call[Answer](
        self, service: str, operation: str, turn: Turn, call: Callable[[SecretStr], Awaitable[Answer]]
    ) -> Answer:
        """A 401 proves that nothing was done, so that the other key may be tried in the same turn."""
        await turn.is_near(CLAIM_SECONDS)
        try:
            async with asyncio.timeout(READY_SECONDS):
                usable = await self._stops.usable(self._keys_of(service), operation)
                await turn.has_come()
        except (TimeoutError, Unanswered) as error:
            raise NotSent(reason="not_ready", cause=type(error).__name__) from None
        for key, probed in usable:
            try:
                answer = await call(key.secret)
            except Misconfigured as error:
                stopped = await self._refused(key, operation, error)
                if error.reason != "invalid_key":
                    break
            else:
                if probed:
                    await self._stops.works(probed)
                return answer
        raise stopped

    async def _refused(self, key: Key, operation: str, error: Misconfigured) -> Stopped:
        """Open the circuit; what is no matter of one key is one of the service, so of both."""
        for one in (key,) if error.reason == "invalid_key" else self._keys_of(key.service):
            await self._stops.refused(one, operation, error)
        return Stopped(reason=error.reason, status=error.status, title=error.title)

    def _keys_of(self, service: str) -> tuple[Key, ...]:
        keys = self._keys.get(service)
        if keys is None:
            raise Misconfigured(reason="service_not_configured")
        return keys
