"""The simulator's faults, as a client sees them."""

import asyncio
import errno
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import pytest

from local.io_simulator import Configuration, RateLimit, RunningSimulator, running_simulator

FISCAL_CODE = "AAAAAA00A00A000A"
MESSAGE = {
    "fiscal_code": FISCAL_CODE,
    "content": {"subject": "Avviso di prova", "markdown": "m" * 80},
}


def connected(running: RunningSimulator) -> aiohttp.ClientSession:
    """A session with the key of the service "default"."""
    headers = {"Ocp-Apim-Subscription-Key": "simulator-key"}
    return aiohttp.ClientSession(f"{running.base_url}/", headers=headers)


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    """A simulator without rate limit."""
    configuration = Configuration(rate_limit=RateLimit(calls=None))
    async with running_simulator(configuration) as running, connected(running) as session:
        yield session


async def script(session: aiohttp.ClientSession, *faults: dict[str, object]) -> None:
    """Queue faults."""
    response = await session.post("/simulator/faults", json=faults)
    assert response.status == 200, await response.text()


async def control(session: aiohttp.ClientSession, name: str) -> Any:
    """The answer of a control endpoint."""
    return await (await session.get(f"/simulator/{name}")).json()


async def accepted(session: aiohttp.ClientSession) -> int:
    """The number of accepted messages."""
    return int((await control(session, "messages"))["count"])


async def submissions(session: aiohttp.ClientSession) -> dict[str, Any]:
    """The counts of the submissions."""
    counts: dict[str, Any] = (await control(session, "calls"))["operations"].get("submit_message", {})
    return counts


async def received_two(session: aiohttp.ClientSession) -> bool:
    """Whether two submissions arrived."""
    return bool((await submissions(session)).get("received") == 2)


async def accepted_two(session: aiohttp.ClientSession) -> bool:
    """Whether two messages were accepted."""
    return await accepted(session) == 2


async def until(
    condition: Callable[[aiohttp.ClientSession], Awaitable[object]], session: aiohttp.ClientSession
) -> None:
    """Poll until the condition holds; the test's own time limit ends the wait."""
    while not await condition(session):
        pass


@pytest.mark.parametrize(
    ("kind", "status", "effects"),
    [
        ("429", 429, 0),
        ("500_before", 500, 0),
        ("502_before", 502, 0),
        ("503_before", 503, 0),
        ("500_after", 500, 1),
        ("502_after", 502, 1),
    ],
)
async def test_errors(session: aiohttp.ClientSession, kind: str, status: int, effects: int) -> None:
    """An error replaces the answer, with or without the effect, and the next call is normal."""
    await script(session, {"kind": kind})
    assert (await session.post("messages", json=MESSAGE)).status == status
    assert await accepted(session) == effects
    assert (await session.post("messages", json=MESSAGE)).status == 201
    assert await submissions(session) == {"received": 2, "answered": {str(status): 1, "201": 1}}


async def test_storm_of_429_tells_the_wait(session: aiohttp.ClientSession) -> None:
    """A scripted 429 carries the given wait, in whole seconds."""
    await script(session, {"kind": "429", "count": 2, "seconds": 7})
    for _ in range(2):
        response = await session.post("messages", json=MESSAGE)
        assert (response.status, response.headers["x-rate-limit-retry-after"]) == (429, "7")


async def test_proxy_errors_are_not_json(session: aiohttp.ClientSession) -> None:
    """The body of a 502 is HTML, as a proxy writes it."""
    await script(session, {"kind": "502_before"})
    assert (await session.post("messages", json=MESSAGE)).content_type == "text/html"


@pytest.mark.parametrize(("kind", "effects"), [("reset_before", 0), ("reset_after", 1)])
async def test_resets(session: aiohttp.ClientSession, kind: str, effects: int) -> None:
    """The connection is reset after the request was read, with or without the effect."""
    await script(session, {"kind": kind})
    with pytest.raises(aiohttp.ClientOSError) as reset:
        await session.post("messages", json=MESSAGE)
    assert reset.value.errno == errno.ECONNRESET
    assert await accepted(session) == effects
    assert await submissions(session) == {"received": 1, "answered": {}}


async def test_half_response(session: aiohttp.ClientSession) -> None:
    """The status and a part of the body arrive before the connection ends, and the message was accepted."""
    await script(session, {"kind": "half_response"})
    response = await session.post("messages", json=MESSAGE)
    assert response.status == 201
    with pytest.raises(aiohttp.ClientPayloadError):
        await response.read()
    assert await accepted(session) == 1
    assert await submissions(session) == {"received": 1, "answered": {}}


