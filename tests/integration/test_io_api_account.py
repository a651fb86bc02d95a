"""The account at IO, shared by several workers: its keys, permits and suspensions."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta

import pytest
from pydantic import SecretStr

from io_api.account import IoAccount, Keys
from io_api.breakers import READ_FAILURES, Breakers
from io_api.client import IoClient
from io_api.errors import DayNotReady, Misconfigured, NotSent, Refused, Suspended
from io_api.models import NewMessage
from io_api.rate_budget import Priority
from io_api.rate_limiter import RateLimiter
from io_api.suspension_store import PROBE_AFTER, REFRESH_SECONDS, SuspensionStore
from local.io_simulator import Configuration, RunningSimulator, Service, running_simulator
from local.io_simulator import RateLimit as SimulatedLimit
from local.io_simulator.faults import Fault
from settings import RateLimit
from storage.table import Unanswered
from tests.fakes import FakeTable, Steps

FISCAL_CODE = "RSSMRA80A01H501U"
PLENTY = RateLimit(1000, 1)
NO_LIMIT = SimulatedLimit(None)


class Institution:
    """Workers that share one table and one account at IO."""

    def __init__(self, simulator: RunningSimulator, **keys: tuple[str, str | None]) -> None:
        self.simulator = simulator
        self.steps = Steps()
        self.table = FakeTable("io", self.steps)
        self.ahead = timedelta(0)
        self.clients: list[IoClient] = []
        self._keys = {name: _keys(*pair) for name, pair in keys.items()}

    def worker(self) -> IoAccount:
        """Add a worker."""
        rate_limiter = RateLimiter(self.table, PLENTY)
        client = IoClient(self.simulator.base_url, observe=rate_limiter.observe)
        self.clients.append(client)
        return IoAccount(
            client, self._keys, rate_limiter=rate_limiter, suspensions=self.board(), breakers=self.breakers()
        )

    def board(self) -> SuspensionStore:
        """The suspensions, by a clock that `ahead` moves on."""
        return SuspensionStore(self.table, lambda: datetime.now(UTC) + self.ahead)

    def breakers(self) -> Breakers:
        """The circuit breakers, by a clock that `ahead` moves on."""
        return Breakers(self.table, lambda: datetime.now(UTC) + self.ahead)

    def calls(self) -> int:
        """The number of calls that reached IO."""
        operations = self.simulator.state.calls.document().values()
        return sum(operation["received"] for operation in operations)

    def set_keys(self, **keys: tuple[str, ...]) -> None:
        """Set the keys that IO accepts from now on."""
        self.simulator.state.services.set_keys(keys)


def _message(subject: str = "Un avviso per te") -> NewMessage:
    content = {"subject": subject, "markdown": "Gentile cittadino, c'è un avviso per te. " * 3}
    return NewMessage.model_validate({"fiscal_code": FISCAL_CODE, "content": content})


def _keys(primary: str, secondary: str | None) -> Keys:
    return Keys(SecretStr(primary), SecretStr(secondary) if secondary else None)


@asynccontextmanager
async def institution(**keys: tuple[str, str | None]) -> AsyncIterator[Institution]:
    """An institution whose services have these keys, all accepted at first."""
    services = {name: Service(keys=[key for key in pair if key]) for name, pair in keys.items()}
    configuration = Configuration(services=services, rate_limit=NO_LIMIT)
    async with running_simulator(configuration) as simulator:
        opened = Institution(simulator, **keys)
        try:
            yield opened
        finally:
            for client in opened.clients:
                await client.aclose()


async def test_secondary_key_serves_while_the_primary_is_wrong() -> None:
    """A refused primary key is tried once among all workers, and the secondary serves without a restart."""
    async with institution(default=("first", "second")) as here:
        here.set_keys(default=("second",))
        one, other = here.worker(), here.worker()
        for worker in (one, other, one, other):
            assert await worker.get_profile(FISCAL_CODE, service="default") is not None
        assert here.calls() == 5


@pytest.mark.parametrize("secondary", [None, "second"])
async def test_wrong_keys_stop_the_service(secondary: str | None) -> None:
    """When IO accepts no key of a service, no worker calls for that service, and other services continue."""
    async with institution(default=("first", secondary), anagrafe=("third", None)) as here:
        here.set_keys(default=())
        one, other = here.worker(), here.worker()
        for worker in (one, other, one):
            with pytest.raises(Suspended) as raised:
                await worker.get_profile(FISCAL_CODE, service="default")
            assert (raised.value.reason, raised.value.status) == ("invalid_key", 401)
        assert here.calls() == (2 if secondary else 1)
        assert await other.get_profile(FISCAL_CODE, service="anagrafe") is not None


async def test_mended_key_is_found_by_a_probe() -> None:
    """While a service is suspended one call probes at intervals; after a success all workers call again."""
    async with institution(default=("first", None), anagrafe=("third", None)) as here:
        here.set_keys(default=())
        one, other = here.worker(), here.worker()

        async def all_try() -> list[bool]:
            calls = (worker.get_profile(FISCAL_CODE, service="default") for worker in [one, other] * 5)
            results = await asyncio.gather(*calls, return_exceptions=True)
            return [not isinstance(result, NotSent) for result in results]

        await all_try()
        before = here.calls()
        here.ahead += PROBE_AFTER
        assert not any(await all_try())
        assert here.calls() == before + 1
        here.set_keys(default=("first",))
        here.ahead += PROBE_AFTER
        assert sum(await all_try()) >= 1
        await asyncio.sleep(REFRESH_SECONDS)
        assert all(await all_try())


async def test_message_never_leaves_with_the_key_of_another_service() -> None:
    """Of many messages at once, each leaves with its own service's key, even when a key is refused."""
    names = [f"servizio-{number}" for number in range(5)]
    keys = {name: (f"{name}-primary", f"{name}-secondary") for name in names}
    async with institution(**keys) as here:
        workers = [here.worker() for _ in range(3)]

        async def send(number: int) -> None:
            service, worker = names[number % 5], workers[number % 3]
            async with worker.permit_to_send(service) as permit:
                await worker.submit_message(_message(f"Avviso di {service}"), service=service, permit=permit)
            if number == 100:
                here.set_keys(**{names[0]: (f"{names[0]}-secondary",)})

        await asyncio.gather(*(send(number) for number in range(300)))
        sent = list(here.simulator.state.messages)
    assert len(sent) == 300
    assert all(message.content["subject"] == f"Avviso di {message.service}" for message in sent)
    assert all(message.key.startswith(f"{message.service}-") for message in sent)


