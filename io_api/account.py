"""The institution's account at IO: its services, each with its own keys, under one rate limit."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from typing import NamedTuple, Self

from pydantic import SecretStr

from io_api.breakers import READ_FAILURES, SEND_FAILURES, Breakers, Evidence, waiting
from io_api.client import IoClient
from io_api.errors import (
    InDoubt,
    MessageForbidden,
    MessageNotFound,
    Misconfigured,
    NotSent,
    PaymentLookupFailed,
    Refused,
    Stopped,
    Unavailable,
    Unreachable,
)
from io_api.in_flight import InFlight
from io_api.models import MessageStatus, NewMessage, Profile
from io_api.rate_budget import Priority
from io_api.stop_board import NEWS_SECONDS, StopBoard, Usable
from io_api.stops import WRONG_KEY, Key, named_keys
from io_api.transport import NoCertificates
from io_api.turns import Turn, Turns
from settings import Settings, SettingsError
from storage.table import Table, Unanswered

# The intent to send is written while the message's instant comes near.
CLAIM_SECONDS = 0.5
READY_SECONDS = 20.0
"""A call whose turn is near leaves within these, or is not made: less than a probe is its caller's own."""
# While nothing at all may be sent, messages wait here rather than going round the queues.
HOLD_SECONDS = 10.0
# With so many messages on their way for so long, IO is too slow for one more: it comes back later.
ROOM_SECONDS = 20.0

GET_PROFILE, SUBMIT_MESSAGE, GET_MESSAGE = "get_profile", "submit_message", "get_message"
FAILURES = {GET_PROFILE: READ_FAILURES, SUBMIT_MESSAGE: SEND_FAILURES, GET_MESSAGE: READ_FAILURES}


class Keys(NamedTuple):
    """The two keys of a service; IO takes either, so that one can be changed at a time."""

    primary: SecretStr
    secondary: SecretStr | None


