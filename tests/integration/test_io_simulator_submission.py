"""The simulator's submissions: which are accepted, and the order of the refusals."""

import ipaddress
import re
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from local.io_simulator import Configuration, Service, running_simulator
from local.io_simulator.services import CONFIGURATION_ID, PREMIUM_GROUPS, Group

FISCAL_CODE = "AAAAAA00A00A000A"
OTHER_FISCAL_CODE = "RSSMRA80A01H501U"
OTHERS_CONFIGURATION = "01J0000000P0ST1N00THER0000"
NOWHERE = (ipaddress.ip_network("192.0.2.0/24"),)
PAYMENT = {"amount": 500, "notice_number": "301000000000000000"}
PAYEE = {"payee": {"fiscal_code": "01234567890"}}
REMOTE = {"id": "1", "configuration_id": CONFIGURATION_ID}


def limited(*, cheap: bool = False) -> Service:
    """A service of a limited account."""
    return Service(
        keys=("cheap-limited" if cheap else "limited",),
        groups=(PREMIUM_GROUPS - {"ApiMessageWrite"}) | {"ApiLimitedMessageWrite"},
        authorized_recipients=frozenset({OTHER_FISCAL_CODE}),
        max_allowed_payment_amount=0 if cheap else 1_000_000,
    )


def lacking(*groups: Group) -> frozenset[Group]:
    """All groups of a Premium account except these."""
    return PREMIUM_GROUPS - frozenset(groups)


CONFIGURATION = Configuration(
    services={
        "premium": Service(keys=("premium",)),
        "no-scopes": Service(keys=("no-scopes",), groups=frozenset()),
        "read-only": Service(keys=("read-only",), groups=frozenset({"ApiMessageRead"})),
        "base": Service(keys=("base",), groups=lacking("ApiMessageWriteAdvanced"), authorized_cidrs=NOWHERE),
        "no-remote": Service(keys=("no-remote",), groups=lacking("ApiThirdPartyMessageWrite")),
        "elsewhere": Service(keys=("elsewhere",), authorized_cidrs=NOWHERE),
        "other": Service(
            keys=("other",), account="other", configuration_ids=frozenset({OTHERS_CONFIGURATION})
        ),
        "cheap": Service(keys=("cheap",), max_allowed_payment_amount=499),
        "payee": Service(keys=("payee",), groups=PREMIUM_GROUPS | {"ApiMessageWriteWithPayee"}),
        "limited": limited(),
        "cheap-limited": limited(cheap=True),
    }
)


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    """A simulator with a service for each kind of contract."""
    async with (
        running_simulator(CONFIGURATION) as running,
        aiohttp.ClientSession(f"{running.base_url}/") as session,
    ):
        yield session


