"""Suspensions: pauses and circuits, as workers share them."""

import logging
from dataclasses import replace
from datetime import timedelta

import pytest
from pydantic import SecretStr

from io_api.errors import Misconfigured, Suspended
from io_api.suspension_store import (
    COLUMN,
    LONGEST_WAIT,
    PARTITION,
    PROBE_AFTER,
    REFRESH_SECONDS,
    SuspensionStore,
)
from io_api.suspensions import EVERY, Key
from tests.fakes import FakeClock, FakeTable, Steps

FIRST = Key("tributi", "primary", SecretStr("first-key"))
SECOND = Key("tributi", "secondary", SecretStr("second-key"))
KEYS = (FIRST, SECOND)
OTHERS = (Key("anagrafe", "primary", SecretStr("other-key")),)
WRONG_KEY = Misconfigured(reason="invalid_key", status=401)
NO_SCOPE = Misconfigured(reason="no_valid_scopes", status=403)


class Workers:
    """Two workers over one table, with one clock."""

    def __init__(self) -> None:
        self.steps = Steps()
        self.table = FakeTable("io", self.steps)
        self.clock = FakeClock()
        self.here, self.there = (
            SuspensionStore(self.table, self.clock, monotonic=lambda: self.clock().timestamp())
            for _ in range(2)
        )

    def wait(self, seconds: float = REFRESH_SECONDS + 0.1) -> None:
        """Let the cached suspensions grow stale."""
        self.clock.advance(seconds=seconds)


@pytest.fixture
def workers() -> Workers:
    return Workers()


async def _usable(
    board: SuspensionStore, keys: tuple[Key, ...] = KEYS, operation: str = "get_profile"
) -> list[str]:
    try:
        return [key.name for key, _ in await board.usable(keys, operation)]
    except Suspended:
        return []


async def test_pause_is_known_everywhere_within_a_second(workers: Workers) -> None:
    """A pause stops one service's calls on every worker within a second, until the service is resumed."""
    assert await _usable(workers.there) == ["primary", "secondary"]
    await workers.here.pause("tributi", by="rossi@pc")
    workers.wait()
    assert await _usable(workers.there) == []
    assert await _usable(workers.there, OTHERS) == ["primary"]
    stopped = await workers.there.error_if_suspended(KEYS, "get_profile")
    assert stopped is not None
    assert stopped.reason == "paused"
    await workers.here.resume("tributi")
    workers.wait()
    assert await _usable(workers.there) == ["primary", "secondary"]


async def test_pause_of_everything(workers: Workers) -> None:
    """A pause of everything stops all services; the pause of a single service outlives it."""
    await workers.here.pause(EVERY, by="rossi@pc")
    await workers.here.pause("tributi", by="bianchi@pc")
    assert await _usable(workers.here, OTHERS) == []
    await workers.here.resume(EVERY)
    assert (await _usable(workers.here, OTHERS), await _usable(workers.here)) == (["primary"], [])


async def test_pause_said_twice_keeps_its_beginning(workers: Workers) -> None:
    """A repeated pause keeps the name and the time of the first."""
    await workers.here.pause(EVERY, by="rossi@pc")
    workers.wait(60)
    await workers.there.pause(EVERY, by="bianchi@pc")
    pause = (await workers.here.current()).pauses[EVERY]
    assert (pause.by, workers.clock() - pause.at) == ("rossi@pc", timedelta(seconds=60))


async def test_wrong_key_is_used_by_nobody(workers: Workers) -> None:
    """A refused key is skipped by all workers for every kind of call, and the other key is used."""
    await workers.here.open_circuit(FIRST, "get_profile", WRONG_KEY)
    assert await _usable(workers.here) == ["secondary"]
    workers.wait()
    assert await _usable(workers.there, operation="submit_message") == ["secondary"]


async def test_service_with_two_wrong_keys_is_stopped(workers: Workers) -> None:
    """A service with two refused keys makes no call, and the error carries the reason."""
    for key in KEYS:
        await workers.here.open_circuit(key, "get_profile", WRONG_KEY)
    assert await _usable(workers.here) == []
    stopped = await workers.here.error_if_suspended(KEYS, "get_profile")
    assert stopped is not None
    assert (stopped.reason, stopped.status) == ("invalid_key", 401)


