"""The institution's account at IO: services with their own keys, under one shared rate limit."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import date, datetime
from typing import NamedTuple, Self

from pydantic import SecretStr

from io_api.breakers import READ_FAILURES, SEND_FAILURES, Breakers, Evidence, backend_unavailable
from io_api.client import IoClient
from io_api.errors import (
    DayNotReady,
    InDoubt,
    MessageForbidden,
    MessageNotFound,
    Misconfigured,
    NotSent,
    PaymentLookupFailed,
    Refused,
    Suspended,
    Unavailable,
    Unreachable,
)
from io_api.in_flight import InFlight
from io_api.models import MessageStatus, NewMessage, Profile, SubscriptionsFeed
from io_api.rate_budget import Priority
from io_api.rate_limiter import Permit, RateLimiter
from io_api.suspension_store import REFRESH_SECONDS, SuspensionStore, Usable
from io_api.suspensions import WRONG_KEY, Key, named_keys
from io_api.transport import NoCertificates
from settings import Settings, SettingsError
from storage.table import ReadOnlyTable, Table, Unanswered

# The worker claims a message (writes the intent to send) this long before the message's slot, so that the
# ledger write is done by the time of the slot.
CLAIM_SECONDS = 0.5
READY_SECONDS = 20.0
"""A call whose slot is near leaves within this time or is not made.

