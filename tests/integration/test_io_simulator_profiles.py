"""The simulator's profile calls."""

from collections.abc import AsyncIterator
from ipaddress import ip_network

import aiohttp
import pytest

from local.io_simulator import Configuration, Service, running_simulator
from local.io_simulator.services import PREMIUM_GROUPS

FISCAL_CODE = "AAAAAA00A00A000A"
OTHER_FISCAL_CODE = "RSSMRA80A01H501U"
CONFIGURATION = Configuration(
    services={
        "tari": Service(keys=("tari",)),
        "multe": Service(keys=("multe",)),
        "blind": Service(keys=("blind",), groups=frozenset({"ApiMessageRead"})),
        "elsewhere": Service(keys=("elsewhere",), authorized_cidrs=(ip_network("192.0.2.0/24"),)),
        "limited": Service(
            keys=("limited",),
            groups=(PREMIUM_GROUPS - {"ApiMessageWrite"}) | {"ApiLimitedMessageWrite"},
            authorized_recipients=frozenset({FISCAL_CODE}),
        ),
    }
)


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    """A simulator whose calls have the key of the service "tari" by default."""
    async with (
        running_simulator(CONFIGURATION) as running,
        aiohttp.ClientSession(
            f"{running.base_url}/", headers={"Ocp-Apim-Subscription-Key": "tari"}
        ) as session,
    ):
        yield session


async def script(session: aiohttp.ClientSession, citizen: dict[str, object]) -> None:
    """Script the citizen."""
    response = await session.post("/simulator/citizens", json={FISCAL_CODE: citizen})
    assert response.status == 200, await response.text()


async def profile(session: aiohttp.ClientSession, key: str = "tari") -> aiohttp.ClientResponse:
    """Ask for the citizen's profile."""
    headers = {"Ocp-Apim-Subscription-Key": key}
    return await session.post("profiles", json={"fiscal_code": FISCAL_CODE}, headers=headers)


async def test_default_citizen_allows_everyone(session: aiohttp.ClientSession) -> None:
    """A fiscal code without a script is on IO, allows the service and prefers Italian."""
    response = await profile(session)
    assert response.status == 200
    assert await response.json() == {"sender_allowed": True, "preferred_languages": ["it_IT"]}


async def test_fiscal_code_in_the_path_answers_the_same(session: aiohttp.ClientSession) -> None:
    """The deprecated form with the fiscal code in the path gives the same answer."""
    await script(session, {"sender_allowed": False, "preferred_languages": ["de_DE", "it_IT"]})
    response = await session.get(f"profiles/{FISCAL_CODE}")
    assert await response.json() == await (await profile(session)).json()


@pytest.mark.parametrize("citizen", [{"on_io": False}, {"inbox_enabled": False}])
async def test_who_cannot_be_reached_is_not_found(
    session: aiohttp.ClientSession, citizen: dict[str, object]
) -> None:
    """A citizen not on IO and one with the inbox turned off get the same 404."""
    await script(session, citizen)
    response = await profile(session)
    assert (response.status, response.content_type) == (404, "application/problem+json")
    assert (await response.json())["title"] == "Profile not found"


async def test_consent_is_by_service(session: aiohttp.ClientSession) -> None:
    """A citizen may block one service and allow the others."""
    await script(session, {"sender_allowed": {"tari": False}, "preferred_languages": None})
    assert await (await profile(session, "tari")).json() == {"sender_allowed": False}
    assert await (await profile(session, "multe")).json() == {"sender_allowed": True}


async def test_consent_may_end_later(session: aiohttp.ClientSession) -> None:
    """A citizen scripted to block later allows the service until then."""
    await script(session, {"blocks_after_seconds": 3600})
    assert (await (await profile(session)).json())["sender_allowed"] is True
    await session.post("/simulator/clock", json={"advance_seconds": 3600})
    assert (await (await profile(session)).json())["sender_allowed"] is False


@pytest.mark.parametrize("body", ["{}", '{"fiscal_code": "aaaaaa00a00a000a"}', '{"fiscal_code": null}', "[]"])
async def test_invalid_fiscal_code_in_the_body(session: aiohttp.ClientSession, body: str) -> None:
    """A body without a valid fiscal code is a 400."""
    response = await session.post("profiles", data=body)
    assert (response.status, (await response.json())["status"]) == (400, 400)


async def test_invalid_fiscal_code_in_the_path(session: aiohttp.ClientSession) -> None:
    """A path without a valid fiscal code is a 400."""
    assert (await session.get("profiles/aaaaaa00a00a000a")).status == 400


async def test_malformed_json(session: aiohttp.ClientSession) -> None:
    """A body that is not JSON is a 500."""
    assert (await session.post("profiles", data="{")).status == 500


@pytest.mark.parametrize("key", ["blind", "elsewhere"])
async def test_scope_and_address_are_required(session: aiohttp.ClientSession, key: str) -> None:
    """A service without the scope, or from another address, gets a 403."""
    response = await profile(session, key)
    assert (response.status, (await response.json())["title"]) == (403, "You are not allowed here")


async def test_limited_account_sees_its_recipients_only(session: aiohttp.ClientSession) -> None:
    """A limited account gets a 403 for every recipient that it is not authorised for."""
    assert (await profile(session, "limited")).status == 200
    headers = {"Ocp-Apim-Subscription-Key": "limited"}
    response = await session.post("profiles", json={"fiscal_code": OTHER_FISCAL_CODE}, headers=headers)
    assert (response.status, (await response.json())["title"]) == (403, "Recipient forbidden")
