"""Ticks: one host at a time, oldest first, within the time budget; the watermark passes no row left due."""

import asyncio
import logging
from collections import Counter
from datetime import timedelta

import pytest

from io_api.errors import RateLimited
from io_api.models import MessageStatus
from io_api.rate_budget import Priority
from storage import due_processing
from storage.due_index import LEASE
from storage.due_processing import BUDGET, LONGEST_HANDLING
from tests.fake_app import FakeApp
from tests.fakes import FakeIo, seen

MANY = 60


class SlowIo(FakeIo):
    """IO that lets other tasks run before it answers, and takes `seconds` of the fake clock."""

    def __init__(self, app: FakeApp, seconds: float) -> None:
        super().__init__(steps=app.steps)
        self.app = app
        self.seconds = seconds

    async def get_message(
        self, fiscal_code: str, message_id: str, *, service: str, priority: Priority = Priority.POLL
    ) -> MessageStatus:
        for _ in range(3):
            await asyncio.sleep(0)
        self.app.clock.advance(seconds=self.seconds)
        return await super().get_message(fiscal_code, message_id, service=service)


async def _app(seconds: float = 0, messages: int = MANY) -> FakeApp:
    """Return an app with delivered Premium messages, unread and all due."""
    app = FakeApp()
    for number in range(messages):
        await app.accepted(f"r-{number}", feature_level_type="ADVANCED")
    app.queues.messages.clear()
    app.io = SlowIo(app, seconds)
    app.io.status = seen("PROCESSED", "UNREAD")
    app.clock.advance(minutes=5)
    return app


async def test_two_hosts_poll_each_message_once() -> None:
    """Of hosts whose timers fire at the same moment, one polls, and each message is polled once."""
    app = await _app()
    await asyncio.gather(app.follow(), app.follow(), app.follow())
    assert len(app.io.asked) == MANY
    assert Counter(app.told()) == Counter(f"r-{number}/0/processed" for number in range(MANY))
    assert len(app.due()) == MANY


async def test_long_tick_renews_its_lease() -> None:
    """A host that polls for minutes renews its lease, so a second host finds nothing to do."""
    app = await _app(seconds=3)
    first = asyncio.create_task(app.follow())
    while not first.done():
        await app.follow()
        await asyncio.sleep(0)
    await first
    assert len(app.io.asked) == MANY
    assert LEASE.total_seconds() < MANY * 3


async def test_every_poll_ends_within_the_lease() -> None:
    """A poll starts only if the longest poll would end before another host may take the lease."""
    assert due_processing.LEAST_LEASE >= LONGEST_HANDLING
    assert timedelta(minutes=5) > BUDGET + LONGEST_HANDLING


async def test_tick_ends_in_time_and_the_next_goes_on() -> None:
    """A tick leaves the messages that it has no time for due, and the next ticks poll them, each once."""
    app = await _app(seconds=10)
    began = app.clock()
    await app.follow()
    first = len(app.io.asked)
    assert 0 < first < MANY
    assert app.clock() - began < BUDGET + LONGEST_HANDLING + timedelta(seconds=80)
    while len(app.io.asked) < MANY:
        await app.follow()
    assert Counter(app.told()) == Counter(f"r-{number}/0/processed" for number in range(MANY))


async def test_host_that_lost_its_lease_stops() -> None:
    """A host that was suspended past its lease starts no more polls, and the other host makes them."""
    app = await _app()
    first = asyncio.create_task(app.follow())
    await asyncio.sleep(0)
    app.clock.now += LEASE
    await asyncio.gather(first, app.follow())
    asked = Counter(call[1:] for call in app.io.asked)
    assert len(app.due()) == MANY
    assert asked.total() <= MANY + due_processing.CONCURRENCY


class Limiting(SlowIo):
    """IO that answers 429 to the first polls; `times` holds the time of every poll, in seconds."""

    def __init__(self, app: FakeApp, limited: int) -> None:
        super().__init__(app, 0)
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
    """After a 429 no poll starts before IO's wait is over, and then the tick goes on."""
    messages = due_processing.CONCURRENCY + 20
    app = await _app(messages=messages)
    limiting = Limiting(app, due_processing.CONCURRENCY)
    limiting.status = seen("PROCESSED", "UNREAD")
    app.io = limiting
    await app.follow()
    assert len(limiting.times) == messages
    waited = limiting.times[due_processing.CONCURRENCY] - limiting.times[due_processing.CONCURRENCY - 1]
    assert waited >= 0.05
    assert len(app.due()) == messages


async def test_poll_that_hangs_is_cancelled(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A poll that would outlive the lease is cancelled; its message stays due and the others are polled."""
    monkeypatch.setattr(due_processing, "LONGEST_HANDLING", timedelta(seconds=1))
    app = await _app(messages=3)

    class Hanging(SlowIo):
        async def get_message(
            self, fiscal_code: str, message_id: str, *, service: str, priority: Priority = Priority.POLL
        ) -> MessageStatus:
            if not self.asked:
                self.asked.append(("message", fiscal_code, message_id, service))
                await asyncio.Event().wait()
            return await super().get_message(fiscal_code, message_id, service=service)

    app.io = Hanging(app, 0)
    app.io.status = seen("PROCESSED", "READ")
    await app.follow()
    assert len(app.due()) == 1
    assert "handling timed out, the row stays due request_id=r-" in caplog.text
    await app.follow()
    assert app.due() == []


async def test_failing_message_is_not_passed_by() -> None:
    """The watermark stays at the oldest message that was left, however many ticks fail on it."""
    app = await _app(messages=2)
    damaged = next(at for at in app.ledger_table.rows_by_key if at[1] == "r-0")
    whole = app.ledger_table.rows_by_key.pop(damaged)
    app.ledger_table.rows_by_key[damaged] = type(whole)(
        whole.partition, whole.key, dict(whole.values) | {"sealed_fiscal_code": b"x"}, whole.etag
    )
    for _ in range(3):
        with pytest.raises(ExceptionGroup):
            await app.follow()
        app.clock.advance(hours=1)
    app.ledger_table.rows_by_key[damaged] = whole
    await app.follow()
    assert "r-0/0/processed" in app.told()


async def test_two_rows_of_a_message_are_not_looked_at_together() -> None:
    """Of two rows that a crash left, the second waits for the next tick, which knows the first answer."""
    app = await _app(messages=1)
    await app.due_index.put("r-0", app.clock())
    app.io.status = seen("PROCESSED", "READ")
    await app.follow()
    assert (len(app.io.asked), len(app.due())) == (1, 1)
    await app.follow()
    assert (len(app.io.asked), app.due()) == (1, [])


async def test_tick_logs_its_lag(caplog: pytest.LogCaptureFixture) -> None:
    """Each tick logs one line with the number of polls and the lag."""
    caplog.set_level(logging.INFO)
    app = await _app(messages=3)
    app.clock.advance(days=1, hours=12)
    await app.follow()
    assert "followed handled=3 left=0 lag_days=1.50" in caplog.text


async def test_late_message_is_polled_more_rarely() -> None:
    """A message polled days late waits longer for its next poll, so the polls fit IO's limit."""
    early, late = await _app(messages=1), await _app(messages=1)
    for app, days in ((early, 0), (late, 3)):
        app.clock.advance(days=days)
        await app.follow()
    waits = [app.due_entries()[0].due_at - app.clock() for app in (early, late)]
    assert waits[1] > 3 * waits[0]
