"""`postino keys rotate` and `status`, on a real account."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography.fernet import Fernet

from cli.connection import Operator, ask
from contract.fiscal_code import hash_at_io
from rotate_keys.rotate_keys import rotate_keys
from storage.sealed_rows import SEALED
from storage.subscriptions import FIRST_DAY
from tests.english import english_in, instants_in
from tests.integration.cli_account import CliAccount
from tests.samples import BLOB, a_body, personal_data_in, remote_content
from tests.shared_azurite import SharedAzurite

OLD, NEW = (Fernet.generate_key().decode() for _ in range(2))


@pytest.fixture
def account(azurite: SharedAzurite, monkeypatch: pytest.MonkeyPatch) -> CliAccount:
    """An account on which the app has started with the old key and kept something."""
    account = CliAccount(azurite.connection_string, monkeypatch)
    monkeypatch.setenv("ENCRYPTION_KEYS", OLD)
    account.started().accepted(feature_level_type="ADVANCED", remote_content=remote_content(BLOB))
    account.park(a_body())
    return account


async def _starts(stores: Operator) -> None:
    await stores.readiness.check()


async def _takes_a_day(stores: Operator) -> None:
    feed = await stores.subscriptions.feed("default")
    await stores.subscriptions.take(feed, FIRST_DAY, [hash_at_io("AAAAAA00A00A000A")], [])


async def _ticks(stores: Operator) -> None:
    """Run the ticks of the app until the rotation ends; the time between two passes is over at once."""
    for _ in range(5):
        await rotate_keys(stores)
        rotation = await stores.key_rotation.current()
        if rotation and not rotation.ended_at:
            await stores.key_rotation.save(rotation, not_before=datetime.now(UTC))


def _status(account: CliAccount) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(account.run("keys", "status", "--json").stdout)
    return document


def test_rotation(account: CliAccount, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new first key, `rotate`, the app's ticks: the old key then opens nothing, and can be removed."""
    (before,) = _status(account)["keys"]
    assert (before["state"], before["rows"]) == ("first", {"keys": 1, "ledger": 1, "parked": 1})
    assert account.run("keys", "rotate").exit_code == 1, "one key alone"

    monkeypatch.setenv("ENCRYPTION_KEYS", f"{NEW},{OLD}")
    early = account.run("keys", "rotate", "--execute")
    assert (early.exit_code, "L'app non ha ancora cifrato con la chiave" in early.stderr) == (2, True)
    ask(_starts)
    tried = account.run("keys", "rotate")
    assert _status(account)["rotation"] is None, "shown, and not done"
    told = [tried, account.run("keys", "rotate", "--execute"), account.run("keys", "status")]
    document = _status(account)
    assert [key["state"] for key in document["keys"]] == ["first", "needed"]
    assert document["keys"][1]["total"] == document["to_come"]["rows"] == 3
    assert document["rotation"]["target"] == document["keys"][0]["name"]

    monkeypatch.setenv("ENCRYPTION_KEYS", NEW)
    lacking = account.run("keys", "rotate", "--execute")
    assert (lacking.exit_code, document["keys"][1]["name"] in lacking.stderr) == (2, True)
    told.append(account.run("keys", "status"))
    monkeypatch.setenv("ENCRYPTION_KEYS", f"{NEW},{OLD}")
    ask(_ticks)
    document = _status(account)
    assert [(key["state"], key["total"]) for key in document["keys"]] == [("first", 3), ("free", 0)]
    assert (document["rotation"]["resealed"], document["to_come"]["rows"]) == (3, 0)
    assert document["rotation"]["ended_at"]

    monkeypatch.setenv("ENCRYPTION_KEYS", NEW)
    assert [key["total"] for key in _status(account)["keys"]] == [3]
    assert account.run("doctor").exit_code == 1, "only for the parked message"
    told += [account.run("keys", "status"), account.run("keys", "rotate")]
    for result in told:
        assert personal_data_in(result.output) == []
        assert (english_in(_without_names(result.output)), instants_in(result.output)) == ([], [])


def test_row_of_a_host_that_stopped_after_the_end(
    account: CliAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row that was written with the old key after the end of a rotation can be encrypted again."""
    monkeypatch.setenv("ENCRYPTION_KEYS", f"{NEW},{OLD}")
    ask(_starts)
    account.run("keys", "rotate", "--execute")
    ask(_ticks)
    monkeypatch.setenv("ENCRYPTION_KEYS", f"{OLD},{NEW}")
    account.park(a_body())
    monkeypatch.setenv("ENCRYPTION_KEYS", f"{NEW},{OLD}")
    assert [key["state"] for key in _status(account)["keys"]] == ["first", "needed"]
    assert account.run("keys", "rotate", "--execute").exit_code == 0
    ask(_ticks)
    assert [key["total"] for key in _status(account)["keys"]] == [4, 0]


def _without_names(text: str) -> str:
    for table in SEALED:
        text = text.replace(table.name, "")
    return text


def test_key_that_only_this_machine_lacks_is_not_given_up(
    account: CliAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the app runs, it has the key: `forget` changes nothing, and says where the key is."""
    ask(lambda stores: stores.due_index.acquire())
    monkeypatch.setenv("ENCRYPTION_KEYS", NEW)
    (fault,) = json.loads(account.run("doctor", "--json").stdout)["storage"]
    refused = account.run("keys", "forget", fault["of"], "--execute")
    assert (refused.exit_code, english_in(refused.stderr)) == (2, [])
    assert "Prendi le chiavi dell'app" in refused.stderr
    monkeypatch.setenv("ENCRYPTION_KEYS", f"{NEW},{OLD}")
    assert [key["state"] for key in _status(account)["keys"]] == ["first", "needed"]


def test_lost_key_that_opened_the_index_key(account: CliAccount, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the only key is lost, `forget` lets the app start with another and make a new index key."""
    ask(_takes_a_day)
    monkeypatch.setenv("ENCRYPTION_KEYS", NEW)
    refused = account.run("parked", "list")
    assert refused.exit_code == 0
    (fault,) = json.loads(account.run("doctor", "--json").stdout)["storage"]
    shown = account.run("keys", "forget", fault["of"])
    assert (shown.exit_code, english_in(shown.stderr)) == (0, [])
    assert "Righe che nessuna chiave di ENCRYPTION_KEYS apre: 3." in shown.stderr
    assert "Si perde anche la chiave degli indici" in shown.stderr
    assert account.run("keys", "forget", fault["of"], "--execute").exit_code == 0
    assert ask(lambda stores: stores.subscriptions.feed("default")).through is None, (
        "nobody is in it any more"
    )
    ask(_starts)
    assert json.loads(account.run("doctor", "--json").stdout)["storage"] == []
    account.accepted()
