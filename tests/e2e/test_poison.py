"""A function that fails: five failures, the poison queue, the parked table."""

from contract.request import parse_request
from storage.ledger import State
from storage.queues import MESSAGE_REQUESTS
from tests.e2e.sample import as_text, fiscal_code, request
from tests.e2e.world import World

IO_DOWN = {"operation": "get_profile", "kind": "503_before", "probability": 1}


async def test_damaged_row(world: World) -> None:
    """A request whose function fails five times is parked and published, and again after a redrive."""
    await world.io.faults(IO_DOWN)
    [host] = await world.start_hosts()
    asked = request("damaged", fiscal_code(1))
    await world.put(asked)
    await world.until_gone({"damaged": "DEFERRED"})
    [row] = [row async for row in world.ledger_table.rows("")]
    await world.ledger_table.replace(row, {**row.values, "sealed_fiscal_code": b"damaged"})
    await world.until_parked(1)
    [kept] = await world.all_parked()
    assert (kept.queue, kept.reason) == (MESSAGE_REQUESTS, "failed_repeatedly")
    assert parse_request(world.stores.parked.body_of(kept)) == parse_request(as_text(asked))
    assert (await world.entries())["damaged"].state is State.DEAD
    assert world.told() == {"damaged": ["parked"]}
    counts = await host.counts("check_recipient")
    assert (counts["failed"], counts["poison"]) == (5, 1)
    assert await world.io.messages() == []

    await world.redrive(kept)
    await world.until_parked(1)
    assert world.told() == {"damaged": ["parked", "parked"]}
