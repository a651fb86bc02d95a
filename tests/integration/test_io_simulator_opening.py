"""A citizen opens a message in the simulated app: what is fetched from the institution, and what is shown."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from local.io_simulator import Citizen, Configuration, RateLimit, institution, running_simulator

FISCAL_CODE, TEST_USER = "RSSMRA80A01H501U", "AAAAAA00A00A000A"
PDF = b"%PDF-1.7\n" + bytes(range(256)) * 40
SUBJECT, MARKDOWN = "Il tuo documento", "Il testo che si vede dopo aver aperto. " * 3
COURTESY = {"subject": "Un documento per te", "markdown": "Apri il messaggio per vedere il documento. " * 2}
DETAILS = {
    "attachments": [{"id": "1.pdf", "url": "1.pdf", "name": "atto.pdf", "content_type": "application/pdf"}],
    "details": {"subject": SUBJECT, "markdown": MARKDOWN},
}
PRECONDITION = {"title": "Prima di aprire", "markdown": "Accetti?"}
KEY = {"Ocp-Apim-Subscription-Key": "simulator-key"}
MANAGE_KEY = {"Ocp-Apim-Subscription-Key": "simulator-manage-key"}


@dataclass
class Comune:
    """An institution's server: it answers what a test sets, and keeps what it was asked."""

    details: object = field(default_factory=lambda: DETAILS)
    precondition: object = field(default_factory=lambda: PRECONDITION)
    attachment: Callable[[], Awaitable[web.Response]] | None = None
    document: bytes = PDF
    status: int = 200
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    async def handle(self, request: web.Request) -> web.Response:
        path = request.raw_path
        self.asked.append((path, dict(request.headers)))
        if self.status != 200:
            return web.json_response({}, status=self.status, headers={"Location": "/elsewhere"})
        if path.endswith("/precondition"):
            return web.json_response(self.precondition)
        if path.endswith(".pdf"):
            return await self.attachment() if self.attachment else web.Response(body=self.document)
        return web.json_response(self.details)

    @property
    def paths(self) -> list[str]:
        """The paths asked for, in order."""
        return [path for path, _ in self.asked]


class App:
    """The app of a citizen, and the institution that sent a message to the citizen."""

    def __init__(self, session: aiohttp.ClientSession, comune: Comune, address: str) -> None:
        self.comune = comune
        self._session = session
        self._address = address

    async def configure(self, **fields: Any) -> str:
        """Make a configuration for this institution, and return its id."""
        body = {
            "name": "Atti",
            "description": "Gli atti",
            "has_precondition": "NEVER",
            "disable_lollipop_for": [],
            "is_lollipop_enabled": False,
            "prod_environment": self.environment("/api"),
        }
        url = "messages-sending/remote-contents/configurations"
        present = {name: value for name, value in (body | fields).items() if value is not None}
        answer = await self._session.post(url, json=present, headers=MANAGE_KEY)
        return str((await answer.json())["configuration_id"])

    def environment(self, path: str) -> dict[str, Any]:
        """An environment at this path of the institution."""
        authentication = {"header_key_name": "X-Own-Key", "key": "own-key", "type": "API-KEY"}
        return {"base_url": f"{self._address}{path}", "details_authentication": authentication}

    async def send(self, configuration_id: str, fiscal_code: str = FISCAL_CODE, **flags: Any) -> str:
        """Send a message with these flags, and return its id."""
        third_party = {"id": "doc 1", "configuration_id": configuration_id, **flags}
        content = COURTESY | {"third_party_data": third_party}
        body = {"fiscal_code": fiscal_code, "feature_level_type": "ADVANCED", "content": content}
        answer = await self._session.post("messages", json=body, headers=KEY)
        assert answer.status == 201, await answer.text()
        return str((await answer.json())["id"])

    async def open(self, message_id: str, **fields: Any) -> Any:
        """What the citizen sees."""
        answer = await self._session.post("/simulator/open", json={"id": message_id, **fields})
        assert answer.status == 200, await answer.text()
        return await answer.json()

    async def opened(self, **flags: Any) -> Any:
        """What the citizen sees of a message with these flags."""
        return await self.open(await self.send(await self.configure(), **flags))


