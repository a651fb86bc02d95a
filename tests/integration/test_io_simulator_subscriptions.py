"""The simulator's subscriptions feed: who changed on a day, for whom."""

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from typing import Any

import aiohttp
import pytest

from local.io_simulator import Configuration, Service, running_simulator
from local.io_simulator.services import PREMIUM_GROUPS

FISCAL_CODE, OTHER = "AAAAAA00A00A000A", "RSSMRA80A01H501U"
DAY = 86_400
READER = PREMIUM_GROUPS | {"ApiSubscriptionsFeedRead"}
CONFIGURATION = Configuration(
    services={
        "tari": Service(keys=("tari",), groups=READER),
        "multe": Service(keys=("multe",), groups=READER),
        "blind": Service(keys=("blind",)),
    }
)
NOBODY: tuple[set[str], set[str]] = (set(), set())


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    """A simulator with services that may read the feed, and one that may not."""
    async with (
        running_simulator(CONFIGURATION) as running,
        aiohttp.ClientSession(f"{running.base_url}/") as session,
    ):
        yield session


async def today(session: aiohttp.ClientSession) -> date:
    """The simulator's UTC day."""
    document = await (await session.get("/simulator/clock")).json()
    return datetime.fromisoformat(document["now"]).astimezone(UTC).date()


async def script(session: aiohttp.ClientSession, **citizens: dict[str, Any]) -> None:
    """Script citizens."""
    response = await session.post("/simulator/citizens", json=citizens)
    assert response.status == 200, await response.text()


async def days_pass(session: aiohttp.ClientSession, days: int = 1) -> date:
    """Let days pass, and return the day that was."""
    was = await today(session)
    await session.post("/simulator/clock", json={"advance_seconds": days * DAY})
    return was


async def ask(session: aiohttp.ClientSession, day: date, key: str = "tari") -> aiohttp.ClientResponse:
    """Ask for a day of the feed."""
    return await session.get(f"subscriptions-feed/{day}", headers={"Ocp-Apim-Subscription-Key": key})


async def changes(session: aiohttp.ClientSession, day: date, key: str = "tari") -> tuple[set[str], set[str]]:
    """The fiscal codes that a day of the feed lists."""
    response = await ask(session, day, key)
    document = await response.json()
    assert (response.status, document["dateUTC"]) == (200, day.isoformat())
    by_hash = {sha256(code.encode()).hexdigest(): code for code in (FISCAL_CODE, OTHER)}
    subscribed, unsubscribed = (document[name] for name in ("subscriptions", "unsubscriptions"))
    return {by_hash[one] for one in subscribed}, {by_hash[one] for one in unsubscribed}


async def test_citizens_are_listed_on_the_day_of_their_change(session: aiohttp.ClientSession) -> None:
    """Who joins is listed for all services, who blocks one for that one, who leaves for all; then nobody."""
    await script(session, **{FISCAL_CODE: {}, OTHER: {"sender_allowed": {"multe": False}}})
    joined = await days_pass(session)
    await script(session, **{FISCAL_CODE: {"sender_allowed": {"tari": False}}})
    blocked = await days_pass(session)
    await script(session, **{FISCAL_CODE: {}, OTHER: {"on_io": False}})
    left = await days_pass(session)
    quiet = await days_pass(session)
    assert await changes(session, joined) == ({FISCAL_CODE, OTHER}, set())
    assert await changes(session, joined, "multe") == ({FISCAL_CODE}, set())
    assert await changes(session, blocked) == (set(), {FISCAL_CODE})
    assert await changes(session, blocked, "multe") == NOBODY
    assert await changes(session, left) == ({FISCAL_CODE}, {OTHER})
    assert await changes(session, quiet) == NOBODY


async def test_change_and_its_opposite_cancel_out(session: aiohttp.ClientSession) -> None:
    """A citizen who is at the end of the day as before is in neither list."""
    await script(session, **{FISCAL_CODE: {}})
    await script(session, **{FISCAL_CODE: {"on_io": False}})
    assert await changes(session, await days_pass(session)) == NOBODY


async def test_citizen_who_blocks_later_is_listed_then(session: aiohttp.ClientSession) -> None:
    """A block that the script plans is listed on its day."""
    await script(session, **{FISCAL_CODE: {"blocks_after_seconds": DAY}})
    first = await days_pass(session, 3)
    assert await changes(session, first) == ({FISCAL_CODE}, set())
    assert await changes(session, first + timedelta(days=1)) == (set(), {FISCAL_CODE})


async def test_day_is_there_when_it_is_over(session: aiohttp.ClientSession) -> None:
    """The day of today gets IO's 404, and a 200 tomorrow."""
    day = await today(session)
    response = await ask(session, day)
    assert response.status == 404
    assert (await response.json())["title"] == "Data not available yet"
    await days_pass(session)
    assert (await ask(session, day)).status == 200


async def test_feed_needs_its_own_right(session: aiohttp.ClientSession) -> None:
    """A service whose account has no right to the feed gets a 403, as one without any other right."""
    response = await ask(session, date(2026, 1, 31), "blind")
    assert response.status == 403
    assert (await response.json())["title"] == "You are not allowed here"
