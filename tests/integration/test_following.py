"""Every fate that IO's specification allows a message, against the simulated IO, to its end."""

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from pydantic import SecretStr

from check_status.schedule import HORIZON
from cli.show import print_timeline
from io_api.account import IoAccount, Keys
from io_api.breakers import Breakers
from io_api.client import IoClient
from io_api.rate_limiter import RateLimiter
from io_api.suspension_store import SuspensionStore
from local.io_simulator import Citizen, Configuration, RunningSimulator, Service, running_simulator
from local.io_simulator import RateLimit as SimulatedLimit
from local.io_simulator.services import PREMIUM_GROUPS
from report.timeline import timeline
from settings import RateLimit
from storage.queues import MESSAGE_SENDS
from tests.fake_app import FakeApp
from tests.fakes import FakeIo, FakeTable
from tests.samples import FISCAL_CODE, NOTICE_NUMBER, a_body, payment

HOUR, DAY = 3_600.0, 86_400.0
PREMIUM = {"feature_level_type": "ADVANCED"}
NOTICE = PREMIUM | {"content": payment()}
NEVER: dict[str, Any] = {"reads_after_seconds": None, "pays_after_seconds": None}
SERVICES = {
    "default": Service(keys=("a",)),
    "blind": Service(keys=("b",), groups=PREMIUM_GROUPS - {"ApiMessageReadAdvanced"}),
}
PROCESSING_SECONDS = 40.0


@dataclass(frozen=True)
class Case:
    """A message, its citizen's behaviour after the acceptance, and the expected lines.

    A line is a step of the history after ACCEPTED, with its reason if it has one.
    """

    lines: str
    fields: dict[str, Any] = field(default_factory=dict)
    citizen: dict[str, Any] = field(default_factory=dict)
    settlement_after: timedelta | None = None
    forgotten_after: timedelta | None = None


CASES = {
    "not on IO any more": Case("REJECTED", citizen={"on_io": False}),
    "inbox turned off": Case("REJECTED", citizen={"inbox_enabled": False}),
    "service blocked": Case("REJECTED", citizen={"sender_allowed": False}),
    "processing failed": Case("FAILED", citizen={"processing_outcome": "FAILED"}),
    "standard": Case("PROCESSED", citizen={"reads_after_seconds": 60}),
    "standard payment": Case("PROCESSED", {"content": payment()}, {"pays_after_seconds": 60}),
    "read": Case("PROCESSED READ", PREMIUM, {"reads_after_seconds": 9 * HOUR}),
    "never read": Case("PROCESSED", PREMIUM, NEVER),
    "read, then paid": Case(
        "PROCESSED READ PAID", NOTICE, {"reads_after_seconds": 1 * DAY, "pays_after_seconds": 9 * DAY}
    ),
    "paid, then read": Case(
        "PROCESSED PAID READ", NOTICE, {"reads_after_seconds": 9 * DAY, "pays_after_seconds": 1 * DAY}
    ),
    "read and paid between two looks": Case(
        "PROCESSED READ PAID", NOTICE, {"reads_after_seconds": 5 * HOUR, "pays_after_seconds": 6 * HOUR}
    ),
    "read and never paid": Case("PROCESSED READ", NOTICE, NEVER | {"reads_after_seconds": 60}),
    "hidden for ever": Case("PROCESSED READ_UNAVAILABLE", PREMIUM, {"read_status_unavailable": [{}]}),
    "hidden, then read": Case(
        "PROCESSED READ_UNAVAILABLE READ",
        PREMIUM,
        {"read_status_unavailable": [{"to_seconds": 3 * DAY}], "reads_after_seconds": 2 * DAY},
    ),
    "hidden between": Case(
        "PROCESSED READ_UNAVAILABLE READ",
        PREMIUM,
        {
            "read_status_unavailable": [{"from_seconds": 1 * DAY, "to_seconds": 6 * DAY}],
            "reads_after_seconds": 8 * DAY,
        },
    ),
    "read, then hidden": Case(
        "PROCESSED READ PAID",
        NOTICE,
        {
            "read_status_unavailable": [{"from_seconds": 1 * DAY}],
            "reads_after_seconds": 60,
            "pays_after_seconds": 9 * DAY,
        },
    ),
    "hidden and paid": Case(
        "PROCESSED READ_UNAVAILABLE PAID",
        NOTICE,
        {"read_status_unavailable": [{}], "pays_after_seconds": 2 * DAY},
    ),
    "pagoPA away at first": Case(
        "PROCESSED READ PAID",
        NOTICE,
        {"pagopa_fails_first_gets": 3, "reads_after_seconds": 60, "pays_after_seconds": 60},
    ),
    "pagoPA away after the reading": Case(
        "PROCESSED READ PAID",
        NOTICE,
        {
            "pagopa_fails": [{"from_seconds": 5 * HOUR, "to_seconds": 5 * DAY}],
            "reads_after_seconds": 60,
            "pays_after_seconds": 2 * DAY,
        },
    ),
    "account that is told nothing": Case("PROCESSED", NOTICE | {"service": "blind"}),
    "settled by the creditor": Case(
        "PROCESSED READ PAID(settled_upstream)",
        NOTICE,
        NEVER | {"reads_after_seconds": 60},
        settlement_after=timedelta(days=1),
    ),
    "settled, then read": Case(
        "PROCESSED PAID(settled_upstream) READ",
        NOTICE,
        {"reads_after_seconds": 9 * DAY, "pays_after_seconds": 10 * DAY},
        settlement_after=timedelta(days=1),
    ),
    "forgotten by IO": Case(
        "PROCESSED MISSING(message_not_found)", PREMIUM, NEVER, forgotten_after=timedelta(days=1)
    ),
}
UNPUBLISHED = {"MISSING(message_not_found)"}


