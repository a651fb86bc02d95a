"""`postino status`, on a real storage account."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from cli.connection import ask
from storage.due_index import DueIndex
from storage.ledger import Step
from tests.integration.cli_account import CliAccount


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
