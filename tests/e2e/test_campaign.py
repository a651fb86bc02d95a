"""A campaign: two hundred requests of every kind through two hosts, at IO's real limit."""

from dataclasses import dataclass, field
from itertools import batched
from typing import Any

import pytest

from storage.queues import MESSAGE_REQUESTS
from tests.e2e.sample import fiscal_code, payment, request
from tests.e2e.world import World

SIZE = 200
BATCH = 100
ADVANCED = {"feature_level_type": "ADVANCED"}
PAYMENT = {"content": {"payment_data": payment()}}
DELIVERED = frozenset({"accepted", "processed"})


@dataclass(frozen=True)
class Kind:
    """The fields of a request, its citizen's behaviour, and all outcomes that must be published."""

    told: frozenset[str]
    fields: dict[str, Any] = field(default_factory=dict)
    citizen: dict[str, Any] = field(default_factory=dict)


KINDS = [
    *[Kind(DELIVERED)] * 11,
    Kind(DELIVERED, PAYMENT),
    Kind(DELIVERED | {"read"}, ADVANCED, {"reads_after_seconds": 0}),
    Kind(
        DELIVERED | {"read", "paid"}, ADVANCED | PAYMENT, {"reads_after_seconds": 0, "pays_after_seconds": 0}
    ),
    Kind(DELIVERED | {"read_unavailable"}, ADVANCED, {"read_status_unavailable": [{}]}),
    Kind(frozenset({"skipped"}), citizen={"on_io": False}),
    Kind(frozenset({"skipped"}), citizen={"sender_allowed": False}),
    Kind(frozenset({"accepted", "rejected"}), citizen={"processing_outcome": "REJECTED"}),
    Kind(frozenset({"accepted", "failed"}), citizen={"processing_outcome": "FAILED"}),
    Kind(frozenset({"refused", "parked"}), {"content": {"payment_data": payment(cents=1_000_001)}}),
]


async def put_in_batches(world: World, requests: list[dict[str, Any]]) -> None:
    """Put requests as fast as they are taken, because the emulator slows down with long queues."""

    async def there_is_room() -> bool:
        return (await world.depths())[MESSAGE_REQUESTS] < BATCH

    for batch in batched(requests, BATCH, strict=True):
        await world.until(there_is_room)
        await world.put(*batch)


@pytest.mark.timeout(300)
async def test_campaign(world: World) -> None:
    """Each of two hundred requests reaches its own end, none is sent twice, and IO never answers 429."""
    kinds = {f"r{number:03d}": KINDS[number % len(KINDS)] for number in range(SIZE)}
    people = {request_id: fiscal_code(number) for number, request_id in enumerate(kinds)}
    await world.io.citizens({people[request_id]: kind.citizen for request_id, kind in kinds.items()})
    await world.start_hosts(2)
    await put_in_batches(world, [request(name, people[name], **kind.fields) for name, kind in kinds.items()])
    expected = {request_id: kind.told for request_id, kind in kinds.items()}

    async def all_told() -> bool:
        return {request_id: set(told) for request_id, told in world.told().items()} == expected

    await world.until(all_told, limit_seconds=180)
    await world.until(world.queues_are_empty)
    assert all("429" not in calls["answered"] for calls in (await world.io.calls()).values())
    ids = {name: entry.message_id for name, entry in (await world.entries()).items() if entry.message_id}
    assert ids.keys() == {request_id for request_id, told in expected.items() if "accepted" in told}
    sent = [(message["fiscal_code"], message["id"]) for message in await world.io.messages()]
    assert sorted(sent) == sorted((people[name], message_id) for name, message_id in ids.items())