def message(content: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    """A submission that IO accepts, with changes; a field that is None is left out."""
    document = {
        "fiscal_code": FISCAL_CODE,
        "content": {"subject": "Avviso di prova", "markdown": "m" * 80} | (content or {}),
    } | fields
    return {name: value for name, value in document.items() if value is not None}


async def submit(
    session: aiohttp.ClientSession, document: object, key: str = "premium", path: str = "messages"
) -> aiohttp.ClientResponse:
    """Submit a message."""
    return await session.post(path, json=document, headers={"Ocp-Apim-Subscription-Key": key})


async def accepted(session: aiohttp.ClientSession) -> list[dict[str, Any]]:
    """All messages that the simulator accepted."""
    messages: list[dict[str, Any]] = (await (await session.get("/simulator/messages")).json())["messages"]
    return messages


async def test_accepted_message_gets_a_ulid(session: aiohttp.ClientSession) -> None:
    """A 201 has the id, a ULID, in the body and in the Location."""
    response = await submit(session, message())
    assert response.status == 201
    message_id = (await response.json())["id"]
    assert re.fullmatch("[0-9A-HJKMNP-TV-Z]{26}", message_id)
    assert response.headers["Location"] == f"/api/v1/messages/{FISCAL_CODE}/{message_id}"


async def test_equal_messages_are_two_messages(session: aiohttp.ClientSession) -> None:
    """IO does not recognise duplicates: the same submission twice gives two messages, listed in order."""
    ids = [(await (await submit(session, message())).json())["id"] for _ in range(2)]
    assert [(one["order"], one["id"]) for one in await accepted(session)] == [(1, ids[0]), (2, ids[1])]
    assert ids[0] != ids[1]


async def test_fiscal_code_in_the_path(session: aiohttp.ClientSession) -> None:
    """The deprecated form takes the fiscal code from the path."""
    response = await submit(session, message(fiscal_code=None), path=f"messages/{FISCAL_CODE}")
    assert response.status == 201
    assert [one["fiscal_code"] for one in await accepted(session)] == [FISCAL_CODE]


async def test_recipient_is_not_looked_up(session: aiohttp.ClientSession) -> None:
    """A recipient who is not on IO, or blocked the service, is accepted all the same."""
    await session.post("/simulator/citizens", json={"default": {"on_io": False, "sender_allowed": False}})
    assert (await submit(session, message())).status == 201


@pytest.mark.parametrize(
    "document",
    [
        message(feature_level_type="ADVANCED"),
        message({"third_party_data": REMOTE}),
        message({"third_party_data": REMOTE | {"has_attachments": True}}, feature_level_type="ADVANCED"),
        message({"payment_data": PAYMENT | {"amount": 1_000_000}}),
    ],
)
async def test_premium_service_sends_it_all(session: aiohttp.ClientSession, document: object) -> None:
    """A Premium service may send Premium messages, remote contents, attachments and large payments."""
    assert (await submit(session, document)).status == 201


async def test_third_party_scope_is_for_standard_messages(session: aiohttp.ClientSession) -> None:
    """Remote content in a Premium message does not need the third party scope."""
    document = message({"third_party_data": REMOTE}, feature_level_type="ADVANCED")
    assert (await submit(session, document, "no-remote")).status == 201


async def test_payee_with_its_scope(session: aiohttp.ClientSession) -> None:
    """A service with the scope may name the payee."""
    assert (await submit(session, message({"payment_data": PAYMENT | PAYEE}), "payee")).status == 201


BAD = message({"subject": "short"})
ADVANCED = message(feature_level_type="ADVANCED")
TWICE = f"messages/{FISCAL_CODE}"

# Each call breaks the rule of its line and, where possible, the rule of the next: the order is IO's.
REFUSALS = [
    ("no-scopes", "messages", "{", 500, "Internal server error"),
    ("no-scopes", "messages", BAD, 403, "User has no valid scopes"),
    ("read-only", "messages", BAD, 403, "You are not allowed here"),
    ("base", "messages/WRONG", BAD, 400, "Invalid message structure"),
    ("base", "messages/WRONG", ADVANCED, 400, "Invalid string that matches the pattern"),
    ("base", TWICE, ADVANCED, 403, "You are not allowed here: a Premium message"),
    (
        "premium",
        TWICE,
        message({"eu_covid_cert": {"auth_code": "1"}, "payment_data": PAYMENT | PAYEE}),
        403,
        "You are not allowed here: an EUCovidCert message",
    ),
    (
        "premium",
        TWICE,
        message({"payment_data": PAYMENT | PAYEE}),
        403,
        "You are not allowed here: a payment message with payee",
    ),
    (
        "no-remote",
        TWICE,
        message({"third_party_data": {"id": "1"}}),
        403,
        "You are not allowed here: a third party message",
    ),
    ("elsewhere", TWICE, message(), 403, "You are not allowed here"),
    ("premium", TWICE, message({"third_party_data": {"id": "1"}}), 400, "Bad parameters: but not in both"),
    (
        "premium",
        "messages",
        message({"third_party_data": {"id": "1"}}, fiscal_code=None),
        400,
        "Bad parameters: in the path or in the payload",
    ),
    (
        "limited",
        "messages",
        message({"third_party_data": {"id": "1", "has_attachments": True}}),
        403,
        "No configuration id for remote content",
    ),
    (
        "limited",
        "messages",
        message(
            {
                "third_party_data": {
                    "id": "1",
                    "configuration_id": "01J00000000000000000000000",
                    "has_attachments": True,
                }
            }
        ),
        404,
        "Remote Content Configuration NOT FOUND",
    ),
    (
        "limited",
        "messages",
        message(
            {
                "third_party_data": {
                    "id": "1",
                    "configuration_id": OTHERS_CONFIGURATION,
                    "has_attachments": True,
                }
            }
        ),
        403,
        "Not your configuration",
    ),
    (
        "limited",
        "messages",
        message({"third_party_data": REMOTE | {"has_attachments": True}}),
        403,
        "Attachments call forbidden",
    ),
    ("cheap-limited", "messages", message({"payment_data": PAYMENT}), 403, "Recipient forbidden"),
    (
        "cheap",
        "messages",
        message({"payment_data": PAYMENT}),
        400,
        "Error while sending payment metadata: (500 cents) exceeds",
    ),
]


@pytest.mark.parametrize(("key", "path", "document", "status", "title"), REFUSALS)
async def test_refusals_come_in_the_order_of_io(
    session: aiohttp.ClientSession, key: str, path: str, document: object, status: int, title: str
) -> None:
    """The first broken rule, in IO's order, gives the answer, and no message is accepted."""
    body = {"data": document} if isinstance(document, str) else {"json": document}
    response = await session.post(path, headers={"Ocp-Apim-Subscription-Key": key}, **body)
    problem = await response.json()
    title, _, detail = title.partition(": ")
    assert (response.status, problem["status"]) == (status, status)
    assert response.content_type == "application/problem+json"
    assert problem["title"].startswith(title)
    assert detail in problem["detail"]
    assert await accepted(session) == []


async def test_amount_limit_is_told(session: aiohttp.ClientSession) -> None:
    """The refusal of a payment above the service's limit names both amounts."""
    response = await submit(session, message({"payment_data": PAYMENT}), "cheap")
    assert "500 cents" in (detail := (await response.json())["detail"])
    assert "499 cents" in detail
