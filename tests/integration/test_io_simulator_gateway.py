"""The simulator's API Management: keys, paths and the rate limit."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest

from local.io_simulator import Configuration, RateLimit, Service, running_simulator

FISCAL_CODE = "AAAAAA00A00A000A"
KEY_HEADER = "Ocp-Apim-Subscription-Key"
CONFIGURATION = Configuration(
    services={
        "tari": Service(keys=("tari-1", "tari-2")),
        "multe": Service(keys=("multe-1",)),
        "altrove": Service(keys=("altrove-1",), account="another institution"),
    },
    rate_limit=RateLimit(calls=3, seconds=3600),
)


@asynccontextmanager
async def connected(configuration: Configuration) -> AsyncIterator[aiohttp.ClientSession]:
    """A session at the base path of a simulator."""
    async with (
        running_simulator(configuration) as running,
        aiohttp.ClientSession(f"{running.base_url}/") as session,
    ):
        yield session


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    """A simulator with three services of two accounts, and a limit that never renews in a test."""
    async with connected(CONFIGURATION) as session:
        yield session


async def profile(session: aiohttp.ClientSession, key: str) -> aiohttp.ClientResponse:
    """Make a profile call with a key."""
    return await session.post("profiles", json={"fiscal_code": FISCAL_CODE}, headers={KEY_HEADER: key})


async def test_missing_key(session: aiohttp.ClientSession) -> None:
    """A call without a key gets the gateway's 401."""
    response = await session.post("profiles", json={"fiscal_code": FISCAL_CODE})
    assert response.status == 401
    assert await response.json() == {
        "statusCode": 401,
        "message": "Access denied due to missing subscription key. "
        "Make sure to include subscription key when making requests to an API.",
    }


async def test_wrong_key(session: aiohttp.ClientSession) -> None:
    """A call with an unknown key gets the gateway's other 401, and does not count for the limit."""
    for _ in range(5):
        response = await profile(session, "wrong")
        assert response.status == 401
        assert (await response.json())["message"].startswith("Access denied due to invalid subscription key.")
    assert (await profile(session, "tari-1")).headers["x-rate-limit-remaining"] == "2"


@pytest.mark.parametrize(("method", "path"), [("POST", "message"), ("GET", "messages"), ("PUT", "profiles")])
async def test_unknown_path_or_method(session: aiohttp.ClientSession, method: str, path: str) -> None:
    """An unknown path or method gets the gateway's 404, with or without a key."""
    response = await session.request(method, path)
    assert response.status == 404
    assert await response.json() == {"statusCode": 404, "message": "Resource not found"}


async def test_limit_is_shared_by_keys_services_and_operations(session: aiohttp.ClientSession) -> None:
    """All calls of one account count together, and another account's do not."""
    assert (await profile(session, "tari-1")).headers["x-rate-limit-remaining"] == "2"
    assert (await profile(session, "tari-2")).headers["x-rate-limit-remaining"] == "1"
    unknown = await session.get(f"messages/{FISCAL_CODE}/01", headers={KEY_HEADER: "multe-1"})
    assert (unknown.status, unknown.headers["x-rate-limit-remaining"]) == (404, "0")
    assert (await profile(session, "multe-1")).status == 429
    assert (await profile(session, "altrove-1")).status == 200


async def test_refused_call_has_no_effect(session: aiohttp.ClientSession) -> None:
    """A submission over the limit gets a 429 with the wait in IO's own header, and has no effect."""
    for _ in range(3):
        await profile(session, "tari-1")
    content = {"subject": "Avviso di prova", "markdown": "m" * 80}
    response = await session.post(
        "messages", json={"fiscal_code": FISCAL_CODE, "content": content}, headers={KEY_HEADER: "tari-1"}
    )
    wait = int(response.headers["x-rate-limit-retry-after"])
    assert response.status == 429
    assert 3000 < wait <= 3600
    assert "Retry-After" not in response.headers
    assert response.headers["x-rate-limit-remaining"] == "0"
    assert await response.json() == {
        "statusCode": 429,
        "message": f"Rate limit is exceeded. Try again in {wait} seconds.",
    }
    assert (await (await session.get("/simulator/messages")).json())["count"] == 0
    assert (await (await session.get("/simulator/calls")).json())["busiest_window"] == 4


async def test_without_a_limit_nothing_is_told() -> None:
    """Without a limit there are no rate headers, as for IO's accounts without one."""
    unlimited = Configuration(rate_limit=RateLimit(calls=None))
    async with connected(unlimited) as session:
        response = await profile(session, "simulator-key")
    assert response.status == 200
    assert not [name for name in response.headers if name.lower().startswith("x-rate-limit")]


async def test_default_configuration_has_two_keys() -> None:
    """By default both keys of the service "default" work, with 150 calls in 5 seconds."""
    async with connected(Configuration()) as session:
        first = await profile(session, "simulator-key")
        second = await profile(session, "simulator-secondary-key")
    assert (first.status, second.status) == (200, 200)
    assert first.headers["x-rate-limit-remaining"] == "149"


async def test_keys_are_revoked_rotated_and_restored(session: aiohttp.ClientSession) -> None:
    """A key can be revoked and restored while the simulator runs."""
    assert (await session.post("/simulator/keys", json={"tari": ["tari-2"]})).status == 200
    assert (await profile(session, "tari-1")).status == 401
    assert (await profile(session, "tari-2")).status == 200
    await session.post("/simulator/keys", json={"tari": []})
    assert (await profile(session, "tari-2")).status == 401
    await session.post("/simulator/keys", json={"tari": ["tari-1"]})
    assert (await profile(session, "tari-1")).status == 200
