"""`postino status`, on a real storage account."""

import json
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cli.connection import Operator, ask
from storage.due_index import DueIndex
from storage.facts import ITALY
from storage.ledger import Step
from tests.integration.cli_account import CliAccount
from tests.samples import a_request


def _status(account: CliAccount, *arguments: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(account.run("status", "--json", *arguments).stdout)
    return document


def test_a_campaign_is_counted_apart(account: CliAccount) -> None:
    """With --campaign only the requests and parked messages of that campaign are counted."""
    campaign = account.new_id()
    account.accepted(campaign=campaign)
    delivered = account.accepted(campaign=campaign)
    account.advance(delivered, Step("PROCESSED"), Step("READ"), read_status="READ")
    account.accepted(campaign=account.new_id())
    account.park("{}", campaign=campaign, reason="recipient_forbidden")
    account.park("{}", campaign=account.new_id())
    document = _status(account, "--campaign", campaign)
    assert document["total"] == 2
    assert {state: number for state, number in document["states"].items() if number} == {
        "ACCEPTED": 1,
        "READ": 1,
    }
    assert (document["delivered"], document["read_status"]["READ"]) == (1, 1)
    assert document["parked"] == {"recipient_forbidden": 1}


def test_without_a_campaign_everything_counts(account: CliAccount) -> None:
    """Without a campaign all requests, parked messages and queue depths are counted."""
    before = _status(account)
    account.accepted(campaign=None)
    account.park("{}", reason="invalid")
    account.put("message-requests", "{}")
    after = _status(account)
    assert after["total"] == before["total"] + 1
    assert after["states"]["ACCEPTED"] == before["states"]["ACCEPTED"] + 1
    assert after["parked"]["invalid"] == before["parked"].get("invalid", 0) + 1
    assert after["queues"]["message-requests"] == before["queues"]["message-requests"] + 1


def test_people_see_counts_with_their_meaning(account: CliAccount) -> None:
    """Without --json each state that has requests is a line with its number and its meaning."""
    campaign = account.new_id()
    account.accepted(campaign=campaign)
    lines = [line.split() for line in account.run("status", "--campaign", campaign).stdout.splitlines()]
    assert ["Richieste", "della", "campagna", f"{campaign}:", "1"] in lines
    assert ["ACCEPTED", "1", "accettata", "da", "IO,", "non", "ancora", "consegnata"] in lines


def test_delay_of_the_following_is_told(account: CliAccount) -> None:
    """The lag of following is given in days, as text and in the JSON."""
    request_id = account.new_id()
    overdue = datetime.now(UTC) - timedelta(days=1, hours=12)
    entry = ask(lambda stores: DueIndex(stores.due_index._table, lambda: overdue).put(request_id, overdue))
    try:
        assert _status(account)["days_behind"] == 1.5
        assert "Ritardo nel seguire i messaggi: 1 giorno e 12 ore" in account.run("status").stdout
    finally:
        ask(lambda stores: stores.due_index.remove(entry))
    assert _status(account)["days_behind"] < 1.5


def test_funnel_has_numbers_percentages_and_times(account: CliAccount) -> None:
    """The funnel counts each step with its share of those that could come so far, and tells the times."""
    campaign = account.new_id()
    account.accepted(campaign=campaign)
    _delivered_and_read(account, campaign)
    document = _status(account, "--campaign", campaign)
    funnel = {step["step"]: (step["number"], step["of"], step["percent"]) for step in document["funnel"]}
    assert funnel == {
        "requested": (2, 2, 100.0),
        "reachable": (2, 2, 100.0),
        "accepted": (2, 2, 100.0),
        "delivered": (1, 2, 50.0),
        "read": (1, 1, 100.0),
        "paid": (0, 0, None),
    }
    assert document["times"]["to_read"]["buckets"]["1h"] == 1
    assert document["premium"] == {"year": datetime.now(ITALY).year, "services": {"default": 1}}
    shown = account.run("status", "--campaign", campaign).stdout
    assert "consegnate" in shown
    assert "50,0 %" in shown
    assert "alla lettura: metà entro un'ora" in shown


def test_each_failure_has_the_command_that_mends_it(account: CliAccount) -> None:
    """A failure is told by its reason, with its number and the command or the advice that mends it."""
    campaign = account.new_id()
    for _ in range(2):
        account.advance(account.requested(campaign=campaign), Step("SKIPPED", "sender_not_allowed"))
    account.advance(account.requested(campaign=campaign), Step("DEAD", "exhausted"))
    document = _status(account, "--campaign", campaign)
    told = [(one["reason"], one["number"], one["command"], one["advice"]) for one in document["failures"]]
    assert told == [
        ("sender_not_allowed", 2, None, "usare un altro canale"),
        (
            *("exhausted", 1, f"postino parked redrive --reason exhausted --campaign {campaign}"),
            "togliere la causa, poi rimettere in coda",
        ),
    ]
    shown = account.run("status", "--campaign", campaign).stdout
    assert f"postino parked redrive --reason exhausted --campaign {campaign}" in shown


def test_service_is_counted_apart(account: CliAccount) -> None:
    """With --service only the requests of that service are counted."""
    campaign = account.new_id()
    account.accepted(campaign=campaign)
    account.accepted(campaign=campaign, service="tributi")
    assert _status(account, "--campaign", campaign)["total"] == 2
    assert _status(account, "--campaign", campaign, "--service", "tributi")["total"] == 1


def test_csv_has_every_counter(account: CliAccount) -> None:
    """--csv writes a line for each campaign, service and fact."""
    campaign = account.new_id()
    account.accepted(campaign=campaign)
    lines = account.run("status", "--campaign", campaign, "--csv").stdout.splitlines()
    assert lines[0] == "campaign;service;fact;number"
    assert {f"{campaign};default;requests;1", f"{campaign};default;reached/ACCEPTED;1"} <= set(lines)


def test_recount_restores_what_was_lost(account: CliAccount) -> None:
    """Counters that lost a step say what the ledger says after --recount, and since when."""
    campaign = account.new_id()
    account.accepted(campaign=campaign)
    _status(account)

    async def lose(stores: Operator) -> None:
        await stores.ledger.open(a_request(request_id=account.new_id(), campaign=campaign))
        stores.counters.tally.take()

    ask(lose)
    assert _status(account, "--campaign", campaign)["total"] == 1
    began_at = datetime.now(UTC)
    document = _status(account, "--campaign", campaign, "--recount")
    assert document["total"] == 2
    assert datetime.fromisoformat(document["counters"]["rebuilt_at"]) > began_at - timedelta(seconds=1)


def test_only_one_form_of_output(account: CliAccount) -> None:
    """--watch, --json and --csv exclude each other."""
    assert account.run("status", "--json", "--csv").exit_code == 2


def test_watching_ends_with_ctrl_c(account: CliAccount) -> None:
    """--watch draws until Ctrl-C, and then ends without an error."""
    postino = str(Path(sys.executable).parent / "postino")
    command = [postino, "status", "--watch", "--campaign", account.new_id()]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as watching:
        assert watching.stdout
        assert watching.stderr
        lines = iter(watching.stdout.readline, "")
        assert next(line for line in lines if line.startswith("Contatori"))
        watching.send_signal(signal.SIGINT)
        assert watching.wait(20) == 0
        assert watching.stderr.read() == ""


def _delivered_and_read(account: CliAccount, campaign: str) -> None:
    entry = account.accepted(campaign=campaign, feature_level_type="ADVANCED")
    account.advance(entry, Step("PROCESSED"), Step("READ"), status="PROCESSED", read_status="READ")


def test_report_is_written_to_a_file(account: CliAccount, tmp_path: Path) -> None:
    """`postino report` writes a page of the campaign, with groups below five suppressed."""
    campaign, file = account.new_id(), tmp_path / "report.html"
    for _ in range(6):
        account.accepted(campaign=campaign)
    _delivered_and_read(account, campaign)
    result = account.run("report", "--html", str(file), "--campaign", campaign)
    assert (result.exit_code, result.stdout) == (0, "")
    page = file.read_text()
    assert f"Messaggi su IO: campagna {campaign}" in page
    assert '<th scope="row">richieste</th><td class="number">5</td>' in page
    assert '<th scope="row">lette</th><td class="number">meno di 5</td>' in page


def test_report_of_an_unknown_campaign(account: CliAccount, tmp_path: Path) -> None:
    """A name that nothing has is told, instead of a page that says fewer than five of everything."""
    file = tmp_path / "report.html"
    result = account.run("report", "--html", str(file), "--campaign", "TARI 2062")
    assert (result.exit_code, "controlla il nome" in result.stderr, file.exists()) == (1, True, False)


def test_report_that_cannot_be_written_says_so(account: CliAccount, tmp_path: Path) -> None:
    """A folder that is missing is one line, and exit code 2."""
    result = account.run("report", "--html", str(tmp_path / "missing" / "report.html"))
    assert result.exit_code == 2
    assert "non si può scrivere: non c'è" in result.stderr
