"""The record of a notice's requests: whatever comes first, the settlement and the request find each other."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from storage.ledger import State
from storage.notices import Notices
from storage.queues import MESSAGE_SETTLED
from tests.every_order import PausingApp, PausingTable, Work, every_order, finish, step
from tests.fakes import FakeTable, Steps
from tests.samples import FORMER_KEY, INDEX_KEY, KEYS, NOTICE_NUMBER, a_body, a_cipher, payment

PAID_AT = datetime(2026, 11, 24, 8, 30, tzinfo=UTC)
BY_NOTICE = json.dumps({"notice_number": NOTICE_NUMBER, "paid_at": "2026-11-24T08:30:00Z"})
BY_REQUEST = json.dumps({"request_id": "r-1", "paid_at": "2026-11-24T08:30:00Z"})
OLD, NEW = KEYS
GUARD = "@settled"
BOTH = (INDEX_KEY, FORMER_KEY)


def _request(request_id: str = "r-1") -> str:
    return a_body(request_id=request_id, feature_level_type="ADVANCED", content=payment())


async def _of(notices: Notices) -> list[str]:
    return [name async for name in notices.requests(NOTICE_NUMBER)]


@pytest.fixture
def steps() -> Steps:
    return Steps()


@pytest.fixture
def table(steps: Steps) -> FakeTable:
    return FakeTable("notices", steps)


@pytest.fixture
def notices(table: FakeTable) -> Notices:
    return Notices(table, a_cipher([OLD]))


@pytest.fixture
def former(table: FakeTable) -> Notices:
    """Notices as the former version kept them, whose hashes had another key."""
    return Notices(table, a_cipher([OLD], [FORMER_KEY]))


async def test_first_request_of_a_notice_costs_one_transaction(notices: Notices, steps: Steps) -> None:
    """The first request of an unpaid notice costs one insert and no read."""
    assert await notices.note(NOTICE_NUMBER, "r-1") is None
    assert steps.done == ["notices.insert"]
    assert await _of(notices) == ["r-1"]


async def test_later_request_of_a_notice_costs_three(notices: Notices, steps: Steps) -> None:
    """A later request of a notice writes a row of its own before it reads the settlement."""
    await notices.note(NOTICE_NUMBER, "r-1")
    del steps.done[:]
    assert await notices.note(NOTICE_NUMBER, "r-2") is None
    assert steps.done == ["notices.insert", "notices.upsert", "notices.get"]
    assert sorted(await _of(notices)) == ["r-1", "r-2"]


async def test_request_that_comes_again_is_found_once(notices: Notices) -> None:
    """A request that is noted again is yielded once."""
    for _ in range(3):
        assert await notices.note(NOTICE_NUMBER, "r-1") is None
    assert await _of(notices) == ["r-1"]


async def test_settlement_before_the_request_is_returned(notices: Notices) -> None:
    """A request of a notice that was settled before gets the time of payment, and is recorded too."""
    await notices.settle(NOTICE_NUMBER, PAID_AT, PAID_AT)
    assert await _of(notices) == []
    assert await notices.note(NOTICE_NUMBER, "r-1") == PAID_AT
    assert await _of(notices) == ["r-1"]


async def test_settlement_keeps_the_first_request(notices: Notices) -> None:
    """A settlement leaves the first request on record, and later requests get its time."""
    await notices.note(NOTICE_NUMBER, "r-1")
    await notices.settle(NOTICE_NUMBER, PAID_AT, PAID_AT)
    assert await _of(notices) == ["r-1"]
    assert await notices.note(NOTICE_NUMBER, "r-1") == PAID_AT
    assert await notices.note(NOTICE_NUMBER, "r-2") == PAID_AT
    assert sorted(await _of(notices)) == ["r-1", "r-2"]


async def test_later_settlement_corrects_the_time(notices: Notices) -> None:
    """Of several settlements of a notice, later requests get the last one's time."""
    await notices.settle(NOTICE_NUMBER, PAID_AT - timedelta(days=1), PAID_AT)
    await notices.settle(NOTICE_NUMBER, PAID_AT, PAID_AT)
    assert await notices.note(NOTICE_NUMBER, "r-1") == PAID_AT


async def test_rows_of_the_former_version_are_understood(table: FakeTable, notices: Notices) -> None:
    """A settlement and requests that the former version kept, each in a row of its own, still count."""
    digest = a_cipher([OLD]).digest(NOTICE_NUMBER.encode())
    await table.upsert(digest, "r-1", {})
    assert await notices.note(NOTICE_NUMBER, "r-2") is None
    assert sorted(await _of(notices)) == ["r-1", "r-2"]
    await table.upsert(digest, GUARD, {"paid_at": PAID_AT})
    assert await notices.note(NOTICE_NUMBER, "r-1") == PAID_AT


async def test_settlement_and_request_of_before_the_index_key_are_found(
    table: FakeTable, former: Notices
) -> None:
    """The settlement and the first request under a former key still count, at one read more."""
    await former.note(NOTICE_NUMBER, "r-1")
    steps = Steps()
    upgraded = Notices(_same_rows(table, steps), a_cipher([OLD], BOTH))
    assert await upgraded.note(NOTICE_NUMBER, "r-2") is None
    assert steps.done == ["notices.insert", "notices.get"]
    assert await _of(upgraded) == ["r-2", "r-1"]
    await former.settle(NOTICE_NUMBER, PAID_AT, PAID_AT)
    assert await upgraded.note(NOTICE_NUMBER, "r-3") == PAID_AT


