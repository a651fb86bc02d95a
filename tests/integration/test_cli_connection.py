"""The errors of `postino` when settings or storage prevent an answer."""

import json

import pytest

from local.azurite import Azurite
from tests.integration.cli_account import CliAccount
from tests.shared_azurite import SharedAzurite

OTHER_KEY = "YW5vdGhlciBrZXkgdGhhbiB0aGUgYWNjb3VudCdzIG93biBvbmU="


def _with(connection_string: str, **changes: str) -> str:
    parts = dict(part.split("=", 1) for part in connection_string.strip(";").split(";"))
    return ";".join(f"{name}={value}" for name, value in (parts | changes).items())


# The tables SDK tests the truth value of an XML element when the emulator refuses.
@pytest.mark.filterwarnings("ignore:Testing an element's truth value:DeprecationWarning")
@pytest.mark.parametrize(
    "command",
    [
        ("show", "r-1"),
        ("status",),
        ("parked", "list"),
        ("parked", "show", "p"),
        ("doctor",),
        ("pause",),
    ],
)
def test_a_storage_account_that_refuses_is_one_line(
    azurite: Azurite, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    """When storage refuses, each command prints one line and exits with 2."""
    account = CliAccount(_with(azurite.connection_string, AccountKey=OTHER_KEY), monkeypatch)
    result = account.run(*command)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1
    assert "rifiuta l'accesso (HTTP 403): controlla la chiave in AzureWebJobsStorage" in result.stderr


def test_an_account_that_nobody_used_yet_is_empty(
    azurite: SharedAzurite, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On an account without tables and queues every count is zero and no command fails for it."""
    account = CliAccount(azurite.connection_string, monkeypatch)
    document = json.loads(account.run("status", "--json").stdout)
    listed = account.run("parked", "list", "--json").stdout
    shown = account.run("show", "r-1")
    assert document["total"] == 0
    assert set(document["queues"].values()) == {0}
    assert json.loads(listed) == []
    assert shown.exit_code == 1
