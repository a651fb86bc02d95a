"""The same request_id more than once: the same content is the same message, other content is refused."""

from collections import Counter

from storage.queues import MESSAGE_REQUESTS, MESSAGE_SENDS
from tests.e2e.sample import as_text, base64_text, fiscal_code, request
from tests.e2e.world import World


async def test_after_it_was_sent(world: World) -> None:
    """After a request is sent, the same content does nothing, and other content is parked and published."""
    await world.start_hosts()
    asked = request("taken", fiscal_code(1))
    await world.put(asked)
    await world.until_gone({"taken": "SENDING ACCEPTED"})
    reordered = as_text(dict(reversed(asked.items())) | {"service": "default"})
    await world.put_text(as_text(asked), reordered, base64_text(reordered))
    others = [request("taken", fiscal_code(2)), request("taken", fiscal_code(1), campaign="other")]
    await world.put(*others)
    await world.until_parked(len(others))
    await world.stop_hosts()
    await world.take_outcomes()
    kept = await world.all_parked()
    assert {world.stores.parked.body_of(message) for message in kept} == {as_text(other) for other in others}
    assert {(message.reason, message.request_id) for message in kept} == {("conflict", "taken")}
    assert Counter(world.told()["taken"]) | {"processed": 1} == {"accepted": 1, "processed": 1, "parked": 2}
    assert len(await world.io.messages()) == 1


async def test_repetitions_at_once(world: World) -> None:
    """Requests that upstream puts five times at once, before two hosts, are sent once each."""
    await world.start_hosts(2)
    asked = [request(f"r{number}", fiscal_code(number)) for number in range(12)]
    await world.put(*(asked * 5))

    async def all_taken() -> bool:
        waiting = await world.visible(MESSAGE_REQUESTS) or await world.visible(MESSAGE_SENDS)
        return not waiting and len(await world.io.messages()) >= len(asked)

    await world.until(all_taken)
    await world.stop_hosts()
    people = sorted(message["fiscal_code"] for message in await world.io.messages())
    assert people == sorted(one["fiscal_code"] for one in asked)
