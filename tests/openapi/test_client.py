"""What the client sends and reads, against the specifications PagoPA publishes."""

import json
import re
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import web
from aiohttp.test_utils import TestServer
from jsonschema import Draft4Validator, FormatChecker, ValidationError
from pydantic import SecretStr

from io_api.client import IoClient
from io_api.models import (
    DeliveryStatus,
    FeatureLevelType,
    HasPrecondition,
    MessageContent,
    NewMessage,
    Payee,
    PaymentData,
    SubscriptionsFeed,
    ThirdPartyData,
)
from tests.openapi.specifications import SPECIFICATIONS

MESSAGES = SPECIFICATIONS / "messages-services-func-2.1.9.yaml"
SERVICES = SPECIFICATIONS / "io-functions-services-4.1.1.yaml"

FISCAL_CODE = "RSSMRA80A01H501U"
KEY = SecretStr("made-up-key")
# The specifications name these formats; what they mean is in io-ts-commons (strings.ts, dates.ts). Of the
# dates only the form that every version of IO takes is allowed.
FORMATS = {
    "FiscalCode": r"[A-Z]{6}[0-9LMNPQRSTUV]{2}[ABCDEHLMPRST][0-9LMNPQRSTUV]{2}[A-Z][0-9LMNPQRSTUV]{3}[A-Z]",
    "OrganizationFiscalCode": r"[0-9]{11}",
    "Ulid": r"[0-9a-hjkmnp-tv-zA-HJKMNP-TV-Z]{26}",
    "UTCISODateFromString": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ",
}

NOTICE = NewMessage(
    fiscal_code=FISCAL_CODE,
    content=MessageContent(
        subject="Avviso di pagamento",
        markdown="Hai un avviso da pagare. " * 5,
        due_date=datetime(2026, 12, 31, 22, 59, 59, tzinfo=UTC),
        payment_data=PaymentData(amount=1050, notice_number="3" * 18, payee=Payee(fiscal_code="01234567890")),
        require_secure_channels=True,
    ),
)
DOCUMENT = NewMessage(
    fiscal_code="AAAAAA00A00A000A",
    feature_level_type=FeatureLevelType.ADVANCED,
    content=MessageContent(
        subject="Un documento per te",
        markdown="C'è un nuovo documento. " * 5,
        third_party_data=ThirdPartyData(
            id="doc-1",
            configuration_id="01HMRBX079WA5SGYBQP1A7FSKH",
            has_attachments=True,
            has_remote_content=True,
            has_precondition=HasPrecondition.ALWAYS,
        ),
    ),
)


class Io:
    """A client, and a server that keeps the last request and answers what it is told."""

    client: IoClient
    request: web.Request
    body: bytes
    answer: object = None
    status: int = 200

    async def handle(self, request: web.Request) -> web.Response:
        self.request, self.body = request, await request.read()
        return web.json_response(self.answer, status=self.status)


@pytest.fixture
async def io() -> AsyncIterator[Io]:
    io = Io()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", io.handle)
    async with TestServer(app, host="127.0.0.1") as server:
        io.client = IoClient(str(server.make_url("/api/v1")))
        yield io
        await io.client.aclose()


def load(path: Path) -> dict[str, Any]:
    with path.open(encoding="utf-8") as file:
        document: dict[str, Any] = yaml.safe_load(file)
    return document


def check(value: object, schema: dict[str, Any], document: dict[str, Any]) -> None:
    """Validate, formats and extensible enumerations included, and allow no field the schema does not name."""
    formats = FormatChecker(())
    for name, pattern in FORMATS.items():
        formats.checks(name)(lambda text, pattern=pattern: bool(re.fullmatch(pattern, text)))
    closed = closing(schema, document)
    Draft4Validator(closed, format_checker=formats).validate(value)


def closing(schema: dict[str, Any], document: dict[str, Any]) -> dict[str, Any]:
    """The schema without references and allOf, so that it can forbid other fields."""
    if "$ref" in schema:
        return closing(document["definitions"][schema["$ref"].rpartition("/")[2]], document)
    parts = [closing(part, document) for part in schema.get("allOf", [])]
    whole = {key: value for key, value in schema.items() if key not in ("allOf", "properties")}
    properties = {name: closing(part, document) for name, part in schema.get("properties", {}).items()}
    required = schema.get("required", [])
    for part in parts:
        properties |= part.get("properties", {})
        required = required + part.get("required", [])
    if "items" in schema:
        whole |= {"items": closing(schema["items"], document)}
    if properties:
        whole |= {"properties": properties, "additionalProperties": False}
    if required:
        whole["required"] = required
    if "x-extensible-enum" in schema:
        whole["enum"] = schema["x-extensible-enum"]
    return whole


