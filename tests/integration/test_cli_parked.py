"""`postino parked`, on a real storage account."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.fernet import Fernet

from contract.violations import Violation
from tests.integration.cli_account import CliAccount
from tests.samples import FISCAL_CODE, MARKDOWN, SUBJECT, a_body, personal_data_in

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


def _listed(account: CliAccount, *arguments: str) -> list[str]:
    documents: list[dict[str, Any]] = json.loads(account.run("parked", "list", "--json", *arguments).stdout)
    return [document["parked_id"] for document in documents]


def test_filters_narrow_the_list_together(account: CliAccount) -> None:
    """Only messages that match reason, queue, service and campaign are listed."""
    campaign = account.new_id()
    wanted = {"reason": "REFUSED", "queue": "message-sends", "service": "tributi", "campaign": campaign}
    message = account.park("{}", **wanted)
    for column in wanted:
        account.park("{}", **(wanted | {column: "other"}))
    arguments = [argument for column, value in wanted.items() for argument in (f"--{column}", value)]
    assert _listed(account, *arguments) == [message.parked_id]


def test_the_list_goes_from_the_oldest_to_the_newest(account: CliAccount) -> None:
    """The list goes from the oldest to the newest, across the queues."""
    campaign = account.new_id()
    late = account.park("{}", campaign=campaign, queue="message-requests", last_at=NOON)
    early = account.park("{}", campaign=campaign, queue="message-sends", last_at=NOON - timedelta(hours=1))
    assert _listed(account, "--campaign", campaign) == [early.parked_id, late.parked_id]


@pytest.mark.parametrize(
    ("arguments", "number"),
    [
        (("--since", "2026-11-24T12:00:00Z"), 1),
        (("--since", "2026-11-24T13:00:01+01:00"), 0),
        (("--until", "2026-11-24T12:00:00Z"), 0),
        (("--until", "2026-11-24T12:00:01Z"), 1),
        (("--since", "2026-11-22", "--until", "2026-11-26"), 1),
        (("--since", "24/11/2026 13:00"), 1),
        (("--since", "24/11/2026 13:01"), 0),
        (("--since", "24/11/2026", "--until", "25/11/2026"), 1),
    ],
)
def test_since_counts_and_until_does_not(
    account: CliAccount, arguments: tuple[str, ...], number: int
) -> None:
    """A period starts at --since and ends right before --until, in Italian time or in any zone."""
    campaign = account.new_id()
    account.park("{}", campaign=campaign, last_at=NOON)
    assert len(_listed(account, "--campaign", campaign, *arguments)) == number


def test_people_see_whole_ids_in_one_line_each(account: CliAccount) -> None:
    """Each parked message is one line, and no id is cut, however long."""
    campaign, request_id = account.new_id(), f"{account.new_id()}:{'x' * 80}"
    message = account.park("{}", campaign=campaign, request_id=request_id)
    head, line = account.run("parked", "list", "--campaign", campaign).stdout.splitlines()
    assert head.split()[:2] == ["parked_id", "motivo"]
    assert [word for word in line.split("  ") if word][:4] == [
        *(message.parked_id, "la richiesta non rispetta il contratto (invalid)"),
        *("message-requests", request_id),
    ]


def test_show_says_why_and_covers_personal_data(account: CliAccount) -> None:
    """A parked message is shown with its violations and its masked body."""
    violation = Violation(field="nome", rule="is not a known field: remove it or correct its name")
    message = account.park(a_body(nome="Rossi"), violations=(violation,))
    shown = account.run("parked", "show", message.parked_id)
    assert shown.exit_code == 0
    assert "non è un campo noto: toglilo o correggi il nome" in shown.stdout
    assert f'"subject": "[{len(SUBJECT)} caratteri]"' in shown.stdout
    assert '"fiscal_code": "[codice fiscale]"' in shown.stdout
    assert "Rossi" not in shown.output
    assert personal_data_in(shown.output) == []
    as_json = json.loads(account.run("parked", "show", message.parked_id, "--json").stdout)
    assert as_json["masked_body"]["fiscal_code"] == "[fiscal code]"
    assert as_json["violations"] == [violation.model_dump()]
    assert "body" not in as_json


def test_reveal_gives_the_body_exactly(account: CliAccount) -> None:
    """With --reveal the JSON holds the original body, and the text shows it in full."""
    body = a_body()
    message = account.park(body)
    as_json = json.loads(account.run("parked", "show", message.parked_id, "--reveal", "--json").stdout)
    assert as_json["body"] == body
    shown = account.run("parked", "show", message.parked_id, "--reveal").stdout
    assert FISCAL_CODE in shown
    assert MARKDOWN in shown


def test_a_body_that_is_no_json_can_be_revealed(account: CliAccount) -> None:
    """Any body is shown, with control characters escaped."""
    message = account.park("not \x1b[2J json")
    shown = account.run("parked", "show", message.parked_id, "--reveal")
    assert shown.exit_code == 0
    assert "not \\u001b[2J json" in shown.stdout


def test_a_request_id_finds_its_only_parked_message(account: CliAccount) -> None:
    """A parked message is found by its request_id as well as by its parked_id."""
    request_id = account.new_id()
    message = account.park("{}", request_id=request_id)
    assert message.parked_id in account.run("parked", "show", request_id).stdout


def test_an_id_that_stands_for_several_asks_to_choose(account: CliAccount) -> None:
    """When an id is parked on two queues, the error names both with exit code 2, and --queue chooses."""
    parked_id = account.new_id()
    account.park("{}", parked_id=parked_id, queue="message-requests", reason="dead")
    account.park("{}", parked_id=parked_id, queue="message-sends", reason="refused")
    unclear = account.run("parked", "show", parked_id)
    assert unclear.exit_code == 2
    assert unclear.stdout == ""
    assert f"postino parked show {parked_id} --queue message-sends" in unclear.stderr
    chosen = account.run("parked", "show", parked_id, "--queue", "message-sends", "--json")
    assert json.loads(chosen.stdout)["reason"] == "refused"


def test_an_unknown_parked_id_is_said_on_standard_error(account: CliAccount) -> None:
    """For a message that is not parked the exit code is 1 and standard output is empty."""
    shown = account.run("parked", "show", "body-unknown", "--json")
    assert shown.exit_code == 1
    assert shown.stdout == ""
    assert "Nessun messaggio parcheggiato" in shown.stderr


def test_a_body_of_a_lost_key_names_the_setting(account: CliAccount, monkeypatch: pytest.MonkeyPatch) -> None:
    """When no key opens a body, one line names the setting, and the exit code is 2."""
    message = account.park("{}")
    monkeypatch.setenv("ENCRYPTION_KEYS", Fernet.generate_key().decode())
    shown = account.run("parked", "show", message.parked_id)
    assert shown.exit_code == 2
    assert shown.stdout == ""
    assert "ENCRYPTION_KEYS" in shown.stderr
    assert len(shown.stderr.splitlines()) == 1
