"""The simulator's messages after their acceptance: processing, reading, paying."""

from collections.abc import AsyncIterator
from ipaddress import ip_network
from typing import Any

import aiohttp
import pytest

from local.io_simulator import Configuration, RunningSimulator, Service, running_simulator
from local.io_simulator.services import PREMIUM_GROUPS

FISCAL_CODE = "AAAAAA00A00A000A"
OTHER_FISCAL_CODE = "RSSMRA80A01H501U"
CONTENT = {
    "subject": "Avviso di pagamento",
    "markdown": "m" * 80,
    "due_date": "2027-01-31T22:59:59Z",
    "payment_data": {"amount": 500, "notice_number": "301000000000000000"},
}
PREMIUM = {"fiscal_code": FISCAL_CODE, "feature_level_type": "ADVANCED", "content": CONTENT}
CONFIGURATION = Configuration(
    services={
        "tari": Service(keys=("tari",), organization_fiscal_code="01234567890"),
        "multe": Service(keys=("multe",)),
        "payee": Service(keys=("payee",), groups=PREMIUM_GROUPS | {"ApiMessageWriteWithPayee"}),
        "elsewhere": Service(keys=("elsewhere",), authorized_cidrs=(ip_network("192.0.2.0/24"),)),
        "blind": Service(keys=("blind",), groups=PREMIUM_GROUPS - {"ApiMessageReadAdvanced"}),
        "write-only": Service(keys=("write-only",), groups=PREMIUM_GROUPS - {"ApiMessageRead"}),
    },
    processing_delay_seconds=600,
)


@pytest.fixture
async def running() -> AsyncIterator[RunningSimulator]:
    """A simulator that needs ten simulated minutes to process a message."""
    async with running_simulator(CONFIGURATION) as running:
        yield running


@pytest.fixture
async def session(running: RunningSimulator) -> AsyncIterator[aiohttp.ClientSession]:
    """A session with the key of the service "tari" by default."""
    headers = {"Ocp-Apim-Subscription-Key": "tari"}
    async with aiohttp.ClientSession(f"{running.base_url}/", headers=headers) as session:
        yield session


async def script(session: aiohttp.ClientSession, **citizen: object) -> None:
    """Script the citizen."""
    response = await session.post("/simulator/citizens", json={FISCAL_CODE: citizen})
    assert response.status == 200, await response.text()


async def advance(session: aiohttp.ClientSession, seconds: float) -> None:
    """Let simulated time pass."""
    await session.post("/simulator/clock", json={"advance_seconds": seconds})


async def submit(session: aiohttp.ClientSession, document: object = PREMIUM, key: str = "tari") -> str:
    """Submit a message, and return its id."""
    response = await session.post("messages", json=document, headers={"Ocp-Apim-Subscription-Key": key})
    assert response.status == 201, await response.text()
    return str((await response.json())["id"])


async def get(session: aiohttp.ClientSession, message_id: str, key: str = "tari") -> dict[str, Any]:
    """IO's status of a message."""
    url = f"messages/{FISCAL_CODE}/{message_id}"
    response = await session.get(url, headers={"Ocp-Apim-Subscription-Key": key})
    assert response.status == 200, await response.text()
    document: dict[str, Any] = await response.json()
    return document


async def test_pending_message_has_no_content(session: aiohttp.ClientSession) -> None:
    """Until it is processed a message is ACCEPTED, without content or other statuses."""
    message_id = await submit(session)
    document = await get(session, message_id)
    assert document.keys() == {"message", "status"}
    assert document["status"] == "ACCEPTED"
    created_at = document["message"].pop("created_at")
    assert document["message"] == {
        "id": message_id,
        "fiscal_code": FISCAL_CODE,
        "sender_service_id": "tari",
        "time_to_live": 3600,
        "feature_level_type": "ADVANCED",
    }
    assert created_at.endswith("Z")