def check_call(io: Io, document: dict[str, Any], path: str) -> dict[str, Any]:
    """The operation of the specification that the request called, with its key in the header it names."""
    operation: dict[str, Any] = document["paths"][path][io.request.method.lower()]
    [[security]] = operation["security"]
    assert io.request.path == (document["basePath"] + path).removesuffix("/")
    assert io.request.headers[document["securityDefinitions"][security]["name"]] == "made-up-key"
    return operation


@pytest.mark.parametrize("message", [NOTICE, DOCUMENT], ids=["notice", "document"])
async def test_a_sent_message_is_a_new_message(io: Io, message: NewMessage) -> None:
    """What submit_message sends is a NewMessage, with no field IO would drop."""
    io.status, io.answer = 201, {"id": "01BX9NSMKVXXS5PSP2FATZMYYY"}
    await io.client.submit_message(message, key=KEY)

    document = load(MESSAGES)
    operation = check_call(io, document, "/")
    assert io.request.content_type in document["consumes"]
    check(json.loads(io.body), operation["parameters"][0]["schema"], document)


async def test_the_published_201_gives_the_id(io: Io) -> None:
    """The example of the specification is read."""
    example = load(MESSAGES)["paths"]["/"]["post"]["responses"]["201"]["examples"]["application/json"]
    io.status, io.answer = 201, example

    assert await io.client.submit_message(NOTICE, key=KEY) == example["id"]


async def test_a_profile_is_asked_for_as_published(io: Io) -> None:
    """What get_profile sends is a FiscalCodePayload, and it reads a LimitedProfile."""
    document = load(SERVICES)
    io.answer = {"sender_allowed": True, "preferred_languages": ["it_IT"]}
    check(io.answer, {"$ref": "#/definitions/LimitedProfile"}, document)
    profile = await io.client.get_profile(FISCAL_CODE, key=KEY)

    operation = check_call(io, document, "/profiles")
    check(json.loads(io.body), operation["parameters"][0]["schema"], document)
    assert profile is not None
    assert profile.sender_allowed


async def test_the_published_feed_is_read(io: Io) -> None:
    """get_subscriptions asks at the published address and reads the example of the specification."""
    document = load(SERVICES)
    listed = document["paths"]["/subscriptions-feed/{date}"]["get"]["responses"]
    io.answer = example = listed["200"]["examples"]["application/json"]
    feed = await io.client.get_subscriptions(date.fromisoformat(example["dateUTC"]), key=KEY)

    assert feed == SubscriptionsFeed.model_validate(example)
    assert io.request.path == f"/api/v1/subscriptions-feed/{example['dateUTC']}"


async def test_the_published_status_is_read(io: Io) -> None:
    """get_message asks at the published address and reads the example of the specification."""
    operation = load(MESSAGES)["paths"]["/{fiscal_code}/{id}"]["get"]
    io.answer = operation["responses"]["200"]["examples"]["application/json"]
    seen = await io.client.get_message(FISCAL_CODE, "01BX9NSMKVXXS5PSP2FATZMYYY", key=KEY)

    assert seen.status is DeliveryStatus.PROCESSED
    assert io.request.path == f"/api/v1/messages/{FISCAL_CODE}/01BX9NSMKVXXS5PSP2FATZMYYY"


@pytest.mark.parametrize(
    "change",
    [{"extra": 1}, {"fiscal_code": "RSSMRA80A01H501"}, {"feature_level_type": "PREMIUM"}, {"content": {}}],
)
def test_the_check_can_fail(change: dict[str, object]) -> None:
    """The validation used here refuses a body with an unknown field, or a wrong code, word or content."""
    body = json.loads(NOTICE.body()) | change

    with pytest.raises(ValidationError):
        check(body, {"$ref": "#/definitions/NewMessage"}, load(MESSAGES))