@pytest.fixture
async def app() -> AsyncIterator[App]:
    comune, server = Comune(), web.Application()
    server.router.add_route("*", "/{path:.*}", comune.handle)
    world = Configuration(processing_delay_seconds=0, rate_limit=RateLimit(calls=None))
    async with (
        TestServer(server, host="127.0.0.1") as there,
        running_simulator(world) as running,
        aiohttp.ClientSession(f"{running.base_url}/") as session,
    ):
        yield App(session, comune, str(there.make_url("")).rstrip("/"))


ALL = {"has_attachments": True, "has_remote_content": True, "has_precondition": "ALWAYS"}


async def test_the_citizen_sees_what_the_institution_keeps(app: App) -> None:
    """Text, precondition and document are shown, and the document byte for byte."""
    assert await app.opened(**ALL) == {
        "subject": SUBJECT,
        "markdown": MARKDOWN,
        "precondition": PRECONDITION,
        "attachments": [
            {
                "name": "atto.pdf",
                "status": 200,
                "bytes": len(PDF),
                "sha256": hashlib.sha256(PDF).hexdigest(),
                "retry_after": None,
            }
        ],
        "error": None,
    }


async def test_the_calls_are_those_of_ios_backend(app: App) -> None:
    """Each call has the fiscal code and the key, an encoded id, and no header of LolliPoP unless enabled."""
    await app.opened(**ALL)
    paths = ["/api/messages/doc%201/precondition", "/api/messages/doc%201", "/api/messages/doc%201/1.pdf"]
    assert app.comune.paths == paths
    for _, headers in app.comune.asked:
        assert (headers["fiscal_code"], headers["X-Own-Key"]) == (FISCAL_CODE, "own-key")
        assert not [name for name in headers if "lollipop" in name or "signature" in name]


async def test_lollipop_is_for_whom_the_configuration_enables_it(app: App) -> None:
    """With LolliPoP enabled its headers come, but not for the citizens for whom it is disabled."""
    one = await app.configure(is_lollipop_enabled=True, disable_lollipop_for=[TEST_USER])
    for fiscal_code in (FISCAL_CODE, TEST_USER):
        await app.open(await app.send(one, fiscal_code, has_attachments=True))
    signers = [headers.get("x-pagopa-lollipop-user-id") for _, headers in app.comune.asked]
    assert signers == [FISCAL_CODE, FISCAL_CODE, None, None]


async def test_test_users_have_an_environment_of_their_own(app: App) -> None:
    """Test users get the test environment, all others production; without production all get the test's."""
    test = app.environment("/test/api") | {"test_users": [TEST_USER]}
    both = await app.configure(test_environment=test)
    only_test = await app.configure(test_environment=test, prod_environment=None)
    for configuration, fiscal_code in ((both, TEST_USER), (both, FISCAL_CODE), (only_test, FISCAL_CODE)):
        await app.open(await app.send(configuration, fiscal_code, has_remote_content=True))
    assert app.comune.paths == [f"{at}/messages/doc%201" for at in ("/test/api", "/api", "/test/api")]


@pytest.mark.parametrize(("when", "times"), [("ALWAYS", 2), ("ONCE", 1), ("NEVER", 0)])
async def test_a_precondition_is_shown_as_often_as_the_message_says(app: App, when: str, times: int) -> None:
    """ALWAYS at each opening, ONCE at the first, NEVER not at all."""
    message = await app.send(await app.configure(), has_remote_content=True, has_precondition=when)
    seen = [(await app.open(message))["precondition"] for _ in range(2)]
    assert seen == [PRECONDITION] * times + [None] * (2 - times)


async def test_a_message_without_flags_shows_its_own_text(app: App) -> None:
    """Attachments and text of the institution are ignored if the flags do not announce them."""
    seen = await app.opened()
    assert {name: seen[name] for name in COURTESY} == COURTESY
    assert seen["attachments"] == []


