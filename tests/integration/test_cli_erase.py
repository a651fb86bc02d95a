"""`postino erase` on a real storage account, and a search of the bytes that the account keeps."""

import base64
import json
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from cli.connection import Operator, ask
from contract.remote_content import RemoteContent
from local.azurite import Azurite
from storage.documents import NoDocument
from storage.ledger import Entry, State, Step
from tests.integration.cli_account import CliAccount
from tests.samples import BLOB, FISCAL_CODE, NOTICE_NUMBER, PDF, a_body, a_request, payment, remote_content

OTHER, OTHERS_BLOB = "VRDLGU80A01H501X", "tari/2026/altro.pdf"
ID, OTHERS_ID = "TARI:2026:1", "TARI:2026:2"
# Azurite frees the space of what was deleted at its start, ten minutes after it was last written.
AGE = timedelta(minutes=11)
SECONDS = 30


class Place:
    """A storage account of its own in a folder, with the data of two persons in every store."""

    def __init__(self, azurite: Azurite, folder: Path, environment: pytest.MonkeyPatch) -> None:
        self.azurite = azurite
        self.folder = folder
        self.account = CliAccount(azurite.connection_string, environment).started()

    def fill(self, request_id: str, code: str, blob: str) -> None:
        """Put a person into every store."""
        fields = {"request_id": request_id, "fiscal_code": code}
        content = remote_content(blob)
        entry = self.account.accepted(
            **fields, content=payment(), remote_content=content, feature_level_type="ADVANCED"
        )
        self.account.keep(entry, RemoteContent.model_validate(content, strict=False), undeclared=0)
        self.account.park(a_body(**fields | {"extra": 1}))
        self.account.put("message-requests", a_body(**fields | {"request_id": f"{request_id}-new"}))
        ask(lambda stores: _fill_others(stores, entry, blob))

    def secrets(self) -> dict[str, bytes]:
        """What the bytes of the account may not hold after the erasure, by name."""

        async def collect(stores: Operator) -> dict[str, bytes]:
            entry = await stores.ledger.get(ID)
            assert entry
            (parked,) = [one async for one in stores.parked.all() if await _is_mine(stores, one)]
            kept = await stores.remote_contents.get(entry.remote_content_id or "")
            assert kept
            return {
                "code": FISCAL_CODE.encode(),
                "hash of the code": entry.recipient.encode(),
                "hash of the content": entry.content_digest.encode(),
                "hash of the notice": next(iter(await stores.notices.of_requests([ID]))).encode(),
                "sealed code": entry.sealed_fiscal_code,
                "sealed body": entry.body["body0"],
                "sealed parked body": parked.sealed_body["body0"],
                "sealed remote content": kept.sealed["content0"],
                "id of the remote content": kept.remote_content_id.encode(),
                "document": PDF + BLOB.encode(),
            }

        return ask(collect)

    def files_with(self, secrets: Mapping[str, bytes]) -> dict[str, int]:
        """Stop the account, and return how many of its files hold each secret."""
        self.azurite.stop()
        contents = [path.read_bytes() for path in self.folder.rglob("*") if path.is_file()]
        self.azurite.start()
        return {name: sum(_holds(one, secret) for one in contents) for name, secret in secrets.items()}

    def free_space(self) -> None:
        """Let the account free the space of a queue message and of a document, as it does with time."""
        before = self._extents()
        self.azurite.stop()
        for path in self.folder.glob("*_extent__.json"):
            _make_older(path)
        self.azurite.start()
        deadline = time.monotonic() + SECONDS
        while len(self._extents()) > len(before) - 2:
            assert time.monotonic() < deadline, "no space was freed"
            time.sleep(0.1)

    def _extents(self) -> set[Path]:
        return set(self.folder.glob("__*storage__/*"))

    def erase(self, *arguments: str, typed: str = FISCAL_CODE) -> Result:
        """Run `postino erase`, and type a fiscal code."""
        return self.account.run("erase", *arguments, typed=f"{typed}\n")


async def _fill_others(stores: Operator, entry: Entry, blob: str) -> None:
    now = datetime.now(UTC)
    for index in (stores.due_index, stores.reminder_index, stores.retention.index):
        await index.put(entry.request_id, now + timedelta(days=1))
    await stores.notices.note(NOTICE_NUMBER[:-1] + entry.request_id[-1], entry.request_id)
    await stores.reminder_days.take(entry.recipient, now.date(), 2, reminder=entry.request_id)
    await stores.documents().put(blob, PDF + blob.encode())


async def _is_mine(stores: Operator, parked: Any) -> bool:
    return FISCAL_CODE in stores.parked.body_of(parked)


def _holds(content: bytes, secret: bytes) -> bool:
    return any(form in content for form in (secret, base64.b64encode(secret)))


def _make_older(path: Path) -> None:
    document = json.loads(path.read_text())
    for collection in document["collections"]:
        for row in collection["data"]:
            for name in row.keys() & {"lastModifiedInMS", "LastModifyInMS"}:  # Azurite writes both
                row[name] -= AGE.total_seconds() * 1000
    path.write_text(json.dumps(document))


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    folder = tmp_path / "account"
    folder.mkdir()
    with Azurite(data=folder) as azurite:
        yield Place(azurite, folder, monkeypatch)


