"""`postino pause` and `postino resume`, on a real storage account."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import SecretStr

from cli.connection import Operator, ask
from io_api.suspensions import EVERY, Key, Suspensions
from tests.integration.cli_account import CliAccount

DEFAULT = (Key("default", "primary", SecretStr("a-key")),)


@pytest.fixture(autouse=True)
def _nothing_is_stopped(account: CliAccount) -> Iterator[None]:
    yield
    account.release()


def _suspensions() -> Suspensions:
    return ask(lambda stores: stores.suspensions.current())


def _documents(account: CliAccount, *arguments: str) -> dict[str, Any]:
    result = account.run(*arguments, "--json")
    assert result.exit_code == 0
    document: dict[str, Any] = json.loads(result.stdout)
    return document


def _actions_on(target: str) -> list[str]:
    async def find(stores: Operator) -> list[str]:
        return [row["action"] async for row in stores.audit.actions_on(target)]

    return ask(find)


def test_pause_stops_every_service_at_once(account: CliAccount) -> None:
    """`pause` suspends every service at once, without --execute, until `resume`."""
    assert account.run("pause").exit_code == 0
    stopped = ask(lambda stores: stores.suspensions.error_if_suspended(DEFAULT, "submit_message"))
    assert stopped is not None
    assert stopped.reason == "paused"
    assert account.run("resume").exit_code == 0
    assert ask(lambda stores: stores.suspensions.error_if_suspended(DEFAULT, "submit_message")) is None


def test_pause_of_one_service_leaves_the_others(account: CliAccount, monkeypatch: pytest.MonkeyPatch) -> None:
    """With --service only that service is paused, and the JSON has the name of the operator."""
    monkeypatch.setenv("IO_SERVICES", '{"anagrafe": {"key": "another-key"}}')
    document = _documents(account, "pause", "--service", "anagrafe")
    assert (document["action"], document["service"], document["changed"]) == ("pause", "anagrafe", True)
    (pause,) = document["pauses"]
    assert (pause["service"], pause["by"]) == ("anagrafe", ask(_actor))
    assert _suspensions().pause_of("default") is None


async def _actor(stores: Operator) -> str:
    return stores.audit.actor


def test_both_are_in_the_audit(account: CliAccount, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each pause and each resume is a row of the audit."""
    service = account.new_id().rpartition(":")[2]
    monkeypatch.setenv("IO_SERVICES", json.dumps({service: {"key": "another-key"}}))
    for command in ("pause", "resume"):
        account.run(command, "--service", service)
    assert _actions_on(service) == ["pause", "resume"]


def test_unknown_service_is_refused(account: CliAccount) -> None:
    """An unknown service changes nothing, and the error names the configured ones."""
    for command in ("pause", "resume"):
        result = account.run(command, "--service", "anagraffe")
        assert result.exit_code == 2
        assert result.stderr == "Nessun servizio si chiama anagraffe. Quelli configurati: default.\n"
    assert _suspensions().pauses == {}
    assert _actions_on("anagraffe") == []


def test_second_pause_keeps_the_first(account: CliAccount) -> None:
    """A second pause reports that the service is paused already, and the first pause stays on record."""
    first = _documents(account, "pause")
    again = _documents(account, "pause")
    assert (again["changed"], again["pauses"]) == (False, first["pauses"])
    assert "Già in pausa: tutti i servizi." in account.run("pause").stderr


def test_resume_of_what_is_not_paused(account: CliAccount) -> None:
    """A resume without a pause reports that, and the exit code is 0."""
    result = account.run("resume")
    assert result.exit_code == 0
    assert result.stderr == "Non era in pausa: tutti i servizi.\n"
    assert result.stdout == "Nessun servizio è in pausa.\n"


def test_resume_of_one_service_while_all_are_paused(account: CliAccount) -> None:
    """A resume of one service reports that all are still paused, and names the command that ends that."""
    account.run("pause", "--service", "default")
    account.run("pause")
    result = account.run("resume", "--service", "default")
    assert result.stderr.splitlines() == [
        "Riprende: default.",
        "Ma sono in pausa tutti i servizi: riprendono con `postino resume`.",
    ]
    assert set(_suspensions().pauses) == {EVERY}


def test_pause_of_a_former_service_can_be_taken_back(
    account: CliAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A service that was paused and then removed from the settings can still be resumed."""
    monkeypatch.setenv("IO_SERVICES", '{"anagrafe": {"key": "another-key"}}')
    account.run("pause", "--service", "anagrafe")
    monkeypatch.delenv("IO_SERVICES")
    assert account.run("resume", "--service", "anagrafe").exit_code == 0
    assert _suspensions().pauses == {}


def test_people_see_what_is_paused(account: CliAccount) -> None:
    """A pause prints a table of the pauses, with their operators and the command that ends each."""
    head, row = account.run("pause").stdout.splitlines()
    assert head.split() == ["in", "pausa", "dal", "da", "chi", "per", "riprendere"]
    assert row.startswith("tutti i servizi")
    assert row.rstrip().endswith("postino resume")
