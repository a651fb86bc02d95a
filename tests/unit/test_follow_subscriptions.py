"""The register of subscribers: each day of the feed once, in order, whatever fails in between."""

import asyncio
import logging
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from itertools import count

import pytest

from contract.fiscal_code import hash_at_io
from follow_subscriptions.follow_subscriptions import MOST_DAYS
from io_api.errors import Refused, Suspended, Unavailable
from io_api.models import SubscriptionsFeed
from storage import subscriptions
from storage.subscriptions import DAY, FIRST_DAY, Change, Subscriptions
from storage.table import Unanswered
from tests.fake_app import FakeApp
from tests.fakes import Died
from tests.samples import FORMER_KEY, INDEX_KEY, KEYS, a_cipher

FIRST = date(2026, 11, 1)
ANNA, BRUNO, CARLA = ("AAAAAA00A00A000A", "RSSMRA80A01H501U", "VRDGPP13R10B293P")
NOT_ALLOWED = Refused(reason="feed_not_allowed", status=403)


@pytest.fixture(autouse=True)
def _feed_begins_in_november(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subscriptions, "FIRST_DAY", FIRST)


@pytest.fixture
def app() -> FakeApp:
    """An app whose clock is at noon of the second day of the feed."""
    app = FakeApp()
    app.clock.now = datetime(2026, 11, 2, 12, tzinfo=UTC)
    return app


def changes(day: date, *, joined: tuple[str, ...] = (), left: tuple[str, ...] = ()) -> SubscriptionsFeed:
    hashes = {"subscriptions": joined, "unsubscriptions": left}
    lists = {name: [*map(hash_at_io, codes)] for name, codes in hashes.items()}
    return SubscriptionsFeed.model_validate({"dateUTC": day, **lists})


def publish(app: FakeApp, *days: dict[str, tuple[str, ...]]) -> None:
    """Publish the days of the feed from the first, and let them pass."""
    for number, lists in enumerate(days):
        day = FIRST + number * DAY
        app.io.feeds[day] = changes(day, **lists)
    app.clock.now = datetime.combine(FIRST + len(days) * DAY, app.clock.now.time(), UTC)


def asked(app: FakeApp) -> list[str]:
    return [call[1] for call in app.io.asked]


async def known(app: FakeApp, fiscal_code: str, service: str = "default") -> Change | None:
    return await app.subscriptions.last_change(service, hash_at_io(fiscal_code))


async def through(app: FakeApp, service: str = "default") -> date | None:
    return (await app.subscriptions.feed(service)).through


def test_feed_has_a_first_day() -> None:
    """Before this day IO published nothing."""
    assert date(2020, 3, 24) == FIRST_DAY


async def test_each_day_is_taken_once(app: FakeApp) -> None:
    """The day that is over is asked for at the first tick, and today not before tomorrow."""
    publish(app, {"joined": (ANNA, BRUNO)})
    for _ in range(3):
        await app.follow_subscriptions()
    assert asked(app) == ["2026-11-01"]
    app.clock.advance(days=1)
    app.io.feeds[FIRST + DAY] = changes(FIRST + DAY, left=(ANNA,))
    for _ in range(3):
        await app.follow_subscriptions()
    assert asked(app) == ["2026-11-01", "2026-11-02"]
    assert await known(app, ANNA) == (FIRST + DAY, False)
    assert await known(app, BRUNO) == (FIRST, True)
    assert await known(app, CARLA) is None


async def test_week_without_the_app_is_made_up_day_by_day(app: FakeApp) -> None:
    """After a week each missing day is asked for once, the oldest first, in one tick."""
    publish(app, *[{}] * 6, {"joined": (CARLA,)})
    await app.follow_subscriptions()
    assert asked(app) == [f"2026-11-0{number}" for number in range(1, 8)]
    assert await through(app) == date(2026, 11, 7)
    assert await known(app, CARLA) == (date(2026, 11, 7), True)


async def test_bootstrap_goes_on_over_several_ticks(app: FakeApp) -> None:
    """A tick takes so many days at most, and the next one goes on with the day after."""
    publish(app, *[{}] * (MOST_DAYS + 1))
    await app.follow_subscriptions()
    assert len(asked(app)) == MOST_DAYS
    await app.follow_subscriptions()
    assert len(asked(app)) == MOST_DAYS + 1
    assert len({*asked(app)}) == MOST_DAYS + 1