@pytest.mark.parametrize(
    ("flags", "details", "title"),
    [
        ({"has_attachments": True}, {}, "ATTACHMENTS_NOT_PRESENT"),
        ({"has_remote_content": True}, {}, "REMOTE_CONTENT_NOT_PRESENT"),
        ({"has_remote_content": True}, {"details": {"subject": SUBJECT}}, "REMOTE_CONTENT_NOT_PRESENT"),
        (
            {"has_remote_content": True},
            {"details": {"subject": SUBJECT, "markdown": "m" * 79}},
            "MARKDOWN_VALIDATION_ERROR",
        ),
        (
            {"has_remote_content": True},
            {"details": {"subject": "s" * 121, "markdown": MARKDOWN}},
            "SUBJECT_VALIDATION_ERROR",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_content_that_differs_from_the_flags_is_a_502(
    app: App, flags: dict[str, Any], details: object, title: str
) -> None:
    """The app shows an error in place of the message, and IO's word for it."""
    app.comune.details = details
    seen = await app.opened(**flags)
    assert seen["error"] == {"status": 502, "title": title}
    assert seen["subject"] is None


async def test_a_file_that_is_no_pdf_is_a_415(app: App) -> None:
    """The bytes count, and not the name."""
    app.comune.document = b"PK\x03\x04 a spreadsheet"
    [seen] = (await app.opened(has_attachments=True))["attachments"]
    assert (seen["status"], seen["sha256"]) == (415, None)


async def test_a_document_that_is_late_is_waited_for(app: App) -> None:
    """A 503 is reported with its Retry-After; if the app may wait that long, it asks again."""
    late = [True]

    async def attachment() -> web.Response:
        if late:
            return web.json_response({}, status=503, headers={"Retry-After": "1"})
        return web.Response(body=PDF)

    app.comune.attachment = attachment
    message = await app.send(await app.configure(), has_attachments=True)
    [seen] = (await app.open(message))["attachments"]
    assert (seen["status"], seen["retry_after"]) == (503, 1)
    asyncio.get_running_loop().call_later(0.5, late.clear)
    [seen] = (await app.open(message, wait_seconds=2))["attachments"]
    assert (seen["status"], seen["bytes"]) == (200, len(PDF))


@pytest.mark.parametrize(
    ("status", "shown"),
    [(400, 400), (403, 403), (404, 404), (429, 429), (401, 500), (500, 500), (503, 500), (302, 500)],
)
async def test_an_error_of_the_institution_is_shown_as_io_passes_it_on(
    app: App, status: int, shown: int
) -> None:
    """What the specification lists is passed on, and all else is a 500; a redirect is not followed."""
    app.comune.status = status
    seen = await app.opened(has_remote_content=True)
    assert seen["error"]["status"] == shown
    assert len(app.comune.asked) == 1


@pytest.mark.parametrize(
    "details", ["text", [], {"attachments": [{"id": "1"}]}, {"attachments": {}}, {"details": "text"}]
)
async def test_details_in_another_shape_are_a_500(app: App, details: object) -> None:
    """Details that IO's codec does not read are an error."""
    app.comune.details = details
    seen = await app.opened(has_attachments=True)
    assert seen["error"]["status"] in (500, 502)


async def test_an_institution_that_does_not_answer_is_a_500(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call that takes too long is given up."""
    monkeypatch.setattr(institution, "TIMEOUT_SECONDS", 0.2)

    async def attachment() -> web.Response:
        await asyncio.sleep(5)
        return web.Response()

    app.comune.attachment = attachment
    [seen] = (await app.opened(has_attachments=True))["attachments"]
    assert seen["status"] == 500


async def test_a_configuration_without_environment_opens_nothing(app: App) -> None:
    """IO takes the message, and the citizen sees an error."""
    message = await app.send(await app.configure(prod_environment=None), has_remote_content=True)
    assert (await app.open(message))["error"]["status"] == 500


async def test_only_a_processed_message_can_be_opened() -> None:
    """Before it is processed, the app does not have the message; an unknown one is a mistake of the test."""
    world = Configuration(default_citizen=Citizen(), processing_delay_seconds=3600)
    async with (
        running_simulator(world) as running,
        aiohttp.ClientSession(f"{running.base_url}/", headers=KEY) as session,
    ):
        body = {"fiscal_code": FISCAL_CODE, "content": COURTESY}
        sent = await (await session.post("messages", json=body)).json()
        seen = await (await session.post("/simulator/open", json={"id": sent["id"]})).json()
        assert seen["error"] == {"status": 404, "title": "Not found"}
        unknown = await session.post("/simulator/open", json={"id": "nothing"})
        assert unknown.status == 400
        assert "unknown message" in (await unknown.json())["errors"][0]