async def test_missing_right_stops_one_kind_of_call(workers: Workers) -> None:
    """A 403 for a missing right suspends the refused kind of call and no other."""
    for key in KEYS:
        await workers.here.open_circuit(key, "get_message", NO_SCOPE)
    assert await _usable(workers.here, operation="get_message") == []
    assert await _usable(workers.here, operation="submit_message") == ["primary", "secondary"]


async def test_probe_is_its_callers_own_until_the_call_is_made(workers: Workers) -> None:
    """A caller that missed its slot keeps its probe for the next slot, and no other caller gets the probe."""
    for key in KEYS:
        await workers.here.open_circuit(key, "get_profile", WRONG_KEY)
    workers.wait(PROBE_AFTER.total_seconds())
    held = await workers.here.usable(KEYS, "get_profile")
    workers.wait()
    assert [key.name for key, _ in await workers.here.usable(KEYS, "get_profile", held)] == [
        "primary",
        "secondary",
    ]
    assert await _usable(workers.there) == []


async def test_one_call_in_a_while_probes(workers: Workers) -> None:
    """When a probe is due, one caller of all workers gets it; the next is due after the same interval."""
    for key in KEYS:
        await workers.here.open_circuit(key, "get_profile", WRONG_KEY)
    workers.wait(PROBE_AFTER.total_seconds())
    assert await workers.there.error_if_suspended(KEYS, "get_profile") is None
    assert await _usable(workers.here) == ["primary", "secondary"]
    assert await _usable(workers.there) == []
    workers.wait(PROBE_AFTER.total_seconds())
    assert await _usable(workers.there) == ["primary", "secondary"]


async def test_probe_that_works_closes_the_circuit(workers: Workers) -> None:
    """A successful probe closes the circuit for all workers."""
    await workers.here.open_circuit(FIRST, "get_profile", WRONG_KEY)
    workers.wait(PROBE_AFTER.total_seconds())
    (_, probed), *_ = await workers.here.usable(KEYS, "get_profile")
    assert probed is not None
    await workers.here.close_circuit(probed)
    workers.wait()
    assert (await workers.there.current()).circuits == {}


async def test_new_key_is_used_at_once(workers: Workers) -> None:
    """A circuit holds for the refused key only, and not for the key that replaces it."""
    await workers.here.open_circuit(FIRST, "get_profile", WRONG_KEY)
    renewed = (FIRST._replace(secret=SecretStr("brand-new-key")),)
    assert await _usable(workers.here, renewed) == ["primary"]


async def test_new_key_that_is_refused_too_has_its_own_beginning(workers: Workers) -> None:
    """If the replacing key is refused too, its circuit starts at that time."""
    await workers.here.open_circuit(FIRST, "get_profile", WRONG_KEY)
    workers.wait(60)
    renewed = FIRST._replace(secret=SecretStr("brand-new-key"))
    await workers.here.open_circuit(renewed, "get_profile", WRONG_KEY)
    (circuit,) = (await workers.there.current()).circuits_of((renewed,))
    assert circuit.at == workers.clock()


async def test_many_refusals_are_one(workers: Workers) -> None:
    """Calls in flight when a key was refused neither write again nor delay the probe."""
    await workers.here.open_circuit(FIRST, "get_profile", WRONG_KEY)
    written = dict(workers.table.rows_by_key)
    workers.wait(1)
    await workers.there.open_circuit(FIRST, "submit_message", WRONG_KEY)
    assert workers.table.rows_by_key == written


async def test_the_longer_it_is_stopped_the_longer_messages_wait(workers: Workers) -> None:
    """A message's wait grows with the age of the suspension, from seconds to a quarter of an hour."""
    await workers.here.pause(EVERY, by="rossi@pc")
    waits = []
    for seconds in (0, 60, 7200):
        workers.wait(seconds)
        stopped = await workers.here.error_if_suspended(KEYS, "get_profile")
        assert stopped is not None
        waits.append(stopped.retry_after)
    assert waits == [5, 30, LONGEST_WAIT]


async def test_two_workers_that_write_at_once_both_count(workers: Workers) -> None:
    """Workers that write different suspensions at once do not conflict: each suspension has its own row."""
    await workers.here.pause("tributi", by="rossi@pc")
    await workers.there.pause("anagrafe", by="bianchi@pc")
    workers.wait()
    assert set((await workers.here.current()).pauses) == {"tributi", "anagrafe"}
    assert workers.steps.done == ["io.rows", "io.insert", "io.rows", "io.insert", "io.rows"]