async def test_missing_right_to_read_does_not_stop_sending() -> None:
    """A 403 for a missing right suspends that kind of call for the service, and no other."""
    async with institution(default=("first", None)) as here:
        groups = frozenset({"ApiMessageWrite", "ApiLimitedProfileRead"})
        here.simulator.state.services.put({"default": Service(keys=["first"], groups=groups)})
        worker = here.worker()
        for _ in range(3):
            with pytest.raises(Suspended):
                await worker.get_message(FISCAL_CODE, "01J0000000P0ST1N0REM0TE000", service="default")
        assert here.calls() == 1
        async with worker.permit_to_send("default") as permit:
            assert await worker.submit_message(_message(), service="default", permit=permit)


async def test_feed_that_is_not_for_this_account_suspends_nothing() -> None:
    """A 403 of the subscriptions feed is an answer: the keys stay in use, and so does the feed."""
    async with institution(default=("first", None)) as here:
        worker = here.worker()
        for _ in range(2):
            with pytest.raises(Refused, match="feed_not_allowed"):
                await worker.get_subscriptions(date(2026, 1, 31), service="default")
        assert here.calls() == 2
        assert await worker.get_profile(FISCAL_CODE, service="default")


async def test_day_that_is_not_ready_opens_no_breaker() -> None:
    """However often a day is asked for too early, IO counts as answering."""
    async with institution(default=("first", None)) as here:
        reader = Service(keys=["first"], groups=frozenset({"ApiSubscriptionsFeedRead"}))
        here.simulator.state.services.put({"default": reader})
        worker = here.worker()
        for _ in range(READ_FAILURES + 1):
            with pytest.raises(DayNotReady):
                await worker.get_subscriptions(date(2126, 1, 31), service="default")
        feed = await worker.get_subscriptions(date(2026, 1, 31), service="default")
        assert feed.subscriptions == frozenset()


async def test_pause_reaches_a_message_that_waits_for_its_slot() -> None:
    """A message that waits for its slot is not sent if its service is paused meanwhile."""
    async with institution(default=("first", None)) as here:
        worker = here.worker()
        async with worker.permit_to_send("default") as permit:
            await here.board().pause("default", by="rossi@pc")
            await asyncio.sleep(REFRESH_SECONDS)
            with pytest.raises(Suspended):
                await worker.submit_message(_message(), service="default", permit=permit)
            assert here.calls() == 0