async def test_day_that_is_not_ready_is_asked_for_later(app: FakeApp) -> None:
    """If IO's clock is behind, the day is left for the next tick, without a warning."""
    app.clock.now = datetime(2026, 11, 2, 0, 0, tzinfo=UTC)
    await app.follow_subscriptions()
    assert (asked(app), await through(app)) == (["2026-11-01"], None)
    publish(app, {"joined": (ANNA,)})
    await app.follow_subscriptions()
    assert await through(app) == FIRST


async def test_without_the_setting_nothing_is_asked(app: FakeApp) -> None:
    """No service in SUBSCRIPTIONS_FEED: no call, and no table transaction."""
    app.feed_services = ()
    publish(app, {})
    await app.follow_subscriptions()
    assert app.steps.done == []


@pytest.mark.parametrize("error", [Suspended(reason="paused"), Unavailable(reason="timeout")])
async def test_service_that_fails_does_not_stop_the_others(app: FakeApp, error: Exception) -> None:
    """A pause or an outage leaves the days of that service due, and the next tick takes them."""
    app.feed_services = ("tributi", "default")
    publish(app, {"joined": (ANNA,)})
    app.io.failing = {"tributi": error}  # type: ignore[dict-item]
    await app.follow_subscriptions()
    assert (await through(app, "tributi"), await through(app)) == (None, FIRST)
    app.io.failing.clear()
    await app.follow_subscriptions()
    assert await known(app, ANNA, "tributi") == (FIRST, True)


async def test_storage_that_fails_is_told_at_the_end(app: FakeApp) -> None:
    """A tick whose table does not answer fails, after the other services had their turn."""
    app.feed_services = ("tributi", "default")
    publish(app, {"joined": (ANNA,)})
    app.steps.fail_before(Unanswered())
    with pytest.raises(ExceptionGroup, match="could not be followed"):
        await app.follow_subscriptions()
    assert (await through(app, "tributi"), await through(app)) == (None, FIRST)


async def test_account_without_the_right_is_asked_less_and_less(
    app: FakeApp, caplog: pytest.LogCaptureFixture
) -> None:
    """A refusal is said once; then the feed is asked for after growing waits, at most of thirty days."""
    app.io.failing = {"default": NOT_ALLOWED}
    publish(app, {})
    with caplog.at_level(logging.WARNING):
        days = []
        for day in range(130):
            before = len(asked(app))
            for _ in range(4):
                await app.follow_subscriptions()
            days += [day] * (len(asked(app)) - before)
            app.clock.advance(days=1)
    assert days == [0, 1, 2, 4, 8, 16, 32, 62, 92, 122]
    assert [record.message for record in caplog.records] == [
        "subscriptions feed not for this service service=default reason=feed_not_allowed"
    ]


async def test_right_that_comes_later_is_found(app: FakeApp) -> None:
    """Once IO gives the feed, the next question is answered, and every day follows."""
    publish(app, {"joined": (ANNA,)}, {}, {"left": (ANNA,)})
    app.io.failing = {"default": NOT_ALLOWED}
    await app.follow_subscriptions()
    app.io.failing.clear()
    await app.follow_subscriptions()
    assert await through(app) is None
    app.clock.advance(days=1)
    await app.follow_subscriptions()
    feed = await app.subscriptions.feed("default")
    assert (feed.through, feed.refused_at, feed.ask_at) == (date(2026, 11, 3), None, None)
    assert await known(app, ANNA) == (date(2026, 11, 3), False)


async def test_right_that_is_lost_keeps_what_is_known(app: FakeApp) -> None:
    """A refusal after years of answers does not forget how far the feed was taken."""
    publish(app, {"joined": (ANNA,)})
    await app.follow_subscriptions()
    app.clock.advance(days=1)
    app.io.failing = {"default": NOT_ALLOWED}
    await app.follow_subscriptions()
    feed = await app.subscriptions.feed("default")
    assert (feed.through, feed.refused_at) == (FIRST, app.clock())


async def test_register_begins_again(app: FakeApp) -> None:
    """After the loss of the index key no day counts as taken, so that `reach` asks IO; then all days come."""
    publish(app, {"joined": (ANNA,)}, {"joined": (BRUNO,)})
    await app.follow_subscriptions()
    await app.subscriptions.begin_again()
    assert await through(app) is None
    await app.follow_subscriptions()
    assert (await through(app), asked(app)) == (FIRST + DAY, ["2026-11-01", "2026-11-02"] * 2)