async def test_processed_message_has_content(session: aiohttp.ClientSession) -> None:
    """A processed message has its content as IO keeps it: with payee, defaults and milliseconds filled in."""
    message_id = await submit(session)
    await advance(session, 600)
    document = await get(session, message_id)
    payment = CONTENT["payment_data"]
    assert isinstance(payment, dict)
    assert document["status"] == "PROCESSED"
    assert document["message"]["content"] == CONTENT | {
        "due_date": "2027-01-31T22:59:59.000Z",
        "payment_data": payment | {"invalid_after_due_date": False, "payee": {"fiscal_code": "01234567890"}},
    }
    assert "notification" not in document


async def test_payee_given_is_kept(session: aiohttp.ClientSession) -> None:
    """A payee in the request is not replaced by the service's own."""
    payment = {"amount": 500, "notice_number": "3" * 18, "payee": {"fiscal_code": "99999999999"}}
    message_id = await submit(session, PREMIUM | {"content": CONTENT | {"payment_data": payment}}, "payee")
    await advance(session, 600)
    content = (await get(session, message_id, "payee"))["message"]["content"]
    assert content["payment_data"]["payee"] == {"fiscal_code": "99999999999"}


@pytest.mark.parametrize(
    "citizen", [{"on_io": False}, {"inbox_enabled": False}, {"sender_allowed": {"tari": False}}]
)
async def test_unreachable_recipient_is_rejected(
    session: aiohttp.ClientSession, citizen: dict[str, object]
) -> None:
    """A message without a profile, without an inbox or to a blocked service is REJECTED, without content."""
    await script(session, **citizen)
    message_id = await submit(session)
    await advance(session, 600)
    document = await get(session, message_id)
    assert document.keys() == {"message", "status"}
    assert document["status"] == "REJECTED"
    assert "content" not in document["message"]


async def test_processing_can_fail(session: aiohttp.ClientSession) -> None:
    """A message with a scripted failure ends as FAILED."""
    await script(session, processing_outcome="FAILED")
    message_id = await submit(session)
    await advance(session, 600)
    assert (await get(session, message_id))["status"] == "FAILED"


async def test_block_between_acceptance_and_processing(session: aiohttp.ClientSession) -> None:
    """A citizen who blocks the service gets later messages rejected, and keeps the earlier ones."""
    await script(session, blocks_after_seconds=900)
    earlier = await submit(session)
    await advance(session, 600)
    later = await submit(session)
    await advance(session, 600)
    assert (await get(session, earlier))["status"] == "PROCESSED"
    assert (await get(session, later))["status"] == "REJECTED"


async def test_outcome_does_not_change_afterwards(session: aiohttp.ClientSession) -> None:
    """A new script does not change a message that was processed before, even if it was never polled."""
    message_id = await submit(session)
    await advance(session, 600)
    await script(session, on_io=False)
    assert (await get(session, message_id))["status"] == "PROCESSED"


async def test_is_read_and_paid_in_its_time(session: aiohttp.ClientSession) -> None:
    """A Premium payment message is UNREAD and NOT_PAID until the citizen reads and pays."""
    await script(session, reads_after_seconds=3600, pays_after_seconds=7200)
    message_id = await submit(session)
    seen = []
    for seconds in (600, 3000, 3600):
        await advance(session, seconds)
        document = await get(session, message_id)
        seen.append((document["read_status"], document["payment_status"]))
    assert seen == [("UNREAD", "NOT_PAID"), ("READ", "NOT_PAID"), ("READ", "PAID")]


async def test_may_never_be_read_or_paid(session: aiohttp.ClientSession) -> None:
    """A citizen scripted never to read or pay does neither in ten years."""
    await script(session, reads_after_seconds=None, pays_after_seconds=None)
    message_id = await submit(session)
    await advance(session, 10 * 365 * 86_400)
    document = await get(session, message_id)
    assert (document["read_status"], document["payment_status"]) == ("UNREAD", "NOT_PAID")


async def test_standard_message_tells_neither(session: aiohttp.ClientSession) -> None:
    """A STANDARD message has neither a read status nor a payment status."""
    message_id = await submit(session, PREMIUM | {"feature_level_type": "STANDARD"})
    await advance(session, 86_400)
    assert (await get(session, message_id)).keys() == {"message", "status"}


