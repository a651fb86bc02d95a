"""A host stopped or killed in the middle of its work: no message is sent twice, and none is lost."""

from collections import Counter
from datetime import UTC, datetime

from storage.due_index import LEASE as TICK_LEASE
from storage.facts import COLUMNS, facts_of
from storage.ledger import State
from storage.tally import STEPS
from tests.e2e.sample import fiscal_code, request
from tests.e2e.simulator_control import FULL_SWING
from tests.e2e.world import World

AT_ONCE = 24
"""The most messages of a queue that a host handles at once: batchSize + newBatchThreshold in host.json."""


async def test_sigterm(world: World) -> None:
    """A host that gets SIGTERM finishes its messages in flight, and leaves the others to the next host.

    It writes its counters before it ends.
    """
    asked = [request(f"r{number}", fiscal_code(number)) for number in range(60)]
    await world.io.faults(*FULL_SWING)
    [host] = await world.start_hosts()
    await world.put(*asked)
    await world.io.until_full_swing()
    host.terminate()
    await host.says("(stopping)")
    await world.io.clear_faults()
    assert await host.end() == 0, host.output
    entries = (await world.entries()).values()
    sent = {entry.message_id for entry in entries if entry.message_id}
    assert sent == {message["id"] for message in await world.io.messages()}
    assert len(sent) < len(asked)
    assert not {entry.state for entry in entries} & {State.SENDING, State.IN_DOUBT}
    assert await _counted(world) == await _scanned(world)

    await world.start_hosts()
    await world.until_gone({one["request_id"]: "SENDING ACCEPTED" for one in asked})
    people = Counter(message["fiscal_code"] for message in await world.io.messages())
    assert people == Counter(one["fiscal_code"] for one in asked)
    await world.until(world.queues_are_empty)


async def test_kill(world: World) -> None:
    """After SIGKILL the other host sends all other messages, and does not resend those that were in flight.

    A message in flight stays SENDING until its lease of three minutes has expired, and is then in doubt. A
    host killed in the middle of a tick blocks the other hosts' ticks until the tick's lease has expired.
    """
    asked = [request(f"r{number}", fiscal_code(number)) for number in range(80)]
    await world.io.faults(*FULL_SWING)
    hosts = await world.start_hosts(2, {"LOCAL_HOST_LEASE_SECONDS": "5"})
    await world.put(*asked)
    await world.io.until_full_swing()
    with_timer = next(host for host in hosts if "this host runs the timer" in host.output)
    with_timer.kill()
    killed_at = datetime.now(UTC)
    await world.io.clear_faults()

    async def others_have_arrived() -> bool:
        entries = (await world.entries()).values()
        cut_off = [e for e in entries if e.state is State.SENDING and e.updated_at < killed_at]
        arrived = [e for e in entries if e.state is State.PROCESSED]
        return len(cut_off) <= AT_ONCE and len(cut_off) + len(arrived) == len(asked)

    await world.until(others_have_arrived, limit_seconds=TICK_LEASE.total_seconds() + 60)
    await world.stop_hosts()
    sent = {message["fiscal_code"]: message["id"] for message in await world.io.messages()}
    assert len(sent) == len(await world.io.messages())
    entries = await world.entries()
    for one in asked:
        entry = entries[one["request_id"]]
        assert entry.state is State.SENDING or entry.message_id == sent[one["fiscal_code"]]
    # Each message that was cut off comes back once, when its lease has expired.
    assert sum((await world.depths()).values()) == (await world.states())[State.SENDING]


async def _counted(world: World) -> Counter[str]:
    """What the counters say of all requests."""
    numbers = Counter[str]()
    for group in await world.stores.counters.read():
        numbers += group.sums.numbers
    del numbers[STEPS]
    return numbers


async def _scanned(world: World) -> Counter[str]:
    """What the ledger says of all requests."""
    numbers = Counter[str]()
    async for row in world.stores.ledger.columns(*COLUMNS):
        numbers += facts_of(row)
    return numbers
