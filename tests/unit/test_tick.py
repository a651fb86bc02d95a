"""Ticks: one host at a time, oldest first, within their budget, and nothing lost behind the watermark."""

import asyncio
import logging
from collections import Counter
from datetime import timedelta

import pytest

from io_api.errors import RateLimited
from io_api.models import MessageStatus
from io_api.rate_budget import Priority
from storage import drain
from storage.drain import BUDGET, LONGEST_VISIT
from storage.due_index import LEASE
from tests.fakes import FakeIo, seen
from tests.road import Road

MANY = 60


class SlowIo(FakeIo):
    """IO that lets the others work while it answers, and takes `seconds` of the world's clock."""

    def __init__(self, road: Road, seconds: float) -> None:
        super().__init__(steps=road.steps)
        self.road = road
        self.seconds = seconds

    async def get_message(
        self, fiscal_code: str, message_id: str, *, service: str, priority: Priority = Priority.POLL
    ) -> MessageStatus:
        for _ in range(3):
            await asyncio.sleep(0)
        self.road.clock.advance(seconds=self.seconds)
        return await super().get_message(fiscal_code, message_id, service=service)


async def _road(seconds: float = 0, messages: int = MANY) -> Road:
    """Delivered Premium messages that nobody has read, all due."""
    road = Road()
    for number in range(messages):
        await road.accepted(f"r-{number}", feature_level_type="ADVANCED")
    road.queues.messages.clear()
    road.io = SlowIo(road, seconds)
    road.io.status = seen("PROCESSED", "UNREAD")
    road.clock.advance(minutes=5)
    return road


async def test_two_hosts_never_look_at_one_message_twice() -> None:
    """Of two hosts whose timers fire at the same moment one looks, and each message is asked for once."""
    road = await _road()
    await asyncio.gather(road.follow(), road.follow(), road.follow())
    assert len(road.io.asked) == MANY
    assert Counter(road.told()) == Counter(f"r-{number}/0/processed" for number in range(MANY))
    assert len(road.due()) == MANY


async def test_tick_that_takes_long_keeps_its_turn() -> None:
    """A host that looks for minutes prolongs its turn, so that a second one finds nothing to do."""
    road = await _road(seconds=3)
    first = asyncio.create_task(road.follow())
    while not first.done():
        await road.follow()
        await asyncio.sleep(0)
    await first
    assert len(road.io.asked) == MANY
    assert LEASE.total_seconds() < MANY * 3


async def test_every_look_ends_within_the_turn() -> None:
    """A look begins only when the longest look would end before another host may have the turn."""
    assert drain.LEAST_LEASE >= LONGEST_VISIT
    assert timedelta(minutes=5) > BUDGET + LONGEST_VISIT


async def test_tick_ends_in_time_and_the_next_goes_on() -> None:
    """What a tick has no time for is left due, and the next tick takes it, each message once."""
    road = await _road(seconds=10)
    began = road.clock()
    await road.follow()
    first = len(road.io.asked)
    assert 0 < first < MANY
    assert road.clock() - began < BUDGET + LONGEST_VISIT + timedelta(seconds=80)
    while len(road.io.asked) < MANY:
        await road.follow()
    assert Counter(road.told()) == Counter(f"r-{number}/0/processed" for number in range(MANY))


async def test_host_that_lost_its_turn_stops() -> None:
    """A host that was suspended past its lease starts no more looks, and the other one makes them."""
    road = await _road()
    first = asyncio.create_task(road.follow())
    await asyncio.sleep(0)
    road.clock.now += LEASE
    await asyncio.gather(first, road.follow())
    asked = Counter(call[1:] for call in road.io.asked)
    assert len(road.due()) == MANY
    assert asked.total() <= MANY + drain.CONCURRENT_VISITS