Shorter than suspension_store.PROBE_AFTER, which is how long a caller keeps the probe it took.
"""
# While every service is suspended, messages wait here this long instead of going round the queues.
HOLD_SECONDS = 10.0
FROM_QUEUES = (Priority.SEND, Priority.CHECK, Priority.BULK_SEND, Priority.BULK_CHECK)
# If no in-flight place frees up within this time, defer the message: IO is too slow.
ROOM_SECONDS = 20.0

GET_PROFILE, SUBMIT_MESSAGE, GET_MESSAGE = "get_profile", "submit_message", "get_message"
GET_SUBSCRIPTIONS = "get_subscriptions"
FAILURES = {
    GET_PROFILE: READ_FAILURES,
    SUBMIT_MESSAGE: SEND_FAILURES,
    GET_MESSAGE: READ_FAILURES,
    GET_SUBSCRIPTIONS: READ_FAILURES,
}


class Keys(NamedTuple):
    """The two keys of a service. IO accepts either key, so one key can be changed at a time."""

    primary: SecretStr
    secondary: SecretStr | None


class IoAccount:
    """Makes each call at the slot of its permit, with a key of the named service.

    Raises the errors of IoClient, with Suspended in place of Misconfigured: a 401 or 403 proves that IO did
    nothing. If no call was made, raises Suspended, RateLimited (budget_spent), NotSent (not_ready),
    Misconfigured (service_not_configured) or Unanswered.
    """

    def __init__(
        self,
        client: IoClient,
        keys: Mapping[str, Keys],
        *,
        rate_limiter: RateLimiter,
        suspensions: SuspensionStore,
        breakers: Breakers,
    ) -> None:
        self._client = client
        self._keys = {name: named_keys(name, *pair) for name, pair in keys.items()}
        self._rate_limiter = rate_limiter
        self._suspensions = suspensions
        self._breakers = breakers
        self._in_flight = InFlight(CLAIM_SECONDS)

    @classmethod
    def of(
        cls,
        configured: Settings,
        table: Table,
        clock: Callable[[], datetime],
        *,
        shares_failures: bool = True,
    ) -> Self:
        """Return the account of the settings. `table` is the one that all workers share (rate_limiter.TABLE).

        shares_failures: whether the workers stop for what this process finds: a refused key, an IO that does
        not answer. An operator's machine may have an address that IO refuses, or no way out.
        Raises SettingsError if no connection to IO could ever be made.
        """
        rate_limiter = RateLimiter(table, configured.io_rate_limit)
        try:
            client = IoClient(str(configured.io_api_base_url), observe=rate_limiter.observe)
        except NoCertificates as error:
            raise SettingsError(f"SSL_CERT_FILE: {error}") from None
        keys = {name: Keys(one.key, one.secondary_key) for name, one in configured.services.items()}
        found = table if shares_failures else ReadOnlyTable(table)
        suspensions, breakers = SuspensionStore(found, clock), Breakers(found, clock)
        return cls(client, keys, rate_limiter=rate_limiter, suspensions=suspensions, breakers=breakers)

    async def prepare(self) -> None:
        """Do now what the first call would wait for."""
        await self._client.prepare()

    async def aclose(self) -> None:
        """Close the connections. A later call opens new ones."""
        await self._client.aclose()

    @property
    def services(self) -> Collection[str]:
        """The names of the configured services."""
        return self._keys.keys()

    async def get_profile(
        self, fiscal_code: str, *, service: str, priority: Priority = Priority.CHECK
    ) -> Profile | None:
        """Return whether this service may contact the citizen. None: not on IO, or the inbox is off."""
        return await self._read(
            service, GET_PROFILE, priority, lambda key: self._client.get_profile(fiscal_code, key=key)
        )

    async def get_message(
        self, fiscal_code: str, message_id: str, *, service: str, priority: Priority = Priority.POLL
    ) -> MessageStatus:
        """Return what IO knows of a message of this service."""
        return await self._read(
            service,
            GET_MESSAGE,
            priority,
            lambda key: self._client.get_message(fiscal_code, message_id, key=key),
        )

    async def get_subscriptions(self, day: date, *, service: str) -> SubscriptionsFeed:
        """Return who began and who ceased to be reachable for this service on a UTC day. Nobody waits."""
        return await self._read(
            service,
            GET_SUBSCRIPTIONS,
            Priority.BULK_CHECK,
            lambda key: self._client.get_subscriptions(day, key=key),
        )

    @asynccontextmanager
    async def permit_to_send(
        self, service: str, *, priority: Priority = Priority.SEND
    ) -> AsyncIterator[Permit]:
        """Wait for the permit to send one message. Its slot is half a second away, or was just missed.

        No other call gets this slot: claim the message and submit it within the block. A message that would
        find no place in flight gets no permit.
        """
        until = asyncio.get_running_loop().time() + ROOM_SECONDS
        while True:
            await self._room(service, until)
            permit = await self._permit(service, SUBMIT_MESSAGE, priority)
            if await self._breakers.is_open(SUBMIT_MESSAGE):
                await self._prove_sending(service, permit)
                permit = await self._permit(service, SUBMIT_MESSAGE, priority)
            await permit.wait_until_near(CLAIM_SECONDS)
            if self._in_flight.admit(permit):
                break
        try:
            yield permit
        finally:
            self._in_flight.free(permit)

    async def submit_message(self, message: NewMessage, *, service: str, permit: Permit) -> str | None:
        """Send a message. Return IO's message id, or None if IO accepted it without a readable id."""
        usable = await self._ready_to_send(service, permit)
        try:
            answer = await self._call(
                SUBMIT_MESSAGE, usable, lambda key: self._client.submit_message(message, key=key)
            )
        except InDoubt:
            self._in_flight.failed()
            raise
        except Refused:
            self._in_flight.answered(permit)
            raise
        self._in_flight.answered(permit)
        return answer

    async def _ready_to_send(self, service: str, permit: Permit) -> list[Usable]:
        """Wait as `_ready` does, then take a place in flight: at the instant of the POST and not before."""
        usable: list[Usable] = []
        try:
            async with asyncio.timeout(READY_SECONDS):
                while True:
                    usable = await self._ready(service, SUBMIT_MESSAGE, permit, held=usable)
                    if self._in_flight.take(permit):
                        return usable
                    await self._in_flight.wait_for_place()
        except TimeoutError:
            raise NotSent(reason="not_ready", cause=TimeoutError.__name__) from None

    async def _room(self, service: str, until: float) -> None:
        """Wait until a place in flight is free. While all places hang, probe whether IO answers again."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(REFRESH_SECONDS):
                    return await self._in_flight.wait_for_room()
            if self._in_flight.take_probe():
                await self._release_hung(service)
            if asyncio.get_running_loop().time() >= until:
                raise backend_unavailable("io_slow")

    async def _release_hung(self, service: str) -> None:
        permit = await self._permit(service, SUBMIT_MESSAGE, Priority.SEND)
        if await self._evidence(service, permit) is Evidence.ALIVE:
            self._in_flight.release_hung()

    async def _prove_sending(self, service: str, permit: Permit) -> None:
        """Make a safe probe of the backend that takes messages. Raises Suspended unless sending may go on."""
        if not await self._breakers.take_probe(SUBMIT_MESSAGE):
            raise backend_unavailable()
        evidence = await self._evidence(service, permit)
        if not await self._breakers.record_evidence(SUBMIT_MESSAGE, evidence):
            raise backend_unavailable()

    async def _evidence(self, service: str, permit: Permit) -> Evidence:
        usable = await self._ready(service, SUBMIT_MESSAGE, permit, probes=True)
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
        permit = await self._permit(service, operation, priority)
        probes = await self._breakers.is_open(operation)
        if probes and not await self._breakers.take_probe(operation):
            raise backend_unavailable()
        usable = await self._ready(service, operation, permit, probes=probes)
        return await self._call(operation, usable, call)

    async def _permit(self, service: str, operation: str, priority: Priority) -> Permit:
        hold = HOLD_SECONDS if priority in FROM_QUEUES else 0
        suspended = await self._error_if_suspended(service, operation)
        while suspended and hold > 0 and await self._everything_is_suspended(operation):
            await asyncio.sleep(REFRESH_SECONDS)
            hold -= REFRESH_SECONDS
            suspended = await self._error_if_suspended(service, operation)
        if suspended:
            raise suspended
        return await self._rate_limiter.reserve(priority)

    async def _error_if_suspended(self, service: str, operation: str) -> Suspended | None:
        suspended = await self._suspensions.error_if_suspended(self._keys_of(service), operation)
        return suspended or await self._breakers.error_if_open(operation)

    async def _everything_is_suspended(self, operation: str) -> bool:
        return all([await self._error_if_suspended(service, operation) for service in self._keys])

    async def _ready(
        self,
        service: str,
        operation: str,
        permit: Permit,
        *,
        probes: bool = False,
        held: Collection[Usable] = (),
    ) -> list[Usable]:
        """Wait for the slot and return the keys to try. Raises Suspended if a suspension began meanwhile."""
        await permit.wait_until_near(CLAIM_SECONDS)
        usable = [*held]
        try:
            async with asyncio.timeout(READY_SECONDS):
                while True:
                    await permit.wait_until_due()
                    usable = await self._usable(service, operation, probes=probes, held=usable)
                    if permit.is_in_time():  # storage may have been slow to answer
                        return usable
        except (TimeoutError, Unanswered) as error:
            raise NotSent(reason="not_ready", cause=type(error).__name__) from None

    async def _usable(
        self, service: str, operation: str, *, probes: bool, held: list[Usable]
    ) -> list[Usable]:
        if not probes and await self._breakers.is_open(operation):
            raise backend_unavailable()
        return await self._suspensions.usable(self._keys_of(service), operation, held)

    async def _call[Answer](
        self, operation: str, usable: list[Usable], call: Callable[[SecretStr], Awaitable[Answer]]
    ) -> Answer:
        """Make the call, and record in the breaker what the result says about the backend."""
        try:
            answer = await self._with_keys(operation, usable, call)
        except (PaymentLookupFailed, MessageNotFound, MessageForbidden, DayNotReady, Refused):
            await self._breakers.record_success(operation)
            raise
        except (Unreachable, InDoubt, Unavailable):
            await self._breakers.record_failure(operation, limit=FAILURES[operation])
            raise
        await self._breakers.record_success(operation)
        return answer

    async def _with_keys[Answer](
        self, operation: str, usable: list[Usable], call: Callable[[SecretStr], Awaitable[Answer]]
    ) -> Answer:
        """Try the keys in order. A 401 proves that IO did nothing, so one permit allows both keys."""
        for key, probed in usable:
            try:
                answer = await call(key.secret)
            except Misconfigured as error:
                suspended = await self._refused(key, operation, error)
                if error.reason != WRONG_KEY:
                    break
            else:
                if probed:
                    await self._suspensions.close_circuit(probed)
                return answer
        raise suspended

    async def _refused(self, key: Key, operation: str, error: Misconfigured) -> Suspended:
        """Open the key's circuit. A reason that concerns the service opens the circuits of both keys."""
        for one in (key,) if error.reason == WRONG_KEY else self._keys_of(key.service):
            await self._suspensions.open_circuit(one, operation, error)
        return Suspended(reason=error.reason, status=error.status, title=error.title)

    def _keys_of(self, service: str) -> tuple[Key, ...]:
        keys = self._keys.get(service)
        if keys is None:
            raise Misconfigured(reason="service_not_configured")
        return keys
