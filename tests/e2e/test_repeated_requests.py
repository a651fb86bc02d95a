"""The same request_id more than once: the same message for ever, other content refused."""

from storage.queues import MESSAGE_REQUESTS, MESSAGE_SENDS
from tests.e2e.sample import as_text, base64_text, fiscal_code, request
from tests.e2e.world import World


async def test_repetition_after_the_end(world: World) -> None:
    """A request put again after it was sent, in whatever form, is not sent or told again, nor parked."""
    await world.start_hosts()
    asked = request("again", fiscal_code(1))
    await world.put(asked)
    await world.until_gone({"again": "SENDING ACCEPTED"})
    reordered = as_text(dict(reversed(asked.items())) | {"service": "default"})
    await world.put_text(as_text(asked), reordered, base64_text(reordered))
    await world.until(world.queues_are_empty)
    await world.stop_hosts()
    await world.take_outcomes()
    assert len(await world.io.messages()) == 1
    assert world.told()["again"].count("accepted") == 1
    assert await world.all_parked() == []


async def test_repetitions_at_once(world: World) -> None:
    """Requests that upstream puts five times at once, for two hosts to take, are sent once each."""
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


async def test_other_content(world: World) -> None:
    """Other content under a request_id that is taken is parked and told, each time, and sends nothing."""
    await world.start_hosts()
    await world.put(request("taken", fiscal_code(1)))
    await world.until_gone({"taken": "SENDING ACCEPTED"})
    others = [request("taken", fiscal_code(2)), request("taken", fiscal_code(1), campaign="other")]
    await world.put(*others)
    await world.until_parked(2)
    kept = await world.all_parked()
    assert {(message.reason, message.request_id) for message in kept} == {("conflict", "taken")}
    assert {world.parked.body_of(message) for message in kept} == {as_text(other) for other in others}
    assert len(await world.io.messages()) == 1
    told = [event for event in world.events if event["data"]["state"] == "parked"]
    assert {event["data"]["parked_id"] for event in told} == {message.parked_id for message in kept}
    assert len({event["id"] for event in told}) == 2