async def test_nobody_is_let_in_while_all_places_are_taken() -> None:
    """While one message in flight has no answer yet, the next is not claimed."""
    async with institution(default=("first", None)) as here:
        here.simulator.state.faults.add([Fault(operation="submit_message", kind="slow", seconds=50, count=1)])
        worker, entered = here.worker(), asyncio.Event()

        async def first() -> None:
            async with worker.permit_to_send("default") as permit:
                await worker.submit_message(_message(), service="default", permit=permit)

        async def second() -> None:
            async with worker.permit_to_send("default"):
                entered.set()

        sending = asyncio.create_task(first())
        await asyncio.sleep(REFRESH_SECONDS)
        assert here.calls() == 1
        waiting = asyncio.create_task(second())
        await asyncio.sleep(REFRESH_SECONDS)
        assert not entered.is_set()
        here.simulator.state.faults.clear()
        await sending
        await waiting


async def test_message_whose_instant_finds_no_place_gets_another() -> None:
    """Messages that were let in together leave one after the other while IO is slow, each once."""
    async with institution(default=("first", None)) as here:
        here.simulator.state.faults.add([Fault(operation="submit_message", kind="slow", seconds=1, count=1)])
        worker, together = here.worker(), asyncio.Barrier(3)

        async def send() -> str | None:
            async with worker.permit_to_send("default") as permit:
                await together.wait()
                return await worker.submit_message(_message(), service="default", permit=permit)

        ids = await asyncio.gather(*(send() for _ in range(3)))
        assert len({*ids}) == here.calls() == 3


async def test_while_all_is_paused_messages_wait_in_process() -> None:
    """While all services are paused, a call waits in the process for a while before it gives up."""
    async with institution(default=("first", None)) as here:
        await here.board().pause("default", by="rossi@pc")
        waiting = asyncio.create_task(here.worker().get_profile(FISCAL_CODE, service="default"))
        await asyncio.sleep(REFRESH_SECONDS / 2)
        assert not waiting.done()
        await here.board().resume("default")
        assert await waiting is not None


async def test_polls_do_not_wait_in_process() -> None:
    """A poll of a paused service raises Suspended at once."""
    async with institution(default=("first", None)) as here:
        await here.board().pause("default", by="rossi@pc")
        with pytest.raises(Suspended):
            await here.worker().get_message(FISCAL_CODE, "M", service="default", priority=Priority.REMINDER)


async def test_storage_that_fails_at_the_last_moment_leaves_the_message_unsent() -> None:
    """A message that has its permit, but cannot read the suspensions, is not sent."""
    async with institution(default=("first", None)) as here:
        worker = here.worker()
        async with worker.permit_to_send("default") as permit:
            await asyncio.sleep(REFRESH_SECONDS)
            here.steps.fail_before(Unanswered("no answer"))
            with pytest.raises(NotSent) as raised:
                await worker.submit_message(_message(), service="default", permit=permit)
            assert raised.value.reason == "not_ready"
            assert here.calls() == 0


async def test_storage_that_fails_after_the_answer_does_not_lose_it() -> None:
    """A message that IO accepted counts as sent although the row cannot be written after the probe."""
    async with institution(default=("first", None), anagrafe=("third", None)) as here:
        here.set_keys(default=())
        worker = here.worker()
        with pytest.raises(Suspended):
            await worker.get_profile(FISCAL_CODE, service="default")
        here.set_keys(default=("first",))
        here.ahead += PROBE_AFTER
        await asyncio.sleep(REFRESH_SECONDS)
        async with worker.permit_to_send("default") as permit:
            here.steps.fail_before(Unanswered("no answer"), skip=2)  # the probe is a read and a write
            assert await worker.submit_message(_message(), service="default", permit=permit)
            assert here.steps.to_come == 0


async def test_service_without_keys_is_misconfigured() -> None:
    """A service that is no longer configured raises Misconfigured, and no call is made."""
    async with institution(default=("first", None)) as here:
        with pytest.raises(Misconfigured) as raised:
            await here.worker().get_profile(FISCAL_CODE, service="gone")
        assert raised.value.reason == "service_not_configured"
        assert here.calls() == 0
