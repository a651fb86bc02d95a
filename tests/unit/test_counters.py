"""The counters: kept as steps happen, and rebuilt by a scan."""

import asyncio
import itertools
from collections import Counter
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from io_api.errors import InDoubt, Refused
from storage.counters import SILENT, Counters
from storage.facts import BUCKETS, LONGER, bucket_of, facts_of
from storage.recount import recount
from storage.table import Unanswered
from storage.tally import STEPS, UNCERTAIN, Group, Tally
from tests.fake_app import FakeApp
from tests.fakes import Died, QueuedMessage, seen
from tests.samples import a_body, a_request, payment

GROUP = Group("tari 2026", "default")
NOT_FACTS = (STEPS, UNCERTAIN)


@pytest.fixture
def app() -> FakeApp:
    return FakeApp()


async def counted(app: FakeApp, group: Group = GROUP) -> dict[str, int]:
    """What the counters say of a group, without the numbers that are not facts."""
    found = {one.group: one.sums.numbers for one in await app.stores.counters.read()}
    return {fact: n for fact, n in found.get(group, Counter()).items() if n and fact not in NOT_FACTS}


def scanned(app: FakeApp, group: Group = GROUP) -> dict[str, int]:
    """What a plain scan of the ledger says of a group."""
    facts = Counter[str]()
    for row in app.ledger_table.rows_by_key.values():
        if row.values.get("state") and Group.of(row.values) == group:
            facts += facts_of(row.values)
    return dict(facts)


async def flushed(app: FakeApp, group: Group = GROUP) -> dict[str, int]:
    await app.stores.counters.flush()
    return await counted(app, group)


async def _accepted(app: FakeApp) -> None:
    await app.accepted()


async def _read_and_paid(app: FakeApp) -> None:
    await app.accepted(feature_level_type="ADVANCED", content=payment())
    app.clock.advance(days=2)
    app.io.status = seen("PROCESSED", "READ", "PAID")
    await app.follow()


async def _skipped(app: FakeApp) -> None:
    app.io.profile = None
    await app.check(a_body())


async def _refused_and_parked(app: FakeApp) -> None:
    app.io.submitted = Refused(reason="invalid_message", status=400)
    await app.check(a_body())
    await app.run()


async def _in_doubt(app: FakeApp) -> None:
    app.io.submitted = InDoubt(reason="connection_lost")
    await app.check(a_body())
    await app.run()


async def _rejected(app: FakeApp) -> None:
    await app.accepted()
    app.clock.advance(minutes=5)
    app.io.status = seen("REJECTED")
    await app.follow()


async def _settled(app: FakeApp) -> None:
    await app.accepted(feature_level_type="ADVANCED", content=payment())
    app.clock.advance(hours=3)
    app.io.status = seen("PROCESSED", "UNREAD", "NOT_PAID")
    await app.follow()
    await app.settle('{"request_id": "r-1"}')


COURSES = {
    _accepted: {"requests", "state/ACCEPTED", "reachable", "reached/ACCEPTED"},
    _read_and_paid: {
        *("requests", "state/PAID", "reachable", "reached/ACCEPTED", "reached/PROCESSED", "reached/READ"),
        *("reached/PAID", "read_status/READ", "payment_status/PAID", "premium/2026", "delivered/premium"),
        *("delivered/payment", "to_read/3d", "to_read/seconds", "to_pay/3d", "to_pay/seconds"),
    },
    _skipped: {
        *("requests", "state/SKIPPED", "reached/SKIPPED", "reached/SKIPPED/recipient_not_found"),
        "now/SKIPPED/recipient_not_found",
    },
    _refused_and_parked: {
        *("requests", "state/REFUSED", "reachable", "reached/REFUSED", "reached/REFUSED/invalid_message"),
        "now/REFUSED/invalid_message",
    },
    _in_doubt: {
        *("requests", "state/IN_DOUBT", "reachable", "reached/IN_DOUBT", "reached/IN_DOUBT/connection_lost"),
        "now/IN_DOUBT/connection_lost",
    },
    _rejected: {
        *("requests", "state/REJECTED", "reachable", "reached/ACCEPTED", "reached/REJECTED"),
        "now/REJECTED/",
    },
    _settled: {
        *("requests", "state/PAID", "reachable", "reached/ACCEPTED", "reached/PROCESSED", "reached/PAID"),
        *("reached/PAID/settled_upstream", "read_status/UNREAD", "payment_status/PAID", "premium/2026"),
        *("delivered/premium", "delivered/payment", "to_pay/6h", "to_pay/seconds"),
    },
}


