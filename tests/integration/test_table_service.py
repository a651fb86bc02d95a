"""The client of Table storage against a server that misbehaves; against Azurite it is in test_storage.py."""

import base64
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from aiohttp import web

from storage import table_service
from storage.table import Row, Table, Unanswered
from storage.table_service import SCOPE, Access, TableService

KEY = base64.b64encode(b"k" * 32).decode()
WRITTEN = {"ETag": 'W/"1"', "Date": "Sun, 29 Nov 2026 09:00:00 GMT"}


@dataclass
class Server:
    """Answers each call with the next of `answers`, then with a write's answer; keeps what it received."""

    answers: list[web.Response] = field(default_factory=list)
    received: list[web.Request] = field(default_factory=list)
    url: str = ""

    async def handle(self, request: web.Request) -> web.Response:
        self.received.append(request)
        return self.answers.pop(0) if self.answers else web.Response(status=204, headers=WRITTEN)


@pytest.fixture
async def server(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Server]:
    monkeypatch.setattr(table_service, "FIRST_WAIT_SECONDS", 0.01)
    server = Server()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}/account"
    yield server
    await runner.cleanup()


@pytest.fixture
async def table(server: Server) -> AsyncIterator[Table]:
    access = Access.of(f"AccountName=account;AccountKey={KEY};TableEndpoint={server.url}")
    async with aclosing(TableService(access)) as service:
        yield Table(service.get_table_client("ledger"))


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
async def test_transient_refusal_is_retried(server: Server, table: Table, status: int) -> None:
    """A write that storage refuses for a moment is made again, with a signature of its own."""
    server.answers = [web.Response(status=status), web.Response(status=status)]
    assert await table.upsert("p", "k", {"a": 1}) == WRITTEN["ETag"]
    assert len(server.received) == 3


async def test_missing_role_is_not_retried(server: Server, table: Table) -> None:
    """A 403 is Unanswered at once, with its status: another try would be refused too."""
    server.answers = [web.Response(status=403)]
    with pytest.raises(Unanswered) as unanswered:
        await table.upsert("p", "k", {})
    assert (unanswered.value.status, len(server.received)) == (403, 1)


@pytest.mark.parametrize(
    "body", ["<html>", "[]", "{}", '{"value": 1}', '{"value": [{"RowKey": "k"}]}', "null"]
)
async def test_answer_that_is_no_answer_is_unanswered(server: Server, table: Table, body: str) -> None:
    """A 200 that is not from Table storage says nothing about the rows."""
    server.answers = [web.Response(text=body) for _ in range(2)]
    with pytest.raises(Unanswered):
        await table.get("p", "k")
    with pytest.raises(Unanswered):
        _ = [row async for row in table.rows("")]


@pytest.mark.parametrize("headers", [{}, {"ETag": 'W/"1"', "Date": "yesterday"}])
async def test_write_without_an_etag_is_unanswered(
    server: Server, table: Table, headers: dict[str, str]
) -> None:
    """A write whose answer has no ETag or no readable Date may have happened or not."""
    server.answers = [web.Response(status=204, headers=headers)]
    with pytest.raises(Unanswered):
        await table.upsert("p", "k", {})


async def test_query_goes_on_from_page_to_page(server: Server, table: Table) -> None:
    """A page may be empty; the query ends with the page that names no other."""
    onward = {"x-ms-continuation-NextPartitionKey": "1!4!cDI-", "x-ms-continuation-NextRowKey": "1!4!azI-"}
    row = {"PartitionKey": "p2", "RowKey": "k2", "odata.etag": 'W/"2"', "at@odata.type": "Edm.DateTime"}
    document = {"value": [row | {"at": "2026-11-29T09:00:00.5Z"}]}
    server.answers = [web.json_response({"value": []}, headers=onward), web.json_response(document)]
    rows = [row async for row in table.rows("RowKey ge @from", **{"from": "o'clock @from"})]
    assert rows == [Row("p2", "k2", {"at": datetime(2026, 11, 29, 9, 0, 0, 500000, UTC)}, 'W/"2"')]
    first, second = server.received
    assert first.query["$filter"] == second.query["$filter"] == "RowKey ge 'o''clock @from'"
    assert second.query["NextRowKey"] == "1!4!azI-"


async def test_identity_signs_with_its_token(server: Server) -> None:
    """With an identity each call has a token for storage, and no key."""
    asked: list[str] = []

    class Identity:
        async def get_token(self, *scopes: str) -> Any:
            asked.extend(scopes)
            return SimpleNamespace(token="secret-token")

        async def close(self) -> None: ...

    async with aclosing(TableService(Access(server.url, credential=Identity()))) as service:
        await Table(service.get_table_client("ledger")).upsert("p", "k", {})
    assert server.received[0].headers["Authorization"] == "Bearer secret-token"
    assert asked == [SCOPE]


async def test_shared_access_signature_is_part_of_the_address(server: Server) -> None:
    """With a SAS the address of each call has it, beside what the call asks for."""
    access = Access.of(f"TableEndpoint={server.url};SharedAccessSignature=sv=1&sig=a%2Fb%3D")
    async with aclosing(TableService(access)) as service:
        table = Table(service.get_table_client("ledger"))
        await table.upsert("p", "k", {})
        server.answers = [web.json_response({"value": []})]
        assert [row async for row in table.rows("RowKey eq @key", key="k")] == []
    assert [dict(request.query)["sig"] for request in server.received] == ["a/b=", "a/b="]
    assert "Authorization" not in server.received[0].headers


def test_access_shows_no_secret() -> None:
    """The key and the signature are in no representation of the access."""
    text = repr(Access.of(f"AccountName=a;AccountKey={KEY};SharedAccessSignature=sig=s3cret"))
    assert KEY not in text
    assert "s3cret" not in text
    assert "kkkk" not in text
    assert Access.of("AccountName=a;AccountKey=").endpoint == "https://a.table.core.windows.net"