class IoAccount:
    """Makes each call at its turn, with a key of the service that it is made for. Raises as IoClient does.

    Also Stopped, RateLimited (budget_spent), NotSent (not_ready) and Unanswered: no call was made.
    """

    def __init__(
        self,
        client: IoClient,
        keys: Mapping[str, Keys],
        *,
        turns: Turns,
        stops: StopBoard,
        breakers: Breakers,
    ) -> None:
        self._client = client
        self._keys = {name: named_keys(name, *pair) for name, pair in keys.items()}
        self._turns = turns
        self._stops = stops
        self._breakers = breakers
        self._in_flight = InFlight(CLAIM_SECONDS)

    @classmethod
    def of(cls, configured: Settings, table: Table, clock: Callable[[], datetime]) -> Self:
        """The account of the settings; `table` is the one that its workers share (turns.TABLE).

        Raises SettingsError when no connection to IO could ever be made.
        """
        turns = Turns(table, configured.io_rate_limit)
        try:
            client = IoClient(str(configured.io_api_base_url), observe=turns.observe)
        except NoCertificates as error:
            raise SettingsError(f"SSL_CERT_FILE: {error}") from None
        keys = {name: Keys(one.key, one.secondary_key) for name, one in configured.services.items()}
        stops, breakers = StopBoard(table, clock), Breakers(table, clock)
        return cls(client, keys, turns=turns, stops=stops, breakers=breakers)

    async def aclose(self) -> None:
        """Close the connections. A later call opens new ones."""
        await self._client.aclose()

    @property
    def services(self) -> Collection[str]:
        """The names of the configured services."""
        return self._keys.keys()

    async def get_profile(self, fiscal_code: str, *, service: str) -> Profile | None:
        """Whether the citizen can be contacted by this service; None: not on IO, or inbox off."""
        return await self._read(
            service, GET_PROFILE, Priority.CHECK, lambda key: self._client.get_profile(fiscal_code, key=key)
        )

    async def get_message(
        self, fiscal_code: str, message_id: str, *, service: str, priority: Priority = Priority.POLL
    ) -> MessageStatus:
        """What IO knows of a message of this service."""
        return await self._read(
            service,
            GET_MESSAGE,
            priority,
            lambda key: self._client.get_message(fiscal_code, message_id, key=key),
        )

    @asynccontextmanager
    async def turn_to_send(self, service: str) -> AsyncIterator[Turn]:
        """Wait for the turn to send one message; its instant is half a second away, or was missed by little.

        Nobody else gets that instant: claim the message and submit it within the block. Nobody is let in
        who would find no place among the messages on their way to IO.
        """
        until = asyncio.get_running_loop().time() + ROOM_SECONDS
        while True:
            await self._room(service, until)
            turn = await self._turn(service, SUBMIT_MESSAGE, Priority.SEND)
            if await self._breakers.is_open(SUBMIT_MESSAGE):
                await self._prove_sending(service, turn)
                turn = await self._turn(service, SUBMIT_MESSAGE, Priority.SEND)
            await turn.is_near(CLAIM_SECONDS)
            if self._in_flight.claim(turn):
                break
        try:
            yield turn
        finally:
            self._in_flight.free(turn)

    async def submit_message(self, message: NewMessage, *, service: str, turn: Turn) -> str | None:
        """Send; returns IO's message id, None when it was accepted without a readable one."""
        usable = await self._ready_to_send(service, turn)
        try:
            answer = await self._call(
                SUBMIT_MESSAGE, usable, lambda key: self._client.submit_message(message, key=key)
            )
        except InDoubt:
            self._in_flight.failed()
            raise
        except Refused:
            self._in_flight.answered(turn)
            raise
        self._in_flight.answered(turn)
        return answer

    async def _ready_to_send(self, service: str, turn: Turn) -> list[Usable]:
        """As `_ready`, with a place in flight: it is taken at the instant of the POST and not before."""
        usable: list[Usable] = []
        try:
            async with asyncio.timeout(READY_SECONDS):
                while True:
                    usable = await self._ready(service, SUBMIT_MESSAGE, turn, held=usable)
                    if self._in_flight.take(turn):
                        return usable
                    await self._in_flight.wanted()
        except TimeoutError:
            raise NotSent(reason="not_ready", cause=TimeoutError.__name__) from None

    async def _room(self, service: str, until: float) -> None:
        """Wait until a place in flight is free; while all of them hang, find out whether IO answers again."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(NEWS_SECONDS):
                    return await self._in_flight.room()
            if self._in_flight.take_probe():
                await self._pass_over_what_hangs(service)
            if asyncio.get_running_loop().time() >= until:
                raise waiting("io_slow")

    async def _pass_over_what_hangs(self, service: str) -> None:
        turn = await self._turn(service, SUBMIT_MESSAGE, Priority.SEND)
        if await self._evidence(service, turn) is Evidence.ALIVE:
            self._in_flight.pass_over()

    async def _prove_sending(self, service: str, turn: Turn) -> None:
        """Probe the backend that takes messages without risk; raises Stopped unless sending may go on."""
        if not await self._breakers.take_probe(SUBMIT_MESSAGE):
            raise waiting()
        evidence = await self._evidence(service, turn)
        if not await self._breakers.show(SUBMIT_MESSAGE, evidence):
            raise waiting()

    async def _evidence(self, service: str, turn: Turn) -> Evidence:
        usable = await self._ready(service, SUBMIT_MESSAGE, turn, probes=True)
        key = usable[0][0].secret
        if not await self._client.answers_reads(key=key):
            return Evidence.DEAD
        return Evidence.ALIVE if await self._client.answers_sends(key=key) else Evidence.HALF

    async def _read[Answer](
        self,
        service: str,
        operation: str,
        priority: Priority,
        call: Callable[[SecretStr], Awaitable[Answer]],
    ) -> Answer:
        turn = await self._turn(service, operation, priority)
        probes = await self._breakers.is_open(operation)
        if probes and not await self._breakers.take_probe(operation):
            raise waiting()
        usable = await self._ready(service, operation, turn, probes=probes)
        return await self._call(operation, usable, call)

    async def _turn(self, service: str, operation: str, priority: Priority) -> Turn:
        hold = HOLD_SECONDS if priority in (Priority.SEND, Priority.CHECK) else 0
        stopped = await self._why_stopped(service, operation)
        while stopped and hold > 0 and await self._all_is_stopped(operation):
            await asyncio.sleep(NEWS_SECONDS)
            hold -= NEWS_SECONDS
            stopped = await self._why_stopped(service, operation)
        if stopped:
            raise stopped
        return await self._turns.reserve(priority)

    async def _why_stopped(self, service: str, operation: str) -> Stopped | None:
        keys = self._keys_of(service)
        return await self._stops.why_stopped(keys, operation) or await self._breakers.why_open(operation)

    async def _all_is_stopped(self, operation: str) -> bool:
        return all([await self._why_stopped(service, operation) for service in self._keys])

    async def _ready(
        self,
        service: str,
        operation: str,
        turn: Turn,
        *,
        probes: bool = False,
        held: Collection[Usable] = (),
    ) -> list[Usable]:
        """Wait for the call's instant; returns the keys to try. Nothing may have been stopped meanwhile."""
        await turn.is_near(CLAIM_SECONDS)
        usable = [*held]
        try:
            async with asyncio.timeout(READY_SECONDS):
                while True:
                    await turn.has_come()
                    usable = await self._usable(service, operation, probes=probes, held=usable)
                    if turn.is_in_time():  # storage may have been slow to tell
                        return usable
        except (TimeoutError, Unanswered) as error:
            raise NotSent(reason="not_ready", cause=type(error).__name__) from None

    async def _usable(
        self, service: str, operation: str, *, probes: bool, held: list[Usable]
    ) -> list[Usable]:
        if not probes and await self._breakers.is_open(operation):
            raise waiting()
        return await self._stops.usable(self._keys_of(service), operation, held)

    async def _call[Answer](
        self, operation: str, usable: list[Usable], call: Callable[[SecretStr], Awaitable[Answer]]
    ) -> Answer:
        """Make the call, and tell the breaker what its end says of the backend."""
        try:
            answer = await self._with_keys(operation, usable, call)
        except (PaymentLookupFailed, MessageNotFound, MessageForbidden, Refused):
            await self._breakers.works(operation)
            raise
        except (Unreachable, InDoubt, Unavailable):
            await self._breakers.broke(operation, limit=FAILURES[operation])
            raise
        await self._breakers.works(operation)
        return answer

    async def _with_keys[Answer](
        self, operation: str, usable: list[Usable], call: Callable[[SecretStr], Awaitable[Answer]]
    ) -> Answer:
        """A 401 proves that nothing was done, so that the other key may be tried in the same turn."""
        for key, probed in usable:
            try:
                answer = await call(key.secret)
            except Misconfigured as error:
                stopped = await self._refused(key, operation, error)
                if error.reason != WRONG_KEY:
                    break
            else:
                if probed:
                    await self._stops.works(probed)
                return answer
        raise stopped

    async def _refused(self, key: Key, operation: str, error: Misconfigured) -> Stopped:
        """Open the circuit; what is no matter of one key is one of the service, so of both."""
        for one in (key,) if error.reason == WRONG_KEY else self._keys_of(key.service):
            await self._stops.refused(one, operation, error)
        return Stopped(reason=error.reason, status=error.status, title=error.title)

    def _keys_of(self, service: str) -> tuple[Key, ...]:
        keys = self._keys.get(service)
        if keys is None:
            raise Misconfigured(reason="service_not_configured")
        return keys
