"""Remote contents over the real host and storage: each citizen gets their own documents, and no others."""

import asyncio
import http.client
import shutil
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from random import Random
from urllib.parse import quote, urlsplit

import pytest

from contract.remote_content import Attachment, RemoteContent
from local.azurite import Azurite
from settings import Settings
from storage.account import StorageAccount
from storage.cipher import Cipher
from storage.documents import Documents
from storage.readiness import Readiness
from storage.stores import Stores
from tests.integration.host_process import PROJECT, HostProcess, SampleApp
from tests.integration.test_host_http import call
from tests.remote import CONTENT, KEY, SECOND_KEY, SOMEBODY_ELSE, kept_content, remote_content_id
from tests.remote_functions import HEADER
from tests.samples import FISCAL_CODE, KEYS, personal_data_in
from tests.shared_azurite import SharedAzurite
from tests.unit.test_remote_content_calls import a_generated_call

CITIZENS = {number: f"AAAAAA00A{number:02}A000A" for number in range(20, 30)}
LATE = 11
AUTHORISED = [("fiscal_code", FISCAL_CODE), (HEADER, KEY)]


class Server:
    """A host that serves remote contents, and its storage account."""

    def __init__(self, folder: Path, azurite: Azurite) -> None:
        for name in ("function_app.py", "host.json"):
            shutil.copy(PROJECT / name, folder)
        self.environ = {
            "AzureWebJobsStorage": azurite.connection_string,
            "IO_API_KEY": "made-up-key",
            "IO_API_BASE_URL": "http://127.0.0.1:9/api/v1",
            "ENCRYPTION_KEYS": KEYS[0].get_secret_value(),
            "REMOTE_CONTENT_API_KEY": KEY,
            "REMOTE_CONTENT_API_SECONDARY_KEY": SECOND_KEY,
            "REMOTE_CONTENT_API_KEY_HEADER": HEADER,
        }
        app = SampleApp.__new__(SampleApp)
        app.folder = folder
        self.host = HostProcess(app, self.environ)

    @asynccontextmanager
    async def account(self) -> AsyncIterator[tuple[Stores, Documents, Cipher]]:
        """The stores, the documents, and the keyring with the account's index key."""
        account, cipher = StorageAccount(Settings.model_validate(self.environ)), Cipher([KEYS[0]])
        stores = Stores.on(account.table, account.queues(), cipher, lambda: kept_content(cipher).since)
        try:
            await Readiness.of(account, cipher).check()
            yield stores, account.documents(), cipher
        finally:
            await account.aclose()

    def get(
        self, path: str, fiscal_code: str = FISCAL_CODE, key: str = KEY, **headers: str
    ) -> tuple[int, bytes, dict[str, str]]:
        """Return status, body and headers (in lower case) of a call."""
        sent = {"fiscal_code": fiscal_code, HEADER: key, **headers}
        status, body, received = call(self.host, f"/api/messages/{path}", headers=sent)
        return status, body, {name.lower(): value for name, value in received.items()}

    def get_raw(self, target: str, headers: Iterable[tuple[str, str]]) -> int:
        """Return the status of a call whose target and headers are sent as they are."""
        with closing(http.client.HTTPConnection(urlsplit(self.host.address).netloc)) as connection:
            connection.putrequest("GET", target, skip_host=False)
            for name, value in headers:
                connection.putheader(name, value.encode())
            connection.endheaders()
            answer = connection.getresponse()
            answer.read()
            return answer.status


def with_document(blob: str) -> RemoteContent:
    """A remote content of one document."""
    return RemoteContent(attachments=(Attachment(name="Avviso.pdf", blob=blob),))


def document_of(number: int) -> bytes:
    """The document of the citizen with this number: no two are equal, and each has several pieces."""
    return b"%PDF-1.7\n" + Random(number).randbytes(300_000 + number)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, accounts: Iterator[SharedAzurite]) -> Iterator[Server]:
    """A host with ten citizens, who have one message and one document each."""
    server = Server(tmp_path_factory.mktemp("app"), next(accounts))
    try:
        asyncio.run(_fill(server))
        server.host.wait_until_ready()
        yield server
    finally:
        server.host.kill()


async def _fill(server: Server) -> None:
    async with server.account() as (stores, documents, cipher):
        keep = stores.remote_contents.keep
        for number, fiscal_code in CITIZENS.items():
            await keep(kept_content(cipher, number, fiscal_code), with_document(f"avvisi/{number}.pdf"))
            await documents.put(f"avvisi/{number}.pdf", document_of(number))
        for number, fiscal_code in ((0, FISCAL_CODE), (1, SOMEBODY_ELSE), (10, FISCAL_CODE)):
            await keep(kept_content(cipher, number, fiscal_code), CONTENT)
        for attachment in CONTENT.attachments:
            await documents.put(attachment.blob, document_of(0))
        await keep(kept_content(cipher, LATE), with_document("late.pdf"))


