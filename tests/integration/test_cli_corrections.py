"""`postino remote-content correct` and `versions`, on a real storage account."""

import json
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from cli.connection import Operator, ask
from contract.remote_content import RemoteContent
from storage.ledger import Entry, State, Step
from tests.integration.cli_account import CliAccount
from tests.samples import FISCAL_CODE, MARKDOWN, PDF, PDF_A, SUBJECT, personal_data_in

OTHER_SUBJECT, OTHER_MARKDOWN = "Avviso corretto per te", "Questo è il testo corretto dell'avviso. " * 3
PRECONDITION = {"title": "Prima di aprire", "markdown": "Contiene dati sanitari."}


class Sent:
    """A message that was sent with a remote content, and the commands on it."""

    def __init__(self, account: CliAccount, **content: Any) -> None:
        self.account = account
        self.first, self.second = (f"tests/{uuid.uuid4().hex}.pdf" for _ in range(2))
        usual = {"subject": SUBJECT, "markdown": MARKDOWN} | {
            "attachments": [{"name": "Avviso.pdf", "blob": self.first}]
        }
        present = {name: value for name, value in (usual | content).items() if value is not None}
        self.entry = account.accepted(feature_level_type="ADVANCED", remote_content=present)
        account.keep(self.entry, RemoteContent.model_validate(present, strict=False), undeclared=0)
        self.put(self.first, PDF_A)

    def put(self, blob: str, content: bytes) -> str:
        """Put a document, and return its name."""

        async def put(stores: Operator) -> None:
            await stores.documents().put(blob, content)

        ask(put)
        return blob

    def correct(self, *arguments: str) -> Result:
        return self.account.run("remote-content", "correct", self.entry.request_id, *arguments)

    def corrected(self, *arguments: str) -> Any:
        """Correct it, and return what the command says."""
        result = self.correct(*arguments, "--execute", "--json")
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    def versions(self) -> list[dict[str, Any]]:
        result = self.account.run("remote-content", "versions", self.entry.request_id, "--json")
        assert result.exit_code == 0, result.output
        found: list[dict[str, Any]] = json.loads(result.stdout)
        return found

    def content(self) -> RemoteContent:
        """What IO gets now."""

        async def read(stores: Operator) -> RemoteContent:
            kept = await stores.remote_contents.get(self.entry.remote_content_id or "")
            assert kept
            return stores.remote_contents.content_of(kept)

        return ask(read)

    def actions(self) -> list[Mapping[str, Any]]:
        async def read(stores: Operator) -> list[Mapping[str, Any]]:
            return [one async for one in stores.audit.actions_on(self.entry.request_id)]

        return ask(read)


@pytest.fixture
def sent(account: CliAccount) -> Sent:
    return Sent(account)


def test_a_correction_is_shown_first(sent: Sent) -> None:
    """Without --execute nothing changes, no personal data is shown, and the next command is named."""
    sent.put(sent.second, PDF_A)
    shown = sent.correct("--attachment", f"1={sent.second}", "--subject", OTHER_SUBJECT)
    assert shown.exit_code == 0, shown.output
    assert sent.second in shown.stdout
    assert f"[{len(OTHER_SUBJECT)} caratteri]" in shown.stdout
    assert "--version 1 --execute" in shown.stderr
    assert OTHER_SUBJECT not in shown.output
    assert personal_data_in(shown.output) == []
    assert sent.content().attachments[0].blob == sent.first
    assert sent.actions() == []


def test_a_document_and_a_text_are_replaced_and_the_former_version_is_kept(
    sent: Sent, tmp_path: Path
) -> None:
    """IO gets the new content, both documents are in the versions, and the fields in the audit."""
    sent.put(sent.second, PDF_A)
    text = tmp_path / "text.md"
    text.write_text(OTHER_MARKDOWN, encoding="utf-8")
    said = sent.corrected(
        "--attachment", f"1={sent.second}", "--name", "1=Nuovo.pdf", "--markdown", str(text), "--version", "1"
    )
    assert (said["version"], said["undeclared"]) == (2, 0)
    content = sent.content()
    assert (content.subject, content.markdown) == (SUBJECT, OTHER_MARKDOWN)
    assert [(one.name, one.blob) for one in content.attachments] == [("Nuovo.pdf", sent.second)]
    versions = sent.versions()
    assert [one["version"] for one in versions] == [1, 2]
    assert [one["blobs"] for one in versions] == [[sent.first], [sent.second]]
    [action] = sent.actions()
    assert (action["action"], action["version"]) == ("correct_remote_content", "1")
    assert action["fields"] == "markdown,attachments.1.name,attachments.1.blob"
    assert personal_data_in(str(action)) == []


def test_show_tells_of_the_correction(sent: Sent) -> None:
    """The timeline has the version that IO gets, and names the command for the former ones."""
    sent.corrected("--subject", OTHER_SUBJECT)
    shown = sent.account.run("show", sent.entry.request_id)
    assert "versione 2" in shown.stdout
    assert f"postino remote-content versions {sent.entry.request_id}" in shown.stdout


def test_a_correction_needs_the_version_that_was_shown(sent: Sent) -> None:
    """If another correction came first, nothing is changed."""
    sent.corrected("--subject", OTHER_SUBJECT)
    late = sent.correct("--subject", "Un altro titolo ancora", "--version", "1", "--execute")
    assert late.exit_code == 2
    assert "remote-content versions" in late.stderr
    assert sent.content().subject == OTHER_SUBJECT


