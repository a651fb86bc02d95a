"""The inquiry: one question for each citizen, and patience with an IO that does not answer."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pytest

from cli.reach_file.answers import Answer, Source, Verdict
from cli.reach_file.inquiry import (
    AT_ONCE,
    MOST_TRIES,
    PATIENCE_SECONDS,
    Inquiry,
    Register,
    Stopped,
    answer_all,
)
from contract.fiscal_code import hash_at_io
from io_api.errors import (
    IoError,
    Misconfigured,
    NotSent,
    RateLimited,
    Refused,
    Suspended,
    Unavailable,
    Unreachable,
)
from io_api.models import Profile
from io_api.rate_budget import Priority
from storage.subscriptions import FIRST_DAY, Feed, Subscriptions, midnight
from tests.fakes import FakeClock, FakeIo, FakeTable
from tests.samples import KEYS, a_cipher

ANNA, BRUNO, CARLA = ("AAAAAA00A00A000A", "RSSMRA80A01H501U", "VRDGPP13R10B293P")


@dataclass
class World:
    """An inquiry over a fake IO, whose waits take no time. `recovers` is called at each wait."""

    io: FakeIo = field(default_factory=FakeIo)
    clock: FakeClock = field(default_factory=FakeClock)
    waits: list[float] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    recovers: Callable[[], None] = lambda: None

    @property
    def inquiry(self) -> Inquiry:
        return Inquiry(
            self.io,
            "tributi",
            self.clock,
            on_wait=self.said.append,
            sleep=self._sleep,
            monotonic=lambda: sum(self.waits),
        )

    async def _sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.recovers()


@pytest.mark.parametrize(
    ("profile", "verdict", "reason"),
    [
        (Profile(sender_allowed=True), Verdict.YES, ""),
        (Profile(sender_allowed=False), Verdict.NO, "sender_not_allowed"),
        (None, Verdict.NO, "recipient_not_found"),
        (Refused(reason="recipient_forbidden"), Verdict.NO, "recipient_forbidden"),
        (Refused(reason="invalid_fiscal_code"), Verdict.NO, "invalid_fiscal_code"),
    ],
)
async def test_profile_is_the_answer(
    profile: Profile | IoError | None, verdict: Verdict, reason: str
) -> None:
    """IO's profile says whether and why not, at the lowest priority, in one call."""
    world = World()
    world.io.profile = profile
    answer = await world.inquiry.find(ANNA)
    assert answer == Answer(verdict, reason, Source.IO, world.clock())
    assert world.io.asked == [("profile", ANNA, "tributi")]
    assert world.io.priorities == [Priority.BULK_CHECK]
    assert world.io.sent == []


@pytest.mark.parametrize(
    "error",
    [
        RateLimited(reason="rate_limited"),
        RateLimited(reason="budget_spent"),
        Suspended(reason="io_unavailable"),
        Unreachable(reason="unreachable"),
        NotSent(reason="not_ready"),
        Unavailable(reason="timeout"),
    ],
)
async def test_what_passes_is_waited_for(error: IoError) -> None:
    """A 429, an outage or a lost answer is waited out, and the question asked again."""
    world = World()

    def recover() -> None:
        world.io.profile = Profile(sender_allowed=True)

    world.io.profile, world.recovers = error, recover
    inquiry = world.inquiry
    assert (await inquiry.find(ANNA)).verdict is Verdict.YES
    assert len(world.waits) == inquiry.calls == 1
    assert world.said == ([] if isinstance(error, RateLimited) else [error.reason])


@pytest.mark.parametrize(
    "error",
    [
        Suspended(reason="paused"),
        Suspended(reason="invalid_key", status=401),
        Misconfigured(reason="service_not_configured"),
    ],
)
async def test_what_needs_a_person_ends_the_inquiry(error: IoError) -> None:
    """A pause or a refused key is not waited for: it says why, at once."""
    world = World()
    world.io.profile = error
    with pytest.raises(Stopped, match=error.reason):
        await world.inquiry.find(ANNA)
    assert world.waits == []


async def test_outage_that_lasts_ends_the_inquiry() -> None:
    """After ten minutes without any answer the inquiry ends."""
    world = World()
    world.io.profile = Suspended(reason="io_unavailable")
    with pytest.raises(Stopped, match="io_unavailable"):
        await world.inquiry.find(ANNA)
    assert PATIENCE_SECONDS < sum(world.waits) < PATIENCE_SECONDS + 60
    assert world.said == ["io_unavailable"]


async def test_citizen_who_fails_for_ever_does_not_stop_the_others() -> None:
    """IO's error about one citizen, again and again, is an answer that is not known."""
    world = World()
    world.io.profile = Unavailable(reason="server_error", status=500)
    answer = await world.inquiry.find(ANNA)
    assert (answer.verdict, answer.reason) == (Verdict.UNKNOWN, "server_error")
    assert len(world.io.asked) == MOST_TRIES


async def test_register_answers_without_io() -> None:
    """The newest change of the feed decides, and whom the feed never named is no subscriber."""
    hashes = {code: hash_at_io(code) for code in (ANNA, BRUNO)}
    register = Subscriptions(FakeTable(), a_cipher(KEYS))
    await register.take(Feed("tributi"), FIRST_DAY, [*hashes.values()], [])
    await register.take(await register.feed("tributi"), FIRST_DAY.replace(day=25), [], [hashes[BRUNO]])
    at = midnight(FIRST_DAY)
    asked = Register(register, "tributi", at)
    assert await asked.find(ANNA) == Answer(Verdict.YES, "", Source.REGISTER, at)
    for code in (BRUNO, CARLA):
        assert await asked.find(code) == Answer(Verdict.NO, "not_subscribed", Source.REGISTER, at)


async def test_answers_come_in_order_and_so_many_at_once() -> None:
    """Slow answers keep the order of the rows, and no more than AT_ONCE are under way."""
    under_way, most = 0, 0
    taken: list[Sequence[int]] = []

    async def find(code: str) -> Answer:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        for _ in range(AT_ONCE + int(code) % 7):
            await asyncio.sleep(0)
        under_way -= 1
        return Answer(Verdict.YES, "", Source.IO, FakeClock()())

    await answer_all(
        {str(row): [row, row + 1000] for row in range(100)}, find, lambda rows, _: taken.append(rows)
    )
    assert taken == [[row, row + 1000] for row in range(100)]
    assert most == AT_ONCE


async def test_end_leaves_nothing_under_way() -> None:
    """If one question ends the inquiry, the answers before it are taken and the others are not asked on."""
    ended: list[str] = []
    taken: list[Sequence[int]] = []

    async def find(code: str) -> Answer:
        if code == "3":
            raise Stopped("paused")
        try:
            await asyncio.sleep(0 if int(code) < 3 else 60)
        except asyncio.CancelledError:
            ended.append(code)
            raise
        return Answer(Verdict.YES, "", Source.IO, FakeClock()())

    with pytest.raises(Stopped):
        await answer_all({str(row): [row] for row in range(6)}, find, lambda rows, _: taken.append(rows))
    assert (taken, ended) == ([[0], [1], [2]], ["4", "5"])