class Following:
    """A message in FakeApp, with IO's clock and Postino's moved together."""

    def __init__(self, simulator: RunningSimulator, io: IoAccount) -> None:
        self.simulator = simulator
        self.app = FakeApp()
        self.app.io = cast(FakeIo, io)
        self.app.clock.now = simulator.state.clock.now().replace(microsecond=0)

    async def send(self, case: Case) -> None:
        """Send the message; the citizen's behaviour counts from IO's acceptance."""
        await self.app.check(a_body(**case.fields))
        for body in self.app.queues.take(MESSAGE_SENDS):
            await self.app.send(body)
        self.simulator.state.citizens.put({FISCAL_CODE: Citizen.model_validate(case.citizen)})

    async def to_the_end(self, case: Case) -> None:
        """Tick whenever a poll is due, and let the case's events happen at their times."""
        began = self.app.clock()
        happening = ((case.settlement_after, self._settle), (case.forgotten_after, self._forget))
        happenings = [(began + after, what) for after, what in happening if after]
        while due := self.app.due_entries():
            self._pass_time_until(due[0].due_at + timedelta(seconds=1))
            while happenings and happenings[0][0] <= self.app.clock():
                await happenings.pop(0)[1]()
            await self.app.follow()
        assert not happenings
        assert self.app.clock() - began < HORIZON + timedelta(days=8)

    async def _settle(self) -> None:
        await self.app.settle(f'{{"notice_number": "{NOTICE_NUMBER}"}}')

    async def _forget(self) -> None:
        self.simulator.state.messages._by_id.clear()

    def _pass_time_until(self, at: datetime) -> None:
        passed = at - self.app.clock()
        self.app.clock.now = at
        self.simulator.state.clock.advance(passed.total_seconds())


@pytest.fixture
async def following() -> AsyncIterator[Following]:
    configuration = Configuration(
        services=SERVICES, processing_delay_seconds=PROCESSING_SECONDS, rate_limit=SimulatedLimit(None)
    )
    async with running_simulator(configuration) as simulator:
        shared = FakeTable("ioaccount")
        rate_limiter = RateLimiter(shared, RateLimit(1000, 1))
        client = IoClient(simulator.base_url, observe=rate_limiter.observe)
        keys = {name: Keys(SecretStr(service.keys[0]), None) for name, service in SERVICES.items()}
        suspensions = SuspensionStore(shared, lambda: datetime.now(UTC))
        breakers = Breakers(shared, lambda: datetime.now(UTC))
        io = IoAccount(client, keys, rate_limiter=rate_limiter, suspensions=suspensions, breakers=breakers)
        yield Following(simulator, io)
        await client.aclose()


@pytest.mark.parametrize("name", CASES)
async def test_what_becomes_of_a_message_is_told_and_shown(
    following: Following, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each change is published and shown in the timeline, in order and once, with few calls to IO."""
    case = CASES[name]
    await following.send(case)
    await following.to_the_end(case)
    expected = ["ACCEPTED", *case.lines.split()]
    assert _lines(following.app.entry().history)[2:] == expected
    assert _told(following.app) == [line for line in expected if line not in UNPUBLISHED]
    print_timeline(timeline("r-1", following.app.entry(), []))
    lines = [line for line in capsys.readouterr().out.splitlines() if re.match(r"\d\d/\d\d/\d{4} ", line)]
    shown = [re.findall(r"\(([A-Z_]+)\)", line)[0] for line in lines]
    assert shown[2:] == [line.partition("(")[0] for line in expected]
    calls = following.simulator.state.calls.document()["get_message"]
    assert 1 <= calls["received"] <= 24


def _lines(history: Sequence[Mapping[str, Any]]) -> list[str]:
    return [_line(step["what"], step.get("reason")) for step in history]


def _told(app: FakeApp) -> list[str]:
    return [_line(event["data"]["state"].upper(), event["data"].get("reason")) for event in app.events()]


def _line(what: str, reason: str | None) -> str:
    return f"{what}({reason})" if reason else what