@pytest.mark.parametrize(
    ("bytes_", "reason"),
    [
        (None, "document_missing"),
        (b"", "document_empty"),
        (b"PK\x03\x04", "document_not_pdf"),
    ],
)
def test_a_document_that_nobody_could_open_is_refused(sent: Sent, bytes_: bytes | None, reason: str) -> None:
    """The new document must be there and be a PDF."""
    if bytes_ is not None:
        sent.put(sent.second, bytes_)
    result = sent.correct("--attachment", f"1={sent.second}", "--execute")
    assert result.exit_code == 2
    assert "attachments.1.blob: " in result.stderr
    assert reason in result.stderr
    assert sent.content().attachments[0].blob == sent.first


def test_a_document_that_is_not_pdf_a_is_told(sent: Sent) -> None:
    """PDF/A is recommended and not required."""
    sent.put(sent.second, PDF)
    result = sent.correct("--attachment", f"1={sent.second}", "--execute")
    assert result.exit_code == 0
    assert "PDF/A" in result.stderr
    assert sent.versions()[-1]["undeclared"] == 1


@pytest.mark.parametrize(
    ("content", "arguments"),
    [
        ({"attachments": None}, ("--attachment", "1=tests/x.pdf")),
        ({}, ("--attachment", "2=tests/x.pdf")),
        ({}, ("--name", "2=Altro.pdf")),
        ({"subject": None, "markdown": None}, ("--subject", OTHER_SUBJECT)),
        ({}, ("--precondition-title", "Prima di aprire")),
    ],
    ids=["no document", "one document", "name of a second", "no text", "no precondition"],
)
def test_what_io_was_told_at_the_send_cannot_change(
    account: CliAccount, content: Mapping[str, Any], arguments: tuple[str, ...]
) -> None:
    """A message without documents, text or precondition cannot get one: the rule is named."""
    sent = Sent(account, **content)
    before = sent.content()
    result = sent.correct(*arguments, "--execute")
    assert result.exit_code == 2
    assert "IO ha saputo all'invio" in result.stderr
    assert sent.content() == before


def test_a_precondition_is_corrected(account: CliAccount) -> None:
    """Title and text of the precondition are replaced, and when it is shown stays."""
    sent = Sent(account, precondition=PRECONDITION | {"has_precondition": "ONCE"})
    sent.corrected("--precondition-title", "Leggi prima di aprire")
    precondition = sent.content().precondition
    assert precondition
    assert precondition.model_dump() == PRECONDITION | {
        "title": "Leggi prima di aprire",
        "has_precondition": "ONCE",
    }


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("--subject", "corto"), "subject: "),
        (("--name", "1=Avviso.doc"), "attachments.1.name: deve finire con .pdf"),
        (("--attachment", "1=../x.pdf"), "attachments.1.blob: "),
        (("--attachment", f"1={FISCAL_CODE}.pdf"), "attachments.1.blob: "),
        (("--attachment", "1=RSS-MRA-80A01H501U.pdf"), "attachments.1.blob: "),
    ],
)
def test_the_rules_of_the_contract_hold(sent: Sent, arguments: tuple[str, ...], line: str) -> None:
    """A correction that breaks a rule is refused with its field and rule, without the value."""
    result = sent.correct(*arguments, "--execute")
    assert result.exit_code == 2
    assert line in result.stderr
    assert arguments[1].partition("=")[2] not in result.stderr or "=" not in arguments[1]
    assert len(sent.versions()) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--subject", SUBJECT),
        ("--attachment", "x.pdf"),
        ("--attachment", "0=x.pdf"),
        ("--attachment", "1=x.pdf", "--attachment", "1=y.pdf"),
        ("--markdown", "/does/not/exist"),
    ],
)
def test_a_correction_that_says_nothing_usable_is_refused(sent: Sent, arguments: tuple[str, ...]) -> None:
    """Without a change, with a wrong number or without the file the exit code is 2."""
    assert sent.correct(*arguments, "--execute").exit_code == 2
    assert len(sent.versions()) == 1


def test_only_what_io_fetches_can_be_corrected(account: CliAccount) -> None:
    """An unknown request is not found; one without remote content, or never delivered, is refused."""
    unknown = account.run("remote-content", "correct", "nobody", "--subject", OTHER_SUBJECT)
    assert unknown.exit_code == 1
    plain: Entry = account.accepted()
    without = account.run("remote-content", "correct", plain.request_id, "--subject", OTHER_SUBJECT)
    assert (without.exit_code, "non ha un contenuto remoto" in without.stderr) == (2, True)
    rejected = Sent(account)
    account.advance(rejected.entry, Step(State.REJECTED))
    refused = rejected.correct("--subject", OTHER_SUBJECT)
    assert (refused.exit_code, "nessuno la aprirà" in refused.stderr) == (2, True)


def test_versions_are_shown_to_people(sent: Sent) -> None:
    """One line a version, with its documents and no text."""
    sent.corrected("--subject", OTHER_SUBJECT)
    shown = sent.account.run("remote-content", "versions", sent.entry.request_id)
    assert [line.split()[0] for line in shown.stdout.splitlines()] == ["versione", "1", "2"]
    assert personal_data_in(shown.output) == []
