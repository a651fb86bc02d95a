"""`postino reminders`, and the reminders in `postino show`, on a real storage account."""

import json

import pytest

from cli.connection import ask
from storage.ledger import NOT_REMINDED, REMINDED, Step
from tests.integration.cli_account import CliAccount


def _is_stopped(campaign: str) -> bool:
    return ask(lambda stores: stores.campaigns.is_stopped(campaign))


def test_reminders_of_a_campaign_stop_and_go_on(account: CliAccount) -> None:
    """A stopped campaign is listed, with the command that resumes it, until it is resumed."""
    campaign = f"TARI {account.new_id()}"
    assert account.run("reminders", "stop", "--campaign", campaign).exit_code == 0
    assert _is_stopped(campaign)
    listed = json.loads(account.run("reminders", "list", "--json").stdout)
    assert [one["campaign"] for one in listed if one["campaign"] == campaign] == [campaign]
    assert f"resume --campaign '{campaign}'" in account.run("reminders", "list").stdout
    assert campaign in account.run("doctor").stdout
    assert account.run("reminders", "resume", "--campaign", campaign).exit_code == 0
    assert not _is_stopped(campaign)


def test_every_change_is_in_the_audit(account: CliAccount) -> None:
    """Each stop and each resume of a campaign's reminders is a row of the audit."""
    campaign = f"TARI {account.new_id()}"
    for action in ("stop", "resume"):
        account.run("reminders", action, "--campaign", campaign, "--json")

    async def actions(stores: object) -> list[str]:
        return [row["action"] async for row in stores.audit.actions_on(campaign)]  # type: ignore[attr-defined]

    assert ask(actions) == ["reminders stop", "reminders resume"]


@pytest.mark.parametrize("campaign", ["", "a/b", " spazio"])
def test_campaign_that_cannot_be_one_is_refused(account: CliAccount, campaign: str) -> None:
    """A text that no request could have as its campaign is refused with the rule."""
    result = account.run("reminders", "stop", "--campaign", campaign)
    assert result.exit_code == 2
    assert "da 1 a 128 caratteri" in " ".join(result.output.split())


def test_show_tells_each_decision(account: CliAccount) -> None:
    """The timeline has each sent reminder, why others were not sent, and the message that one replies to."""
    entry = account.accepted()
    account.advance(
        entry,
        Step(REMINDED, reminder=f"{entry.request_id}:unread-1"),
        Step(NOT_REMINDED, "paid", reminder=f"{entry.request_id}:unpaid-8"),
    )
    shown = account.run("show", entry.request_id).stdout
    assert f"{entry.request_id}:unread-1" in shown
    assert "non sollecitata (NOT_REMINDED)" in shown
    assert "IO dice che è pagata (paid)" in shown
    reply = account.accepted(in_reply_to=entry.request_id)
    facts = account.run("show", reply.request_id).stdout.split()
    assert " ".join(facts).count(f"sollecito di {entry.request_id}") == 1
    document = json.loads(account.run("show", reply.request_id, "--json").stdout)
    assert document["in_reply_to"] == entry.request_id