@pytest.mark.parametrize("course", COURSES, ids=lambda course: course.__name__)
async def test_each_course_has_its_facts(app: FakeApp, course: Any) -> None:
    """Each course of a request is counted by its own facts, once each, and like a scan of the ledger."""
    await course(app)
    found = await flushed(app)
    assert set(found) == COURSES[course]
    assert found == scanned(app)
    assert {number for fact, number in found.items() if not fact.endswith("/seconds")} == {1}


async def test_reminder_counts_for_both_requests(app: FakeApp) -> None:
    """A reminded request is counted as such, and its reminder as a request that is a reminder."""
    await app.accepted(feature_level_type="ADVANCED", reminders={"unread": {"after_days": 3}})
    app.clock.advance(hours=1)
    app.io.status = seen("PROCESSED", "UNREAD")
    await app.follow()
    app.clock.advance(days=4)
    await app.remind()
    await app.run()
    found = await flushed(app)
    assert (found["reached/REMINDED"], found["reminders"], found["requests"]) == (1, 1, 2)
    assert found == scanned(app)


async def test_no_step_waits_for_the_counters(app: FakeApp) -> None:
    """A send makes no access to the counters: all that was noted is written by one flush."""
    await _read_and_paid(app)
    assert not [step for step in app.steps.done if step.startswith("counters")]
    await app.stores.counters.flush()
    assert [step for step in app.steps.done if step.startswith("counters")] == [
        "counters.get",
        "counters.insert",
    ]


async def test_a_thousand_steps_of_a_campaign_cost_one_write(app: FakeApp) -> None:
    """A flush costs one transaction for each group that changed, however many steps it had."""
    await app.accepted("r-0")
    await app.stores.counters.flush()
    for number in range(1, 100):
        await app.accepted(f"r-{number}")
    before = len(app.steps.done)
    await app.stores.counters.flush()
    await app.stores.counters.flush()
    assert app.steps.done[before:] == ["counters.replace"]


async def test_steps_without_a_campaign_have_a_group(app: FakeApp) -> None:
    """Requests without a campaign, and those of another service, are counted apart."""
    await app.accepted("r-1", campaign=None)
    await app.accepted("r-2", service="tributi")
    await app.stores.counters.flush()
    for group in (Group(None, "default"), Group("tari 2026", "tributi")):
        assert (await counted(app, group)) == scanned(app, group)
        assert (await counted(app, group))["requests"] == 1
    assert [one.group for one in await app.stores.counters.read("tari 2026")] == [
        Group("tari 2026", "tributi")
    ]
    assert [one.group for one in await app.stores.counters.read(service="default")] == [
        Group(None, "default")
    ]


@pytest.mark.parametrize("error", [Unanswered(), Died()], ids=["unanswered", "cut off"])
@pytest.mark.parametrize("where", ["fail_before", "fail_after"])
@pytest.mark.parametrize("step", [0, 1])
async def test_flush_that_fails_is_repeated_once(app: FakeApp, step: int, where: str, error: Any) -> None:
    """A flush whose write failed, or lost its answer, counts each step exactly once when it is repeated."""
    await _read_and_paid(app)
    getattr(app.steps, where)(error, skip=step)
    with pytest.raises(type(error)):
        await app.stores.counters.flush()
    await app.accepted("r-2")
    assert await flushed(app) == scanned(app)


async def test_two_hosts_on_one_row_lose_nothing(app: FakeApp) -> None:
    """Two processes that share a row read it again when the other was faster."""
    hosts = [Counters(app.tables["counters"], Tally(), app.clock, _shard=0) for _ in range(2)]
    for number in range(6):
        host = hosts[number % 2]
        entry = await app.accepted(f"r-{number}")
        host.tally.note(None, entry.row.values if entry.row else {})
        await host.flush()
    assert (await counted(app))["requests"] == 6


