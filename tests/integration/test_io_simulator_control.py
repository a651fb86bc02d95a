"""The simulator's control endpoints."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

import aiohttp
import pytest

from local.io_simulator import Configuration, RateLimit, running_simulator

FISCAL_CODE = "AAAAAA00A00A000A"
OTHER_FISCAL_CODE = "RSSMRA80A01H501U"
CONTENT = {"subject": "Avviso di prova", "markdown": "m" * 80}


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    """A simulator whose account may make ten calls in an hour."""
    async with (
        running_simulator(Configuration(rate_limit=RateLimit(calls=10, seconds=3600))) as running,
        aiohttp.ClientSession(
            f"{running.base_url}/", headers={"Ocp-Apim-Subscription-Key": "simulator-key"}
        ) as session,
    ):
        yield session


async def told(session: aiohttp.ClientSession, name: str) -> Any:
    """The answer of a control endpoint."""
    return await (await session.get(f"/simulator/{name}")).json()


async def submit(
    session: aiohttp.ClientSession, fiscal_code: str, key: str = "simulator-key", **fields: object
) -> str:
    """Submit a message, and return its id."""
    document = {"fiscal_code": fiscal_code, "content": CONTENT} | fields
    response = await session.post("messages", json=document, headers={"Ocp-Apim-Subscription-Key": key})
    return str((await response.json())["id"])


@pytest.mark.parametrize(
    ("name", "body", "mistake"),
    [
        ("clock", '{"advance_seconds": -1}', "advance_seconds: Input should be greater than or equal to 0"),
        ("clock", "{", "body: Invalid JSON"),
        ("citizens", f'{{"{FISCAL_CODE}": {{"raeds_after": 1}}}}', "raeds_after: Extra inputs"),
        ("citizens", '{"nobody": {}}', "nobody"),
        ("citizens", '{"default": {"read_status_unavailable": [{"to": 1}]}}', "default.read_status_un"),
        ("services", '{"tari": {}}', "tari.keys: Field required"),
        ("services", '{"tari": {"keys": ["k"], "groups": ["Admin"]}}', "tari.groups.0"),
        ("services", '{"tari": {"keys": ["simulator-key"]}}', "default and tari have a key in common"),
        ("keys", '{"tari": ["k"]}', "unknown service tari: POST /simulator/services first"),
        ("keys", '{"default": "k"}', "default"),
        ("faults", '{"kind": "hang"}', "body: Input should be a valid array"),
        ("faults", '[{"kind": "earthquake"}]', "0.kind: Input should be '429', '500_before'"),
        ("faults", '[{"kind": "slow"}]', "0: Value error, slow needs seconds"),
    ],
)
async def test_wrong_control_call_is_told_what_is_wrong(
    session: aiohttp.ClientSession, name: str, body: str, mistake: str
) -> None:
    """A wrong control call gets a 400 that names the error."""
    response = await session.post(f"/simulator/{name}", data=body)
    assert response.status == 400
    assert mistake in "\n".join((await response.json())["errors"])


async def test_wrong_filter_is_refused(session: aiohttp.ClientSession) -> None:
    """An unknown filter is an error, and not an empty answer."""
    response = await session.get("/simulator/messages?recipient=x")
    assert response.status == 400
    assert "unknown filter recipient" in (await response.json())["errors"][0]


async def test_clock_goes_forward(session: aiohttp.ClientSession) -> None:
    """Advancing the clock moves the simulated time of ids and acceptances."""
    before = datetime.fromisoformat((await told(session, "clock"))["now"])
    response = await session.post("/simulator/clock", json={"advance_seconds": 86_400})
    assert datetime.fromisoformat((await response.json())["now"]) >= before + timedelta(days=1)
    await submit(session, FISCAL_CODE)
    accepted = (await told(session, "messages"))["messages"][0]["accepted_at"]
    assert datetime.fromisoformat(accepted) >= before + timedelta(days=1)


async def test_messages_are_told_whole(session: aiohttp.ClientSession) -> None:
    """The messages endpoint returns every field of a message that a test needs."""
    message_id = await submit(session, FISCAL_CODE, "simulator-secondary-key", feature_level_type="ADVANCED")
    (message,) = (await told(session, "messages"))["messages"]
    del message["accepted_at"]
    assert message == {
        "order": 1,
        "id": message_id,
        "service": "default",
        "key": "simulator-secondary-key",
        "fiscal_code": FISCAL_CODE,
        "subject": "Avviso di prova",
        "feature_level_type": "ADVANCED",
        "time_to_live": 3600,
        "content": CONTENT,
        "status": "ACCEPTED",
    }


async def test_messages_are_filtered(session: aiohttp.ClientSession) -> None:
    """The filters of the messages endpoint apply together."""
    first = await submit(session, FISCAL_CODE)
    await submit(session, OTHER_FISCAL_CODE)
    await submit(session, FISCAL_CODE, feature_level_type="ADVANCED")
    assert (await told(session, f"messages?fiscal_code={FISCAL_CODE}"))["count"] == 2
    found = await told(session, f"messages?fiscal_code={FISCAL_CODE}&feature_level_type=STANDARD")
    assert [message["id"] for message in found["messages"]] == [first]


async def test_calls_are_counted(session: aiohttp.ClientSession) -> None:
    """Calls are counted by operation and status; control calls are neither counted nor limited."""
    for _ in range(20):
        await told(session, "clock")
    await submit(session, FISCAL_CODE)
    await session.get(f"messages/{FISCAL_CODE}/01")
    for _ in range(10):
        await session.get(f"profiles/{FISCAL_CODE}")
    assert await told(session, "calls") == {
        "operations": {
            "submit_message": {"received": 1, "answered": {"201": 1}},
            "get_message": {"received": 1, "answered": {"404": 1}},
            "get_profile": {"received": 10, "answered": {"200": 8, "429": 2}},
        },
        "busiest_window": 12,
    }


async def test_service_is_added(session: aiohttp.ClientSession) -> None:
    """A service added to the simulator works at once, with its own groups and account."""
    service = {"keys": ["new"], "groups": ["ApiMessageWrite"], "account": "new"}
    assert (await session.post("/simulator/services", json={"new": service})).status == 200
    response = await session.post(
        "messages",
        json={"fiscal_code": FISCAL_CODE, "content": CONTENT, "feature_level_type": "ADVANCED"},
        headers={"Ocp-Apim-Subscription-Key": "new"},
    )
    assert (response.status, response.headers["x-rate-limit-remaining"]) == (403, "9")


async def test_default_citizen_is_scripted(session: aiohttp.ClientSession) -> None:
    """The script "default" applies to every fiscal code without a script of its own."""
    await session.post("/simulator/citizens", json={"default": {"on_io": False}, FISCAL_CODE: {}})
    assert (await session.get(f"profiles/{FISCAL_CODE}")).status == 200
    assert (await session.get(f"profiles/{OTHER_FISCAL_CODE}")).status == 404


async def test_reset_forgets_everything(session: aiohttp.ClientSession) -> None:
    """A reset restores messages, scripts, keys, faults, counts, window and clock to their initial state."""
    start = datetime.fromisoformat((await told(session, "clock"))["now"])
    await session.post("/simulator/clock", json={"advance_seconds": 10**8})
    await submit(session, FISCAL_CODE)
    await session.post("/simulator/citizens", json={"default": {"on_io": False}})
    await session.post("/simulator/keys", json={"default": []})
    await session.post("/simulator/faults", json=[{"kind": "hang"}])
    assert (await session.post("/simulator/reset")).status == 200
    assert (await told(session, "messages"))["count"] == 0
    assert await told(session, "calls") == {"operations": {}, "busiest_window": 0}
    assert datetime.fromisoformat((await told(session, "clock"))["now"]) < start + timedelta(days=1)
    response = await session.get(f"profiles/{FISCAL_CODE}")
    assert (response.status, response.headers["x-rate-limit-remaining"]) == (200, "9")