DAYS: list[dict[str, tuple[str, ...]]] = [
    {"joined": (ANNA, BRUNO, CARLA)},
    {"left": (ANNA, BRUNO)},
    {"joined": (ANNA,)},
]
KNOWN = [(date(2026, 11, 3), True), (date(2026, 11, 2), False), (date(2026, 11, 1), True)]


@pytest.mark.parametrize("loses_answer", [False, True])
async def test_death_at_every_step_loses_no_change(*, loses_answer: bool) -> None:
    """The process dies before or after each step of a tick; the ticks after it end with the same register."""
    for skip in count():
        app = FakeApp()
        publish(app, *DAYS)
        die = app.steps.fail_after if loses_answer else app.steps.fail_before
        die(Died(), skip=skip)
        with suppress(Died):
            await app.follow_subscriptions()
        if app.steps.to_come:
            assert skip > 10
            break
        await app.follow_subscriptions()
        assert await through(app) == date(2026, 11, 3)
        assert [await known(app, code) for code in (ANNA, BRUNO, CARLA)] == KNOWN


async def test_two_ticks_at_once_end_in_the_same_register(app: FakeApp) -> None:
    """Two hosts take the same days; the newest change decides, whatever was written last."""
    publish(app, *DAYS)
    await asyncio.gather(app.follow_subscriptions(), app.follow_subscriptions())
    await app.follow_subscriptions()
    assert [await known(app, code) for code in (ANNA, BRUNO, CARLA)] == KNOWN


async def test_late_host_does_not_undo_a_newer_day(app: FakeApp) -> None:
    """A host that was asleep writes an old day again, and stops there."""
    publish(app, *DAYS)
    asleep = await app.subscriptions.feed("default")
    await app.follow_subscriptions()
    old = app.io.feeds[FIRST]
    assert not await app.subscriptions.take(asleep, FIRST, old.subscriptions, old.unsubscriptions)
    assert await through(app) == date(2026, 11, 3)
    assert [await known(app, code) for code in (ANNA, BRUNO, CARLA)] == KNOWN


async def test_person_in_both_lists_is_not_reachable(app: FakeApp) -> None:
    """If a day lists a person twice, the register does not promise what it does not know."""
    publish(app, {"joined": (ANNA,), "left": (ANNA,)})
    await app.follow_subscriptions()
    assert await known(app, ANNA) == (FIRST, False)


async def test_rows_name_nobody(app: FakeApp) -> None:
    """Neither a fiscal code nor IO's hash, which can be enumerated, is in the table."""
    publish(app, {"joined": (ANNA,), "left": (BRUNO,)})
    await app.follow_subscriptions()
    kept = repr(app.feed_table.rows_by_key)
    for code in (ANNA, BRUNO):
        assert code not in kept
        assert hash_at_io(code) not in kept


async def test_person_is_found_under_every_key(app: FakeApp) -> None:
    """A person whose changes were written under two keys of the hashes has the newest of them."""
    publish(app, {"joined": (ANNA,)})
    await app.follow_subscriptions()
    rotated = Subscriptions(app.feed_table, a_cipher(KEYS, (FORMER_KEY, INDEX_KEY)))
    io_hash = hash_at_io(ANNA)
    assert await rotated.last_change("default", io_hash) == (FIRST, True)
    await rotated.take(await rotated.feed("default"), FIRST + DAY, [], [io_hash])
    assert await rotated.last_change("default", io_hash) == (FIRST + DAY, False)
    assert await known(app, ANNA) == (FIRST + DAY, False)


async def test_large_day_is_written_in_batches(app: FakeApp) -> None:
    """Thousands of changes cost a transaction for each hundred of a partition, not one each."""
    codes = tuple(f"{number:05}" for number in range(5_000))
    publish(app, {"joined": codes})
    await app.follow_subscriptions()
    assert app.steps.done.count("subscriptions.upsert_all") <= 256
    assert await known(app, codes[-1]) == (FIRST, True)


async def test_slow_tick_begins_no_more_days(app: FakeApp, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tick whose days take long ends before the platform ends it."""
    publish(app, *[{}] * 9)
    taking = app.io.get_subscriptions

    async def slowly(day: date, *, service: str) -> SubscriptionsFeed:
        app.clock.now += timedelta(seconds=50)
        return await taking(day, service=service)

    monkeypatch.setattr(app.io, "get_subscriptions", slowly)
    await app.follow_subscriptions()
    assert len(asked(app)) == 3