async def test_change_that_loses_a_race_is_made_again(workers: Workers) -> None:
    """Both keys' circuits close although another worker writes one of the rows at the same moment."""
    for key in KEYS:
        await workers.here.open_circuit(key, "get_profile", NO_SCOPE)
    workers.wait(PROBE_AFTER.total_seconds())
    (probed, *_) = [circuit for _, circuit in await workers.here.usable(KEYS, "get_profile") if circuit]
    workers.steps.do_before(lambda: _touch(workers, "circuit:tributi:secondary:get_profile"), skip=2)
    await workers.here.close_circuit(probed)
    assert workers.steps.done[-4:] == ["io.delete", "io.delete", "io.rows", "io.delete"]
    assert workers.table.rows_by_key == {}


def _touch(workers: Workers, key: str) -> None:
    row = workers.table.rows_by_key.get((PARTITION, key))
    if row:
        workers.table.rows_by_key[PARTITION, key] = replace(row, etag="other")


async def test_no_row_grows_with_the_services(workers: Workers) -> None:
    """With twenty services suspended in every way, a row is as long as with one."""
    for number in range(20):
        service = f"service-{number}-".ljust(64, "x")
        await workers.here.pause(service, by="rossi@pc")
        for name in ("primary", "secondary"):
            key = Key(service, name, SecretStr(f"{number}-{name}"))
            for operation in ("get_profile", "submit_message", "get_message", "list_services"):
                await workers.here.open_circuit(key, operation, NO_SCOPE)
    workers.wait()
    suspensions = await workers.there.current()
    assert (len(suspensions.pauses), len(suspensions.circuits)) == (20, 160)
    assert max(len(row.values[COLUMN]) for row in workers.table.rows_by_key.values()) < 400


async def test_news_cost_one_read_a_second(workers: Workers) -> None:
    """The rows are read once a second, however many calls ask."""
    for _ in range(50):
        await workers.here.usable(KEYS, "get_profile")
    assert workers.steps.done == ["io.rows"]


async def test_no_key_is_written_down(workers: Workers) -> None:
    """The rows hold a key's fingerprint and never the key."""
    await workers.here.open_circuit(FIRST, "get_profile", WRONG_KEY)
    assert "first-key" not in str(workers.table.rows_by_key)


async def test_circuit_that_opens_and_closes_is_told_once_each(
    workers: Workers, caplog: pytest.LogCaptureFixture
) -> None:
    """Each circuit is logged once when it opens (a warning) and once when it closes, without the key."""
    caplog.set_level(logging.INFO, "io_api.suspension_store")
    for worker in (workers.here, workers.there):
        await worker.open_circuit(FIRST, "get_profile", WRONG_KEY)
    (circuit,) = (await workers.here.current()).circuits.values()
    for worker in (workers.here, workers.there):
        await worker.close_circuit(circuit)
    told = "service=tributi key=primary operation=* reason=invalid_key http_status=401"
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("WARNING", f"circuit opened {told}"),
        ("INFO", f"circuit closed {told}"),
    ]


async def test_right_that_the_service_has_again_closes_both_keys(workers: Workers) -> None:
    """One successful probe closes the circuits of both keys, because a 403 concerns the service."""
    for key in KEYS:
        await workers.here.open_circuit(key, "get_profile", NO_SCOPE)
    workers.wait(PROBE_AFTER.total_seconds())
    (probed, *_) = [circuit for _, circuit in await workers.here.usable(KEYS, "get_profile") if circuit]
    await workers.here.close_circuit(probed)
    assert (await workers.here.current()).circuits_of(KEYS) == []


async def test_key_that_works_again_is_found_while_the_other_serves(workers: Workers) -> None:
    """The probe of a refused key goes before the working key, so a 401 costs a call and delays no message."""
    await workers.here.open_circuit(SECOND, "get_profile", WRONG_KEY)
    assert await _usable(workers.here) == ["primary"]
    workers.wait(PROBE_AFTER.total_seconds())
    assert await _usable(workers.here) == ["secondary", "primary"]
