"""`postino find` on a real storage account: the messages of one person, and of nobody else."""

import json
from pathlib import Path

import pytest
from typer.testing import Result

from tests.english import english_in
from tests.integration.cli_account import CliAccount
from tests.samples import FISCAL_CODE, a_body, personal_data_in

OTHER = "VRDLGU80A01H501X"
OTHER_FORM = "RSSMRA80A01H50MU"


def _find(account: CliAccount, *arguments: str, typed: str = FISCAL_CODE) -> Result:
    return account.run("find", *arguments, typed=f"{typed}\n")


@pytest.fixture
def full(account: CliAccount) -> CliAccount:
    """An account with two messages and a body of the person, and a message to somebody else."""
    account.accepted(request_id="TARI:1", campaign="TARI 2026", fiscal_code=FISCAL_CODE)
    account.requested(request_id="MENSA:1", campaign="MENSA", fiscal_code=FISCAL_CODE)
    account.requested(request_id="TARI:2", fiscal_code=OTHER)
    account.park(a_body(request_id="TARI:3", fiscal_code=FISCAL_CODE, extra=1), parked_id="body-1")
    return account


def test_messages_of_a_person(full: CliAccount) -> None:
    """A typed code gives the person's messages by age, and what was parked before it entered the ledger."""
    document = json.loads(_find(full, "--json").stdout)
    assert [(one["request_id"], one["state"], one["campaign"]) for one in document["messages"]] == [
        ("TARI:1", "ACCEPTED", "TARI 2026"),
        ("MENSA:1", "REQUESTED", "MENSA"),
    ]
    assert [(one["parked_id"], one["reason"]) for one in document["parked"]] == [("body-1", "invalid")]


def test_people_see_what_to_do_next(full: CliAccount, tmp_path: Path) -> None:
    """The table is Italian, names the command for more, and shows nothing of the person."""
    file = tmp_path / "codice.txt"
    file.write_text(FISCAL_CODE.lower())
    found = _find(full, "--file", str(file))
    assert found.exit_code == 0, found.output
    assert "TARI:1" in found.stdout
    assert "TARI:2" not in found.stdout
    assert "postino show REQUEST_ID" in found.stdout
    assert "postino parked show body-1" in found.stdout
    assert personal_data_in(found.output) == []
    assert english_in(found.stdout.replace("REQUEST_ID", "").replace("parked show", "")) == []


def test_nobody_is_found_under_another_code(full: CliAccount) -> None:
    """A code without messages ends with 1 and where else to look; other forms of a code are only counted."""
    nobody = _find(full, typed="BNCLRA80A41H501B")
    assert (nobody.exit_code, "postino status" in nobody.stderr) == (1, True)
    full.requested(request_id="TARI:4", fiscal_code=OTHER_FORM)
    assert json.loads(_find(full, "--json").stdout)["other_forms"] == 1
    with_it = json.loads(_find(full, "--json", "--omocodia").stdout)
    assert "TARI:4" in [one["request_id"] for one in with_it["messages"]]


def test_each_search_is_audited_without_the_code(full: CliAccount) -> None:
    """The audit says that somebody looked for a person, and not for whom."""
    _find(full)
    text = full.run("audit", "list", "--json").stdout
    assert [row["action"] for row in json.loads(text)] == ["search_person"]
    assert FISCAL_CODE not in text