async def test_killed_process_loses_what_it_had_not_written(app: FakeApp) -> None:
    """What a killed process had noted and not written is missing, until a recount."""
    await app.accepted("r-1")
    await app.stores.counters.flush()
    await app.accepted("r-2")
    app.stores.counters.tally.take()  # the memory of the process is gone
    assert (await flushed(app))["requests"] == 1
    await recount(app.ledger, app.stores.counters)
    assert await counted(app) == scanned(app)


async def test_lost_host_is_named_until_the_recount(app: FakeApp) -> None:
    """A process that ends without a word is named with its last sign of life, until all is recounted."""
    running = asyncio.create_task(app.stores.counters.keep_writing())
    await asyncio.sleep(0.01)
    running.cancel()
    assert await app.stores.counters.lost() == []
    seen_at = app.clock()
    app.clock.advance(seconds=SILENT.total_seconds() + 1)
    assert [host.seen_at for host in await app.stores.counters.lost()] == [seen_at]
    await recount(app.ledger, app.stores.counters)
    assert await app.stores.counters.lost() == []


async def test_closed_process_is_not_lost(app: FakeApp) -> None:
    """A process that ends in order writes the rest and leaves no sign."""
    running = asyncio.create_task(app.stores.counters.keep_writing())
    await asyncio.sleep(0.01)
    await app.accepted()
    running.cancel()
    await app.stores.counters.close()
    app.clock.advance(days=1)
    assert await app.stores.counters.lost() == []
    assert await counted(app) == scanned(app)


async def test_outage_at_the_end_of_a_process_fails_nothing(app: FakeApp) -> None:
    """Closing does not fail while storage gives no answer."""
    await app.accepted()
    app.steps.fail_before(Unanswered())
    await app.stores.counters.close()


async def _missing(app: FakeApp) -> dict[str, int]:
    """What the counters lack of a scan."""
    missing = Counter(scanned(app))
    missing.subtract(await flushed(app))
    return {fact: number for fact, number in missing.items() if number}


async def _runs(plan: Callable[[FakeApp, int], None]) -> AsyncIterator[FakeApp]:
    """One app for each step of a message's course, which had the fault that `plan` sets at that step."""
    for skip in itertools.count():
        app = FakeApp()
        app.queues.messages["message-requests"] = [
            QueuedMessage(a_body(feature_level_type="ADVANCED"), app.clock(), timedelta(0))
        ]
        plan(app, skip)
        await app.run()
        if app.steps.to_come:
            assert skip > 5
            return
        yield app


@pytest.mark.parametrize("where", ["fail_before", "fail_after"])
async def test_lost_answer_at_any_step_is_counted_or_said(where: str) -> None:
    """Storage that fails at any step leaves the counts exact, or they say that a step may be missing."""
    async for app in _runs(lambda app, skip: getattr(app.steps, where)(Unanswered(), skip=skip)):
        missing = await _missing(app)
        (one,) = await app.stores.counters.read()
        assert not missing or one.sums.numbers[UNCERTAIN]
        await recount(app.ledger, app.stores.counters)
        assert not await _missing(app)


async def test_kill_at_any_step_loses_at_most_the_unwritten() -> None:
    """A process killed at any step loses only what it had not written, and a recount restores that."""

    def kill(app: FakeApp) -> None:
        app.stores.counters.tally.take()  # the memory of the process is gone
        raise Died

    async for dying in _runs(lambda app, skip: app.steps.do_before(partial(kill, app), skip=skip)):
        assert (await _missing(dying)).get("requests", 0) in (0, 1)
        await recount(dying.ledger, dying.stores.counters)
        assert not await _missing(dying)


async def test_recount_says_what_moved_meanwhile(app: FakeApp) -> None:
    """Requests that changed just before the scan, and steps flushed during it, are said to be uncertain."""
    await app.accepted("r-1")
    await app.stores.counters.flush()
    app.clock.advance(minutes=10)
    await recount(app.ledger, app.stores.counters)
    (quiet,) = await app.stores.counters.read()
    assert (quiet.sums.numbers[UNCERTAIN], quiet.rebuilt_at) == (0, app.clock())
    await app.accepted("r-2")
    await app.stores.counters.flush()
    await recount(app.ledger, app.stores.counters)
    (busy,) = await app.stores.counters.read()
    assert busy.sums.numbers[UNCERTAIN] == 1