def test_each_citizen_gets_their_own_document_and_no_other(server: Server) -> None:
    """Of all pairs of ten citizens and ten messages, 10 are served byte for byte, and 90 look missing."""
    missing = server.get(f"{remote_content_id(99)}/1.pdf", CITIZENS[20])[:2]
    assert missing[0] == 404
    served = denied = 0
    for number in CITIZENS:
        for fiscal_code in CITIZENS.values():
            status, body, headers = server.get(f"{remote_content_id(number)}/1.pdf", fiscal_code)
            if fiscal_code == CITIZENS[number]:
                assert (status, body) == (200, document_of(number))
                assert headers["content-type"] == "application/octet-stream"
                assert headers["content-length"] == str(len(body))
                served += 1
            else:
                assert (status, body) == missing
                denied += 1
    assert (served, denied) == (10, 90)


@pytest.mark.parametrize("path", ["", "/precondition", "/1.pdf"])
def test_both_keys_are_valid_and_no_other(server: Server, path: str) -> None:
    """During a rotation the old and the new key open a content; any other call looks missing."""
    target = remote_content_id(10) + path
    first, second = server.get(target), server.get(target, key=SECOND_KEY)
    assert (first[0], second[0]) == (200, 200)
    assert first[1] == second[1]
    missing = server.get(remote_content_id(98) + path)[:2]
    for key in ("", KEY[:-1], KEY + "k", "k"):
        assert server.get(target, key=key)[:2] == missing
    assert first[2]["cache-control"] == "no-store"


def test_headers_of_lollipop_are_tolerated(server: Server) -> None:
    """The headers that IO adds for LolliPoP change nothing."""
    lollipop = {
        "x-pagopa-lollipop-original-method": "GET",
        "x-pagopa-lollipop-user-id": FISCAL_CODE,
        "signature": f"sig1=:{'hNojB+wW' * 10}==:",
    }
    assert server.get(remote_content_id(10), **lollipop)[0] == 200


def test_document_that_comes_late_is_served_when_it_is_there(server: Server) -> None:
    """A document is 503 with Retry-After until it is put, and then is served."""
    target = f"{remote_content_id(LATE)}/1.pdf"
    status, _, headers = server.get(target)
    assert (status, headers["retry-after"]) == (503, "10")

    async def put() -> None:
        async with server.account() as (_, documents, _):
            await documents.put("late.pdf", document_of(LATE))

    asyncio.run(put())
    assert server.get(target)[:2] == (200, document_of(LATE))


@pytest.mark.parametrize(
    "path",
    [
        "{id}/..%2f..%2f{other}%2f1.pdf", "{id}/..%2F1.pdf", "{id}/%2e%2e/{other}/1.pdf",
        "{id}/%2e%2e%2f1.pdf", "{id}/../{other}/1.pdf", "{id}%2f1.pdf", "{id}%2F..%2F{other}/1.pdf",
        "{id}/1.pdf%00", "{id}/1.pdf%0d%0a", "{id}/avvisi%2f20.pdf", "{id}/..\\1.pdf", "{id}/%252e%252e",
        "{id}//1.pdf", "%20/1.pdf", "{id}/1.pdf/", "a" * 10_000, "{id}/" + "1" * 10_000 + ".pdf",
        "{id}/%ff%fe",
    ],
)  # fmt: skip
def test_odd_paths_are_a_clear_4xx(server: Server, path: str) -> None:
    """Traversal, encoded slashes and huge ids are 400 or 404, and lead to no other document."""
    target = path.format(id=remote_content_id(10), other=remote_content_id(20))
    assert server.get_raw(f"/api/messages/{target}", AUTHORISED) in (400, 404)


def test_logs_hold_no_personal_data(server: Server) -> None:
    """The host's output has no fiscal code, key, or id of a content that was asked for."""
    server.get(remote_content_id(23), CITIZENS[23])
    server.get(remote_content_id(23), CITIZENS[20])
    output = server.host.stdout + server.host.stderr
    assert personal_data_in(output) == []
    for secret in (*CITIZENS.values(), KEY, SECOND_KEY, remote_content_id(23)):
        assert secret not in output


def test_generated_calls_over_the_host(server: Server) -> None:
    """Of hundreds of generated calls exactly the authorised ones are served, and none fails."""
    random = Random("over the host")
    served = 0
    for _ in range(400):
        made = a_generated_call(random)
        target = "/".join(quote(part, safe="") for part in (made.content_id, made.url))
        status = server.get_raw(f"/api/messages/{target}", made.headers)
        assert status in (200, 400, 404)
        served += status == 200
        assert status != 200 or made.is_authorised
    assert served > 10