async def test_premium_message_without_payment(session: aiohttp.ClientSession) -> None:
    """A Premium message without a payment has a read status only."""
    content = {"subject": CONTENT["subject"], "markdown": CONTENT["markdown"]}
    message_id = await submit(session, PREMIUM | {"content": content})
    await advance(session, 86_400)
    assert (await get(session, message_id)).keys() == {"message", "status", "read_status"}


async def test_account_that_may_not_read_premium_statuses(session: aiohttp.ClientSession) -> None:
    """Without the group for it, an account gets neither status."""
    message_id = await submit(session, key="blind")
    await advance(session, 86_400)
    assert (await get(session, message_id, "blind")).keys() == {"message", "status"}


async def test_read_status_becomes_unavailable_and_back(session: aiohttp.ClientSession) -> None:
    """A read status becomes UNAVAILABLE and returns as scripted, and the payment status stays."""
    span = {"from_seconds": 3600, "to_seconds": 7200}
    await script(session, reads_after_seconds=0, pays_after_seconds=0, read_status_unavailable=[span])
    message_id = await submit(session)
    seen = []
    for seconds in (600, 3000, 3600):
        await advance(session, seconds)
        document = await get(session, message_id)
        seen.append((document["read_status"], document["payment_status"]))
    assert seen == [("READ", "PAID"), ("UNAVAILABLE", "PAID"), ("READ", "PAID")]


async def test_pagopa_failure_fails_the_whole_answer(session: aiohttp.ClientSession) -> None:
    """While pagoPA does not answer IO, the GET of that message is a 500."""
    await script(session, pagopa_fails_first_gets=2)
    message_id = await submit(session)
    await advance(session, 600)
    statuses = []
    for _ in range(3):
        response = await session.get(f"messages/{FISCAL_CODE}/{message_id}")
        statuses.append(response.status)
        if response.status == 500:
            problem = await response.json()
            assert problem["title"] == "Internal server error"
            assert problem["detail"].startswith("Error retrieving Payment Status: ")
    assert statuses == [500, 500, 200]


async def test_pagopa_failure_for_a_time(session: aiohttp.ClientSession) -> None:
    """pagoPA fails between two instants, and only for messages with a payment."""
    await script(session, pagopa_fails=[{"to_seconds": 3600}])
    with_payment = await submit(session)
    without = await submit(session, PREMIUM | {"content": {"subject": "s" * 10, "markdown": "m" * 80}})
    await advance(session, 600)
    assert (await session.get(f"messages/{FISCAL_CODE}/{with_payment}")).status == 500
    assert (await get(session, without))["read_status"] == "READ"
    await advance(session, 3000)
    assert (await get(session, with_payment))["payment_status"] == "PAID"


@pytest.mark.parametrize(
    ("key", "path", "status", "title"),
    [
        ("tari", f"{FISCAL_CODE}/01J00000000000000000000000", 404, "Message not found"),
        ("tari", f"{OTHER_FISCAL_CODE}/{{id}}", 404, "Message not found"),
        ("tari", "aaaaaa00a00a000a/{id}", 400, "Invalid string"),
        ("multe", f"{FISCAL_CODE}/{{id}}", 403, "You are not allowed here"),
        ("write-only", f"{FISCAL_CODE}/{{id}}", 403, "You are not allowed here"),
        ("elsewhere", f"{FISCAL_CODE}/unknown", 403, "You are not allowed here"),
    ],
)
async def test_messages_that_are_not_ones_own(
    session: aiohttp.ClientSession, key: str, path: str, status: int, title: str
) -> None:
    """An unknown id, a foreign recipient, service or address, and a missing scope each get IO's answer."""
    path = path.format(id=await submit(session))
    response = await session.get(f"messages/{path}", headers={"Ocp-Apim-Subscription-Key": key})
    assert response.status == status
    assert (await response.json())["title"].startswith(title)


async def test_repr_shows_no_personal_data(running: RunningSimulator, session: aiohttp.ClientSession) -> None:
    """The repr of a message contains neither fiscal code, content nor key."""
    await submit(session)
    shown = repr(list(running.state.messages))
    assert "tari" in shown
    assert not [secret for secret in (FISCAL_CODE, "Avviso di pagamento", "key=") if secret in shown]