async def test_recount_of_a_campaign_leaves_the_others(app: FakeApp) -> None:
    """A recount of one campaign corrects that one alone."""
    await app.accepted("r-1")
    await app.accepted("r-2", campaign="imu")
    app.stores.counters.tally.take()
    await recount(app.ledger, app.stores.counters, "imu")
    assert await counted(app) == {}
    assert await counted(app, Group("imu", "default")) == scanned(app, Group("imu", "default"))
    assert await app.stores.counters.recounted_at() is None


EVENTS = st.lists(
    st.sampled_from(
        ["new", "blocked", "doubt", "read", "unread", "settle", "wait", "flush", "lose", "recount"]
    ),
    max_size=25,
)


@given(EVENTS)
def test_recount_is_a_plain_scan(events: list[str]) -> None:
    """After any lives, losses and recounts, a recount gives what a plain scan of the ledger gives."""
    asyncio.run(_live(events))


async def _live(events: list[str]) -> None:
    app = FakeApp()
    for number, event in enumerate(events):
        app.io.submitted = InDoubt(reason="timeout") if event == "doubt" else f"M-{number}"
        if event in ("new", "blocked", "doubt"):
            app.io.profile = None if event == "blocked" else FakeApp().io.profile
            content = payment(notice_number=f"3{number:017}")
            await app.check(a_body(request_id=f"r-{number}", feature_level_type="ADVANCED", content=content))
            await app.run()
        await _happen(app, event)
    await app.stores.counters.flush()
    await recount(app.ledger, app.stores.counters)
    assert await counted(app) == scanned(app)
    await app.accepted("last")
    assert await flushed(app) == scanned(app)


async def _happen(app: FakeApp, event: str) -> None:
    counters = app.stores.counters
    match event:
        case "read" | "unread":
            app.io.status = seen("PROCESSED", event.upper(), "NOT_PAID")
            await app.follow()
        case "settle":
            await app.settle('{"request_id": "r-0"}')
        case "wait":
            app.clock.advance(days=3)
        case "flush":
            await counters.flush()
        case "lose":
            counters.tally.take()
        case "recount":
            await counters.flush()
            await recount(app.ledger, counters)


def test_buckets_hold_every_time() -> None:
    """A time belongs to the first bucket whose end it does not pass, and the longest to the last."""
    for name, end in BUCKETS.items():
        assert bucket_of(end) == name
        assert bucket_of(end + timedelta(seconds=1)) != name
    assert bucket_of(timedelta(days=31)) == LONGER


def test_row_that_cannot_be_counted_fails_no_send() -> None:
    """A row with an unknown content is logged and said to be uncertain, and nothing fails."""
    tally = Tally()
    tally.note(None, {"state": "UNHEARD", "service": "default", "history": "[]"})
    assert tally.take()[Group(None, "default")].numbers == {UNCERTAIN: 1}


def test_settlement_before_its_request_is_no_request(app: FakeApp) -> None:
    """A settlement that waits for its request has no facts."""
    assert facts_of({"settled_at": a_request().expires_at}) == Counter()


async def test_last_acceptance_is_kept(app: FakeApp) -> None:
    """The last acceptance by IO is kept apart from later steps, and a recount finds the same."""
    accepted_at = app.clock()
    await _read_and_paid(app)
    await app.stores.counters.flush()
    (before,) = await app.stores.counters.read()
    await recount(app.ledger, app.stores.counters)
    (after,) = await app.stores.counters.read()
    assert (before.sums.accepted_at, after.sums.accepted_at) == (accepted_at, accepted_at)
    assert before.sums.last_at == accepted_at + timedelta(days=2)


async def test_account_without_acceptances_has_none(app: FakeApp) -> None:
    """Requests that IO never accepted leave no last acceptance."""
    await _skipped(app)
    await app.stores.counters.flush()
    (one,) = await app.stores.counters.read()
    assert one.sums.accepted_at is None
