"""The places that hold a fiscal code after Postino's work: only those where the upstream system put it."""

import json
from pathlib import Path
from typing import Any

from azure.data.tables.aio import TableServiceClient
from azure.storage.blob.aio import BlobServiceClient

from storage.ledger import State
from tests.e2e.personal_data import contents, sightings
from tests.e2e.sample import as_text, base64_text, fiscal_code, payment, request
from tests.e2e.world import World

FAULTS = (
    {"operation": "get_profile", "kind": "503_before", "count": 2},
    {"operation": "get_profile", "kind": "429"},
    {"operation": "submit_message", "kind": "429"},
    {"operation": "submit_message", "kind": "reset_after"},
    {"operation": "submit_message", "kind": "500_after"},
    {"operation": "get_message", "kind": "503_before"},
)
TROUBLED = [request(f"troubled-{n}", fiscal_code(n), feature_level_type="ADVANCED") for n in range(10)]
SMOOTH = [request(f"smooth-{n}", fiscal_code(n)) for n in range(20, 24)]
CITIZENS: dict[str, dict[str, Any]] = {
    fiscal_code(20): {"on_io": False},
    fiscal_code(21): {"sender_allowed": False},
    fiscal_code(22): {"processing_outcome": "REJECTED"},
}
REFUSED = request("refused", fiscal_code(30), content={"payment_data": payment(cents=1_000_001)})
EXPIRED = request("expired", fiscal_code(31), expires_at="2026-01-01T00:00:00Z")
ENCODED = request("encoded", fiscal_code(32))
LEFT = request("left", fiscal_code(33))
"""A request put after the hosts have stopped: finding its code shows that the search works."""
ASKED = [*TROUBLED, *SMOOTH, REFUSED, EXPIRED, ENCODED, LEFT]
PEOPLE = [asked["fiscal_code"] for asked in ASKED]
REMINDING = {"REMINDERS": '{"unread": {"after_days": 5}}'}  # the encrypted contents are kept for a while
ENDS = {
    State.READ,
    State.PROCESSED,
    State.REJECTED,
    State.SKIPPED,
    State.REFUSED,
    State.EXPIRED,
    State.IN_DOUBT,
}


async def work(world: World) -> None:
    """Make everything happen that can happen to a request, and leave only storage running."""
    await world.io.citizens(CITIZENS | {"default": {"reads_after_seconds": 0}})
    await world.io.faults(*FAULTS)
    await world.start_hosts(settings=REMINDING)
    await world.put(*TROUBLED)

    async def faults_are_over() -> bool:
        ends = {State.ACCEPTED, State.IN_DOUBT}
        return len([path for path in (await world.paths()).values() if ends & set(path.split())]) == len(
            TROUBLED
        )

    async def all_ended() -> bool:
        states = await world.states()
        # The message that met the last fault is polled again a minute later.
        return states.pop(State.ACCEPTED, 0) <= 1 and set(states) <= ENDS and await world.queues_are_empty()

    await world.until(faults_are_over)
    await world.put(*SMOOTH, REFUSED, EXPIRED, TROUBLED[0])
    await world.put_text(base64_text(as_text(ENCODED)))
    await world.until(all_ended)
    await world.stop_hosts()
    await world.take_outcomes()
    await world.put(LEFT)


async def names_in_storage(connection: str) -> list[str]:
    """Every name and key in storage's addresses: tables, rows, containers, blobs."""
    names: list[str] = []
    async with TableServiceClient.from_connection_string(connection) as tables:
        async for table in tables.list_tables():
            rows = tables.get_table_client(table.name).list_entities(select=["PartitionKey", "RowKey"])
            names += [table.name, *[f"{row['PartitionKey']} {row['RowKey']}" async for row in rows]]
    async with BlobServiceClient.from_connection_string(connection) as blobs:
        async for container in blobs.list_containers():
            found = blobs.get_container_client(container.name).list_blob_names()
            names += [container.name, *[name async for name in found]]
    return names


async def test_fiscal_codes_stay_where_upstream_put_them(world_on_disk: World, data: Path) -> None:
    """No log, event, name or file of storage holds a fiscal code, except the requests that upstream wrote.

    Upstream writes plain requests on message-requests, and the emulator's queue files keep them after they
    are taken. Each code is found there and nowhere else, at most as often as upstream put it.
    """
    world = world_on_disk
    await work(world)
    names = await names_in_storage(world.storage.connection_string)
    assert {"ledger", "due", "reminders", "parked", "azure-webjobs-hosts"} <= set(names)
    logs = [process.output for process in (world.simulator, *world.hosts)]
    events = [json.dumps(event) for event in world.events]
    assert sightings(PEOPLE, [text.encode() for text in (*names, *logs, *events)]) == {}

    world.storage.stop()
    files = contents(data)
    messages = [content for file, content in files.items() if file.parts[0] == "__queuestorage__"]
    elsewhere = [content for file, content in files.items() if file.parts[0] != "__queuestorage__"]
    assert sightings(PEOPLE, elsewhere) == {}
    put = {asked["fiscal_code"]: 1 for asked in ASKED} | {TROUBLED[0]["fiscal_code"]: 2}
    found = sightings(PEOPLE, messages)
    assert all(count <= put[code] for code, count in found.items()), found
    assert found[LEFT["fiscal_code"]] == 1