def test_no_byte_of_the_person_is_left(place: Place) -> None:
    """Code, hashes, sealed texts, document: all are in the account's files before the erasure, none after."""
    place.fill(ID, FISCAL_CODE, BLOB)
    secrets = place.secrets()
    assert [name for name, files in place.files_with(secrets).items() if not files] == []
    place.fill(OTHERS_ID, OTHER, OTHERS_BLOB)
    erased = place.erase("--execute")
    assert erased.exit_code == 0, erased.output
    place.free_space()
    assert [name for name, files in place.files_with(secrets).items() if files] == []
    assert "Niente sotto questo codice" in place.erase().stderr
    assert json.loads(place.erase("--json", typed=OTHER).stdout)["found"] == {
        "messages": 1,
        "parked": 1,
        "notices": 1,
        "remote_contents": 1,
    }


def test_other_persons_messages_are_as_before(place: Place) -> None:
    """After an erasure another person's message is shown, its document and its copy are there."""
    place.fill(ID, FISCAL_CODE, BLOB)
    place.fill(OTHERS_ID, OTHER, OTHERS_BLOB)
    before = place.account.run("show", OTHERS_ID).stdout
    assert place.erase("--execute").exit_code == 0
    assert place.account.run("show", OTHERS_ID).stdout == before

    async def look(stores: Operator) -> int:
        documents = stores.documents()
        await (await documents.open(OTHERS_BLOB)).pieces.aclose()
        with pytest.raises(NoDocument):
            await documents.open(BLOB)
        return len(await _bodies(stores))

    assert ask(look) == 1


async def _bodies(stores: Operator) -> list[str]:
    removed, _ = await stores.queues.sift("message-requests", lambda _: True)
    return removed


def test_trial_changes_nothing(place: Place) -> None:
    """Without --execute the command counts what it would erase, and erases nothing."""
    place.fill(ID, FISCAL_CODE, BLOB)
    tried = place.erase("--json")
    document = json.loads(tried.stdout)
    assert (tried.exit_code, document["executed"], document["complete"]) == (0, False, False)
    assert document["found"] == {"messages": 1, "parked": 1, "notices": 1, "remote_contents": 1}
    assert place.account.run("show", ID).exit_code == 0


def test_code_is_in_a_file_or_typed_in_any_way(place: Place, tmp_path: Path) -> None:
    """A code in small letters with blanks is the same; what is no code is refused and not repeated."""
    place.fill(ID, FISCAL_CODE, BLOB)
    file = tmp_path / "codice.txt"
    file.write_text(f"  {FISCAL_CODE[:6].lower()} {FISCAL_CODE[6:]}\n")
    assert place.account.run("erase", "--file", str(file)).exit_code == 0
    file.write_text(f"{FISCAL_CODE}, {OTHER}")
    for wrong in (place.account.run("erase", "--file", str(file)), place.erase(typed="RSSMRA80A01H501")):
        assert wrong.exit_code == 2
        assert "Non è un codice fiscale" in wrong.stderr
        assert "RSSMRA" not in wrong.output
    assert place.account.run("erase", "--file", str(tmp_path / "ignoto.txt")).exit_code == 2


def test_doubt_is_told_with_what_to_do(account: CliAccount) -> None:
    """A message in doubt prevents the erasure: the command names it and what to do, and --force erases it."""
    code = "BNCLRA80A41H501A"

    async def doubt(stores: Operator) -> str:
        request = a_request(request_id=account.new_id(), fiscal_code=code)
        claimed = await stores.ledger.commit(stores.ledger.intent(await stores.ledger.open(request)))
        return (await stores.ledger.advance(claimed, Step(State.IN_DOUBT, "timeout"))).request_id

    name = ask(doubt)
    refused = account.run("erase", "--execute", typed=code)
    assert refused.exit_code == 1
    assert f"postino in-doubt show {name}" in refused.stderr
    assert "--force" in refused.stderr
    assert account.run("show", name).exit_code == 0
    account.run("erase", "--execute", "--force", typed=code)
    shown = account.run("show", name)
    assert shown.exit_code == 1
    assert "i dati sono stati cancellati" in shown.stderr


def test_audit_tells_of_the_erasure_without_the_code(place: Place) -> None:
    """The audit has a row before and a row after, and neither the code nor a request of the person."""
    place.fill(ID, FISCAL_CODE, BLOB)
    place.erase()
    place.erase("--execute")
    rows = json.loads(place.account.run("audit", "list", "--json").stdout)
    assert [row["action"] for row in rows] == ["search_person", "erase", "erased"]
    assert rows[1]["target"] == rows[2]["target"]
    assert (rows[2]["messages"], rows[2]["left"]) == ("1", "0")
    assert not [word for word in (FISCAL_CODE, ID) if word in json.dumps(rows)]
    assert place.account.run("audit", "verify").exit_code == 0