class Limiting(SlowIo):
    """IO that answers 429 to the first looks; `times` are those of all looks, in seconds."""

    def __init__(self, road: Road, limited: int) -> None:
        super().__init__(road, 0)
        self.times: list[float] = []
        self.limited = limited

    async def get_message(
        self, fiscal_code: str, message_id: str, *, service: str, priority: Priority = Priority.POLL
    ) -> MessageStatus:
        self.times.append(asyncio.get_running_loop().time())
        if len(self.times) <= self.limited:
            error = RateLimited(reason="rate_limited", status=429)
            error.retry_after = 0.05
            raise error
        return await super().get_message(fiscal_code, message_id, service=service)


async def test_rate_limit_holds_the_whole_tick_up() -> None:
    """After a 429 nobody asks before IO's wait is over, and then the tick goes on."""
    messages = drain.CONCURRENT_VISITS + 20
    road = await _road(messages=messages)
    limiting = Limiting(road, drain.CONCURRENT_VISITS)
    limiting.status = seen("PROCESSED", "UNREAD")
    road.io = limiting
    await road.follow()
    assert len(limiting.times) == messages
    waited = limiting.times[drain.CONCURRENT_VISITS] - limiting.times[drain.CONCURRENT_VISITS - 1]
    assert waited >= 0.05
    assert len(road.due()) == messages


async def test_look_that_hangs_is_cut_off(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A look that would outlive the turn is given up, its message stays due, and the others are looked at."""
    monkeypatch.setattr(drain, "LONGEST_VISIT", timedelta(seconds=1))
    road = await _road(messages=3)

    class Hanging(SlowIo):
        async def get_message(
            self, fiscal_code: str, message_id: str, *, service: str, priority: Priority = Priority.POLL
        ) -> MessageStatus:
            if not self.asked:
                self.asked.append(("message", fiscal_code, message_id, service))
                await asyncio.Event().wait()
            return await super().get_message(fiscal_code, message_id, service=service)

    road.io = Hanging(road, 0)
    road.io.status = seen("PROCESSED", "READ")
    await road.follow()
    assert len(road.due()) == 1
    assert "visit cut off, it stays due request_id=r-" in caplog.text
    await road.follow()
    assert road.due() == []


async def test_failing_message_is_not_passed_by() -> None:
    """The watermark stays at the oldest message that was left, however many ticks fail on it."""
    road = await _road(messages=2)
    damaged = next(at for at in road.ledger_table.rows_by_key if at[1] == "r-0")
    whole = road.ledger_table.rows_by_key.pop(damaged)
    road.ledger_table.rows_by_key[damaged] = type(whole)(
        whole.partition, whole.key, dict(whole.values) | {"sealed_fiscal_code": b"x"}, whole.etag
    )
    for _ in range(3):
        with pytest.raises(ExceptionGroup):
            await road.follow()
        road.clock.advance(hours=1)
    road.ledger_table.rows_by_key[damaged] = whole
    await road.follow()
    assert "r-0/0/processed" in road.told()


async def test_two_rows_of_a_message_are_not_looked_at_together() -> None:
    """Of two rows that a death left, the second is the next tick's, which knows what the first look found."""
    road = await _road(messages=1)
    await road.due_index.put("r-0", road.clock())
    road.io.status = seen("PROCESSED", "READ")
    await road.follow()
    assert (len(road.io.asked), len(road.due())) == (1, 1)
    await road.follow()
    assert (len(road.io.asked), road.due()) == (1, [])


async def test_tick_says_how_far_behind_it_is(caplog: pytest.LogCaptureFixture) -> None:
    """One line a tick tells how many looks it made and how late the latest of them was."""
    caplog.set_level(logging.INFO)
    road = await _road(messages=3)
    road.clock.advance(days=1, hours=12)
    await road.follow()
    assert "followed visits=3 left=0 days_behind=1.50" in caplog.text


async def test_late_message_is_looked_at_more_rarely() -> None:
    """A message whose look came days late skips looks: that is how the looks become as many as IO allows."""
    early, late = await _road(messages=1), await _road(messages=1)
    for road, days in ((early, 0), (late, 3)):
        road.clock.advance(days=days)
        await road.follow()
    waits = [road.due_entries()[0].due_at - road.clock() for road in (early, late)]
    assert waits[1] > 3 * waits[0]
