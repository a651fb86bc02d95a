"""`postino show`, on a real storage account."""

import json
import re
from datetime import UTC, datetime

import pytest

from cli.connection import Operator, ask
from contract.remote_content import RemoteContent
from contract.violations import Violation
from storage.ledger import Step
from tests.integration.cli_account import CliAccount
from tests.samples import BLOB, FISCAL_CODE, a_body, personal_data_in, remote_content

INVALID = (Violation(field="content.subject", rule="must have 10 to 120 UTF-16 code units, has 1"),)


def test_json_tells_where_a_request_stands_and_how_it_got_there(account: CliAccount) -> None:
    """The JSON holds the ledger's columns, and the history in the order of time."""
    entry = account.accepted(feature_level_type="ADVANCED")
    account.advance(entry, Step("PROCESSED"), status="PROCESSED", read_status="UNREAD")
    shown = account.run("show", entry.request_id, "--json")
    document = json.loads(shown.stdout)
    assert shown.exit_code == 0
    assert document["request_id"] == entry.request_id
    assert document["state"] == document["status"] == "PROCESSED"
    assert (document["message_id"], document["read_status"], document["payment_status"]) == (
        "M-1",
        "UNREAD",
        None,
    )
    assert [step["what"] for step in document["history"]] == ["REQUESTED", "SENDING", "ACCEPTED", "PROCESSED"]
    assert document["history"][2]["http_status"] == 201
    assert document["parked"] is None
    assert document["parked_ids"] == []


def test_people_see_state_and_timeline(account: CliAccount) -> None:
    """Without --json the state is explained and each step of the history is a line."""
    entry = account.accepted()
    shown = account.run("show", entry.request_id)
    lines = shown.stdout.splitlines()
    assert shown.exit_code == 0
    assert lines[0] == f"{entry.request_id}  accettata da IO, non ancora consegnata (ACCEPTED)"
    history = [line.split("  ")[1] for line in lines if re.match(r"[0-9]{2}/[0-9]{2}/[0-9]{4} ", line)]
    assert history == [
        "ricevuta, da inviare (REQUESTED)",
        "invio in corso (SENDING)",
        "accettata da IO, non ancora consegnata (ACCEPTED)",
    ]


def test_words_of_io_stand_beside_their_meaning(account: CliAccount) -> None:
    """IO's own words are explained, and what says nothing, as a count of zero, is left out."""
    entry = account.accepted(feature_level_type="ADVANCED")
    account.advance(
        entry, Step("PROCESSED"), status="PROCESSED", read_status="UNREAD", payment_status="NOT_PAID"
    )
    shown = account.run("show", entry.request_id).stdout
    facts = ("Premium (ADVANCED)", "consegnato (PROCESSED)", "non letto (UNREAD)")
    assert [fact for fact in (*facts, "non risulta pagato (NOT_PAID)") if fact not in shown] == []
    assert "errori" not in shown


@pytest.mark.parametrize("arguments", [(), ("--json",)])
def test_no_personal_data_is_shown(account: CliAccount, arguments: tuple[str, ...]) -> None:
    """Neither form shows personal data of the ledger or of a parked message."""
    entry = account.accepted()
    account.park(a_body(), request_id=entry.request_id, reason="conflict")
    shown = account.run("show", entry.request_id, *arguments)
    assert entry.request_id in shown.stdout
    assert personal_data_in(shown.output) == []


def test_remote_content_is_described_without_its_texts(account: CliAccount) -> None:
    """Both forms show the version, the number of documents and the warning, and no name or text."""
    content = RemoteContent.model_validate(remote_content(BLOB))
    entry = account.accepted(feature_level_type="ADVANCED", remote_content=remote_content(BLOB))
    account.keep(entry, content, undeclared=1)
    shown = account.run("show", entry.request_id).output
    assert "Contenuto remoto: versione 1 del 24/11/2026 10:00, 1 documento" in shown
    assert "1 documento non dichiara di essere PDF/A, come IO raccomanda" in shown
    document = json.loads(account.run("show", entry.request_id, "--json").stdout)
    assert document["remote_content"] == {
        "version": 1,
        "since": "2026-11-24T09:00:00.000+00:00",
        "attachments": 1,
        "undeclared": 1,
    }
    assert not [word for word in (BLOB, "Avviso TARI", entry.remote_content_id) if str(word) in shown]
    assert personal_data_in(shown) == []