@pytest.mark.parametrize(("kind", "effects"), [("hang", 0), ("accept_then_hang", 1)])
async def test_hangs(session: aiohttp.ClientSession, kind: str, effects: int) -> None:
    """The call gets no answer, with or without the effect, while other calls are served."""
    await script(session, {"kind": kind})
    call = asyncio.create_task(session.post("messages", json=MESSAGE))
    await until(submissions, session)
    assert await accepted(session) == effects
    assert (await session.post("messages", json=MESSAGE)).status == 201
    assert not call.done()
    call.cancel()


async def test_late_answer(session: aiohttp.ClientSession) -> None:
    """A call that hangs for a time is then answered with the effect that it had at once."""
    await script(session, {"kind": "accept_then_hang", "seconds": 0.5})
    call = asyncio.create_task(session.post("messages", json=MESSAGE))
    await until(accepted, session)
    response = await call
    assert response.status == 201
    assert (await control(session, "messages"))["messages"][0]["id"] == (await response.json())["id"]


async def test_slow_call_takes_effect_even_if_nobody_waits(session: aiohttp.ClientSession) -> None:
    """A slow call takes effect after the delay, even if the client has gone."""
    await script(session, {"kind": "slow", "seconds": 0.3, "count": 2})
    assert (await session.post("messages", json=MESSAGE)).status == 201
    call = asyncio.create_task(session.post("messages", json=MESSAGE))
    await until(received_two, session)
    call.cancel()
    await until(accepted_two, session)


async def test_slow_call_goes_on_when_the_faults_are_cleared(session: aiohttp.ClientSession) -> None:
    """A slow call waits until the faults are cleared, and then takes effect at once."""
    await script(session, {"kind": "slow", "seconds": 3600})
    call = asyncio.create_task(session.post("messages", json=MESSAGE))
    await until(submissions, session)
    assert (await accepted(session), call.done()) == (0, False)
    await session.delete("/simulator/faults")
    assert (await call).status == 201


async def test_accept_without_id(session: aiohttp.ClientSession) -> None:
    """A 201 has neither an id nor a Location, and a refusal is unchanged."""
    await script(session, {"operation": "submit_message", "kind": "accept_without_id", "count": 2})
    response = await session.post("messages", json=MESSAGE)
    assert (response.status, await response.json()) == (201, {})
    assert "Location" not in response.headers
    assert await accepted(session) == 1
    assert (await session.post("messages", json={})).status == 400


async def test_faults_are_for_their_operation(session: aiohttp.ClientSession) -> None:
    """A fault of get_message does not affect profiles and submissions."""
    await script(session, {"operation": "get_message", "kind": "503_before"})
    assert (await session.post("profiles", json={"fiscal_code": FISCAL_CODE})).status == 200
    response = await session.post("messages", json=MESSAGE)
    path = f"messages/{FISCAL_CODE}/{(await response.json())['id']}"
    assert [(await session.get(path)).status for _ in range(2)] == [503, 200]


async def test_wrong_key_meets_no_fault(session: aiohttp.ClientSession) -> None:
    """A call with a wrong key uses up no fault."""
    await script(session, {"kind": "500_after"})
    headers = {"Ocp-Apim-Subscription-Key": "wrong"}
    assert (await session.post("messages", json=MESSAGE, headers=headers)).status == 401
    assert [fault["left"] for fault in await control(session, "faults")] == [1]


async def test_queue_is_told_and_cleared(session: aiohttp.ClientSession) -> None:
    """The faults endpoint returns the remaining faults with their counts, and can clear them."""
    await script(session, {"kind": "500_before", "count": 3}, {"kind": "hang", "probability": 0.5})
    await session.post("messages", json=MESSAGE)
    left = [(fault["kind"], fault["left"]) for fault in await control(session, "faults")]
    assert left == [("500_before", 2), ("hang", None)]
    await session.delete("/simulator/faults")
    assert await control(session, "faults") == []
    assert (await session.post("messages", json=MESSAGE)).status == 201


async def test_simulator_stops_while_a_call_hangs() -> None:
    """A hanging call does not prevent the simulator's stop: its connection is cut."""
    async with AsyncExitStack() as client:
        async with running_simulator() as running:
            session = await client.enter_async_context(connected(running))
            await script(session, {"kind": "hang"})
            call = asyncio.create_task(session.post("messages", json=MESSAGE))
            await until(submissions, session)
        with pytest.raises(aiohttp.ClientConnectionError):
            await call
