"""The messages of `postino` about wrong settings, before any call."""

import pytest
from typer.testing import CliRunner

from cli.connection import no_storage
from cli.main import app
from tests.english import english_in

KEY = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AzureWebJobsStorage", "ENCRYPTION_KEYS", "IO_API_KEY", "IO_SERVICES"):
        monkeypatch.delenv(name, raising=False)


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
def test_each_wrong_setting_is_a_line(command: tuple[str, ...]) -> None:
    """Each missing setting has a line on standard error, and the exit code is 2."""
    result = CliRunner().invoke(app, command)
    _, *lines = result.stderr.splitlines()
    assert result.exit_code == 2
    assert result.stdout == ""
    assert "postino --help" in result.stderr
    assert english_in(result.stderr.partition("python -c")[0]) == []
    assert {line.partition(":")[0] for line in lines} == {
        "AzureWebJobsStorage",
        "IO_API_KEY",
        "ENCRYPTION_KEYS",
    }


def test_a_connection_string_without_a_key_is_a_wrong_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection string that only the storage client rejects is reported as a wrong setting."""
    for name, value in {
        "ENCRYPTION_KEYS": KEY,
        "IO_API_KEY": "k",
        "AzureWebJobsStorage": "AccountName=x",
    }.items():
        monkeypatch.setenv(name, value)
    result = CliRunner().invoke(app, ["status"])
    assert result.exit_code == 2
    assert "AzureWebJobsStorage: non è una stringa di connessione completa" in result.stderr
    assert english_in(result.stderr) == []


def test_help_names_the_settings() -> None:
    """The help names the settings that the command reads."""
    text = CliRunner().invoke(app, ["--help"]).stdout
    assert all(name in text for name in ("AzureWebJobsStorage", "ENCRYPTION_KEYS", "IO_API_KEY"))


@pytest.mark.parametrize(
    ("status", "advice"),
    [
        (None, "non risponde: controlla la rete e l'indirizzo in AzureWebJobsStorage"),
        (403, "rifiuta l'accesso (HTTP 403): controlla la chiave in AzureWebJobsStorage"),
    ],
)
def test_storage_that_gives_no_answer_is_told_with_the_remedy(status: int | None, advice: str) -> None:
    """A storage account that is away and one that refuses are told apart, each with what to check.

    test_cli_connection.py tries the second one.
    """
    said = no_storage(status)
    assert advice in said
    assert english_in(said.replace("Storage Table Data Contributor", "")) == []