async def test_settlement_under_the_index_key_is_found(table: FakeTable, former: Notices) -> None:
    """A settlement under the index key finds requests under a former key, and counts for later ones."""
    await former.note(NOTICE_NUMBER, "r-1")
    upgraded = Notices(table, a_cipher([OLD], BOTH))
    await upgraded.settle(NOTICE_NUMBER, PAID_AT, PAID_AT)
    assert await _of(upgraded) == ["r-1"]
    assert await upgraded.note(NOTICE_NUMBER, "r-1") == PAID_AT
    assert await _of(upgraded) == ["r-1"]


@pytest.mark.parametrize("keys", [[OLD], [NEW, OLD], [OLD, NEW], [NEW]])
async def test_rotation_changes_nothing(table: FakeTable, notices: Notices, keys: list[SecretStr]) -> None:
    """Hosts with the old key, both or the new one find each other's requests and settlements, at no cost."""
    await notices.note(NOTICE_NUMBER, "r-1")
    steps = Steps()
    rotated = Notices(_same_rows(table, steps), a_cipher(keys))
    assert await rotated.note(NOTICE_NUMBER, "r-2") is None
    assert steps.done == ["notices.insert", "notices.upsert", "notices.get"]
    await rotated.settle(NOTICE_NUMBER, PAID_AT, PAID_AT)
    assert sorted(await _of(notices)) == ["r-1", "r-2"]
    assert await notices.note(NOTICE_NUMBER, "r-3") == PAID_AT


def _same_rows(table: FakeTable, steps: Steps) -> FakeTable:
    other = FakeTable(table.name, steps)
    other.rows_by_key = table.rows_by_key
    return other


def _started(app: PausingApp, body: str, *, redelivered: bool = False) -> Work:
    return app.settle(body) if body in (BY_NOTICE, BY_REQUEST) else app.check(body, redelivered=redelivered)


def _finished(app: PausingApp) -> PausingApp:
    """Deliver what is left on the queues, the settlement that lost a race included."""
    finish(app.run())
    while app.queues.messages.get(MESSAGE_SETTLED):
        app.clock.advance(minutes=1)
        for body in app.queues.take(MESSAGE_SETTLED):
            finish(app.settle(body))
    finish(app.run())
    return app


def _is_skipped(app: PausingApp, request_id: str = "r-1") -> bool:
    entry = app.entry(request_id)
    reason = entry.last_step.get("reason")
    known = (entry.state, reason, entry.settled_at, entry.payment_status)
    return known == (State.SKIPPED, "settled_upstream", PAID_AT, "PAID")


@pytest.mark.parametrize("settlement", [BY_NOTICE, BY_REQUEST], ids=["by notice", "by request"])
def test_settlement_and_request_meet_in_any_order(settlement: str) -> None:
    """In each order of their accesses to the tables, the settlement reaches the request before it is sent."""
    apps: list[PausingApp] = []

    def begin() -> list[Work]:
        apps.append(PausingApp())
        return [_started(apps[-1], body) for body in (_request(), settlement)]

    for run in every_order(begin):
        app = _finished(apps.pop())
        assert _is_skipped(app), run
        assert app.io.sent == []
    assert run > 10


@pytest.mark.parametrize(
    "names", [("r-1", "r-2"), ("r-1", "r-1")], ids=["two requests", "one request, delivered twice"]
)
def test_requests_of_one_notice_meet_its_settlement_in_any_order(names: tuple[str, str]) -> None:
    """In each order of the accesses, each of two requests reads the settlement or is found by it."""
    tables: list[PausingTable] = []
    told: dict[str, datetime | None] = {}
    found: list[str] = []

    async def note(notices: Notices, name: str) -> None:
        told[name] = await notices.note(NOTICE_NUMBER, name) or told.get(name)

    async def settle(notices: Notices) -> None:
        await notices.settle(NOTICE_NUMBER, PAID_AT, PAID_AT)
        found.extend(await _of(notices))

    def begin() -> list[Work]:
        tables.append(PausingTable())
        told.clear()
        found.clear()
        notices = Notices(tables[-1], a_cipher([OLD]))
        return [*(note(notices, name) for name in names), settle(notices)]

    for run in every_order(begin):
        for name in names:
            assert told[name] == PAID_AT or name in found, run
        assert len(found) == len(set(found))


REQUESTS = [_request(name) for name in ("r-1", "r-2", "r-3")]


@settings(max_examples=200, deadline=None)
@given(
    bodies=st.lists(st.sampled_from([*REQUESTS, BY_REQUEST]), min_size=1, max_size=4),
    choices=st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3)), max_size=60),
)
def test_crash_at_any_access_loses_no_settlement(bodies: list[str], choices: list[tuple[int, int]]) -> None:
    """Whatever crashes between two accesses and is delivered again, no request of a paid notice is sent."""
    app = PausingApp()
    works = [(body, _started(app, body)) for body in (*bodies, BY_NOTICE)]
    while works:
        number, crash = choices.pop() if choices else (0, 0)
        body, work = works.pop(number % len(works))
        if not step(work):
            continue
        if crash == 3:
            work.close()
            work = _started(app, body, redelivered=True)
        works.append((body, work))
    _finished(app)
    assert app.io.sent == []
    for name in {row.key for row in app.ledger_table.rows_by_key.values() if "state" in row.values}:
        assert _is_skipped(app, name)