def test_an_invalid_request_is_known_although_it_never_entered_the_ledger(account: CliAccount) -> None:
    """A request only in the parked table is shown with its reason as the state, and with its violations."""
    request_id = account.new_id()
    message = account.park("{}", request_id=request_id, violations=INVALID, times=2)
    document = json.loads(account.run("show", request_id, "--json").stdout)
    assert document["state"] == "INVALID"
    assert document["message_id"] is None
    assert document["parked"]["parked_id"] == message.parked_id
    assert document["parked"]["violations"] == [violation.model_dump() for violation in INVALID]
    assert [(step["what"], step["reason"], step["times"]) for step in document["history"]] == [
        ("PARKED", "invalid", 2)
    ]
    shown = account.run("show", request_id).stdout
    assert "content.subject: deve avere da 10 a 120 caratteri (un'emoji vale due), ne ha 1" in shown
    assert "2 volte" in shown


def test_a_conflict_does_not_hide_the_request_that_was_first(account: CliAccount) -> None:
    """After a conflict the ledger's state is shown, and the conflict is under `parked`."""
    entry = account.accepted()
    account.park("{}", request_id=entry.request_id, reason="conflict")
    document = json.loads(account.run("show", entry.request_id, "--json").stdout)
    assert document["state"] == "ACCEPTED"
    assert document["parked"]["reason"] == "conflict"


def test_an_unknown_request_is_said_on_standard_error(account: CliAccount) -> None:
    """For an unknown request the exit code is 1 and standard output is empty."""
    shown = account.run("show", account.new_id(), "--json")
    assert shown.exit_code == 1
    assert shown.stdout == ""
    assert "Nessuna richiesta" in shown.stderr


@pytest.mark.parametrize("request_id", ["a/b", "due parole", "", "RSSMRA80A01H501U"])
def test_what_cannot_be_a_request_id_is_wrong_use(account: CliAccount, request_id: str) -> None:
    """An argument that cannot be a request_id is refused with exit code 2."""
    shown = account.run("show", request_id)
    assert shown.exit_code == 2
    assert "1 a 128 caratteri" in shown.stderr


def test_timeline_explains_what_the_creditor_said(account: CliAccount) -> None:
    """A payment settled by the creditor is shown as such in both forms, with its time."""
    entry = account.accepted(feature_level_type="ADVANCED")
    paid_at = datetime(2026, 6, 12, 8, 21, 37, tzinfo=UTC)
    account.advance(
        entry, Step("PROCESSED"), Step("PAID", "settled_upstream"), payment_status="PAID", settled_at=paid_at
    )
    document = json.loads(account.run("show", entry.request_id, "--json").stdout)
    assert document["settled_at"] == "2026-06-12T08:21:37.000+00:00"
    assert document["history"][-1]["reason"] == "settled_upstream"
    timeline = account.run("show", entry.request_id).stdout.splitlines()
    assert "12/06/2026 10:21" in next(line for line in timeline if line.startswith("pagata per il creditore"))
    assert "consegnata e pagata (PAID)" in timeline[-1]
    assert "il creditore dice che l'avviso è pagato (settled_upstream)" in timeline[-1]


def test_personal_data_is_shown_on_request_and_leaves_a_row(account: CliAccount) -> None:
    """With --reveal the code, the request and the remote content are shown, and the audit says by whom."""
    content = RemoteContent.model_validate(remote_content(BLOB))
    entry = account.accepted(feature_level_type="ADVANCED", remote_content=remote_content(BLOB))
    account.keep(entry, content, undeclared=0)
    document = json.loads(account.run("show", entry.request_id, "--reveal", "--json").stdout)
    assert document["fiscal_code"] == document["request"]["fiscal_code"] == FISCAL_CODE
    assert document["fetched_content"]["attachments"][0]["blob"] == BLOB
    assert FISCAL_CODE in account.run("show", entry.request_id, "--reveal").stdout

    async def audited(stores: Operator) -> list[str]:
        return [row["action"] async for row in stores.audit.actions_on(entry.request_id)]

    assert ask(audited) == ["reveal", "reveal"]
