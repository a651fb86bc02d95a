"""`postino remote-content list | show | create | update`, on the IO simulator."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from cli.connection import Operator, ask
from cli.main import app
from local.io_simulator import Fault, RunningSimulator, Service, running_simulator
from tests.integration.cli_account import CliAccount

OWN_KEY, NEW_KEY = "an-own-key-of-enough-characters-1", "an-own-key-of-enough-characters-2"
MANAGE_KEY = "simulator-manage-key"
FISCAL_CODE, OTHER_FISCAL_CODE = "RSSMRA80A01H501U", "AAAAAA00A00A000A"
BASE_URL, TEST_BASE_URL = "https://postino.example.it/api", "https://prova.example.it/api"
CREATE = ("create", "--name", "Atti", "--description", "Gli atti del Comune", "--base-url", BASE_URL)
UNKNOWN = "01J00000000000000000000000"


class At:
    """`postino remote-content` on a storage account and a simulator."""

    def __init__(self, account: CliAccount, io: RunningSimulator, environment: pytest.MonkeyPatch) -> None:
        self.io = io
        self.set = environment.setenv
        self._account = account

    async def run(self, *arguments: str) -> Result:
        return await asyncio.to_thread(self._account.run, "remote-content", *arguments)

    async def json(self, *arguments: str) -> Any:
        result = await self.run(*arguments, "--json")
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    async def create(self, *arguments: str) -> str:
        """Create a configuration, and return its id."""
        return str((await self.json(*CREATE, *arguments, "--execute"))["configuration_id"])

    def held(self) -> list[dict[str, Any]]:
        """The configurations that IO holds."""
        return [one.document() for one in self.io.state.remote_configurations.of("institution")]

    async def audit(self) -> list[tuple[str, str]]:
        """The actions of these commands in the audit."""
        return await asyncio.to_thread(_audited)


def _audited() -> list[tuple[str, str]]:
    async def read(stores: Operator) -> list[tuple[str, str]]:
        rows = [row async for row in stores.audit.rows()]
        return [(row["action"], row["target"]) for row in rows if "configuration" in row["action"]]

    return ask(read)


@pytest.fixture
async def at(account: CliAccount, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[At]:
    async with running_simulator() as io:
        monkeypatch.setenv("IO_API_BASE_URL", io.base_url)
        monkeypatch.setenv("IO_MANAGE_API_KEY", MANAGE_KEY)
        monkeypatch.setenv("REMOTE_CONTENT_API_KEY", OWN_KEY)
        yield At(account, io, monkeypatch)


async def test_create_only_shows_until_execute(at: At) -> None:
    """Without --execute nothing reaches IO or the audit; the shown configuration has no key."""
    before = await at.audit()
    shown = await at.run(*CREATE)
    assert shown.exit_code == 0
    assert BASE_URL in shown.stdout
    assert "REMOTE_CONTENT_API_KEY" in shown.stdout
    assert OWN_KEY not in shown.output
    assert "--execute" in shown.stderr
    assert at.held() == []
    assert await at.audit() == before


async def test_create_fills_the_body_from_the_settings(at: At) -> None:
    """IO gets our key in our header; the setting for the new id is named, and the audit has a row."""
    at.set("REMOTE_CONTENT_API_KEY_HEADER", "X-Comune-Key")
    created = await at.run(*CREATE, "--execute")
    assert created.exit_code == 0, created.output
    [held] = at.held()
    assert f"REMOTE_CONTENT_CONFIGURATION_ID={held.pop('configuration_id')}" in created.stderr
    assert held == {
        "name": "Atti",
        "description": "Gli atti del Comune",
        "has_precondition": "NEVER",
        "disable_lollipop_for": [],
        "is_lollipop_enabled": False,
        "prod_environment": {
            "base_url": BASE_URL,
            "details_authentication": {
                "header_key_name": "X-Comune-Key",
                "key": OWN_KEY,
                "type": "API-KEY",
            },
        },
    }
    assert OWN_KEY not in created.output
    assert ("create_configuration", "Atti") in await at.audit()


async def test_test_users_come_from_a_file_and_are_not_shown(at: At, tmp_path: Path) -> None:
    """Fiscal codes are read from a file, sent in upper case, and shown as a number only."""
    users = tmp_path / "users"
    users.write_text(f"{FISCAL_CODE.lower()}\n\n {OTHER_FISCAL_CODE} \n")
    result = await at.run(*CREATE, "--test-base-url", TEST_BASE_URL, "--test-users", str(users), "--execute")
    assert at.held()[0]["test_environment"]["test_users"] == [FISCAL_CODE, OTHER_FISCAL_CODE]
    configuration_id = at.held()[0]["configuration_id"]
    shown = await at.run("show", configuration_id)
    listed = await at.run("list", "--json")
    for output in (result.output, shown.output, listed.output):
        assert FISCAL_CODE not in output.upper()
        assert OWN_KEY not in output
    assert json.loads(listed.stdout)[0]["test_environment"]["test_users"] == 2


async def test_test_users_can_be_written_in(at: At) -> None:
    """With "-" the fiscal codes come from standard input, so that no file holds them."""
    options = ("--test-base-url", TEST_BASE_URL, "--test-users", "-", "--execute")
    command = ["remote-content", *CREATE, *options]
    result = await asyncio.to_thread(CliRunner().invoke, app, command, input=f"{FISCAL_CODE}\n")
    assert result.exit_code == 0, result.output
    assert at.held()[0]["test_environment"]["test_users"] == [FISCAL_CODE]


@pytest.mark.parametrize("url", [
    "http://postino.example.it/api",
    "https://postino.example.it/",
    "https://postino.example.it/api/",
    "https://postino.example.it/api?x=1",
    "https://u:p@postino.example.it/api",
    "https://[/api",
    "postino.example.it/api",
])  # fmt: skip
async def test_an_address_that_io_could_not_use_is_refused(at: At, url: str) -> None:
    """The address must be https, end in /api, and have nothing else."""
    result = await at.run(*CREATE[:-1], url)
    assert result.exit_code == 2
    assert "/api" in result.stderr


@pytest.mark.parametrize(("content", "line"), [("nobody\n", 1), (f"{FISCAL_CODE}\nRSSMRA80A01H501\n", 2)])
async def test_a_wrong_test_user_is_named_by_its_line(
    at: At, tmp_path: Path, content: str, line: int
) -> None:
    """A line that is no fiscal code is refused by its number, and not repeated."""
    users = tmp_path / "users"
    users.write_text(content)
    result = await at.run(*CREATE, "--test-base-url", TEST_BASE_URL, "--test-users", str(users))
    assert result.exit_code == 2
    assert f"riga {line}" in result.stderr
    assert content.split()[-1] not in result.output


@pytest.mark.parametrize(
    "arguments",
    [
        ("create", "--base-url", BASE_URL),
        ("create", "--name", "Atti", "--description", "x"),
        ("create", "--name", FISCAL_CODE, "--description", "x", "--base-url", BASE_URL),
        (*CREATE, "--test-users", "/dev/null"),
        (*CREATE, "--test-base-url", TEST_BASE_URL, "--test-users", "/does/not/exist"),
        ("show", "../messages"),
        ("update", "01J"),
    ],
)
async def test_wrong_options_are_refused_before_any_call(at: At, arguments: Sequence[str]) -> None:
    """Missing and wrong options end the command with exit code 2, and IO is not called."""
    result = await at.run(*arguments)
    assert result.exit_code == 2
    assert FISCAL_CODE not in result.output
    assert at.io.state.calls.document() == {}


@pytest.mark.parametrize("name", ["IO_MANAGE_API_KEY", "REMOTE_CONTENT_API_KEY"])
async def test_a_missing_key_is_named(at: At, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """The setting that lacks is named."""
    monkeypatch.delenv(name)
    result = await at.run(*CREATE, "--execute")
    assert result.exit_code == 2
    assert name in result.stderr


async def test_update_keeps_what_is_not_given(at: At, tmp_path: Path) -> None:
    """IO's PUT replaces everything, so all else is sent as IO had it."""
    users = tmp_path / "users"
    users.write_text(FISCAL_CODE)
    one = await at.create("--test-base-url", TEST_BASE_URL, "--test-users", str(users))
    [before] = at.held()
    shown = await at.run("update", one, "--description", "Gli atti, anche vecchi")
    assert "cambia" in shown.stdout
    assert at.held() == [before]
    assert (
        await at.run("update", one, "--description", "Gli atti, anche vecchi", "--execute")
    ).exit_code == 0
    assert at.held() == [before | {"description": "Gli atti, anche vecchi"}]
    assert ("update_configuration", one) in await at.audit()


async def test_the_key_is_rotated_by_update(at: At) -> None:
    """With both keys set, `list` says which one IO has; `update` gives IO the new one."""
    one = await at.create()
    at.set("REMOTE_CONTENT_API_KEY", NEW_KEY)
    assert (await at.json("list"))[0]["prod_environment"]["key"] == "other"
    at.set("REMOTE_CONTENT_API_SECONDARY_KEY", OWN_KEY)
    assert (await at.json("show", one))["prod_environment"]["key"] == "REMOTE_CONTENT_API_SECONDARY_KEY"
    changed = await at.json("update", one, "--execute")
    keys = [changed[when]["prod_environment"]["key"] for when in ("before", "after")]
    assert keys == ["REMOTE_CONTENT_API_SECONDARY_KEY", "REMOTE_CONTENT_API_KEY"]
    assert at.held()[0]["prod_environment"]["details_authentication"]["key"] == NEW_KEY


async def test_an_environment_can_keep_its_key(at: At, tmp_path: Path) -> None:
    """The test environment may be another app with another key."""
    one = await at.create("--test-base-url", TEST_BASE_URL)
    at.set("REMOTE_CONTENT_API_KEY", NEW_KEY)
    await at.json("update", one, "--keep-key", "test", "--execute")
    [held] = at.held()
    keys = [held[f"{name}_environment"]["details_authentication"]["key"] for name in ("prod", "test")]
    assert keys == [NEW_KEY, OWN_KEY]


async def test_list_names_the_services_and_what_is_missing(at: At) -> None:
    """A configuration is listed with its services; a service whose configuration is not there is told."""
    one = await at.create()
    at.set("REMOTE_CONTENT_CONFIGURATION_ID", one)
    at.set("IO_SERVICES", json.dumps({"tributi": {"key": "k", "configuration_id": UNKNOWN}}))
    listed = await at.run("list")
    assert one in listed.stdout
    assert "default" in listed.stdout
    assert f"tributi usa {UNKNOWN}" in listed.stderr


@pytest.mark.parametrize(
    ("service", "advice"),
    [
        (Service(keys=("a-key",), manage_keys=("other",)), "IO non riconosce IO_MANAGE_API_KEY"),
        (Service(keys=(MANAGE_KEY,)), "ApiRemoteContentConfigurationWrite"),
        (
            Service(keys=(), manage_keys=(MANAGE_KEY,), groups=frozenset({"ApiMessageWrite"})),
            "ApiRemoteContentConfigurationWrite",
        ),
    ],
    ids=["unknown key", "key of a service", "group missing"],
)
@pytest.mark.parametrize("arguments", [("list",), (*CREATE, "--execute")])
async def test_a_key_that_io_refuses_is_explained(
    at: At, service: Service, advice: str, arguments: Sequence[str]
) -> None:
    """A refused key names the setting, the kind of key and the group."""
    at.io.state.services.put({"default": service})
    result = await at.run(*arguments)
    assert result.exit_code == 2
    assert advice in result.stderr
    assert MANAGE_KEY not in result.output


async def test_a_configuration_of_another_institution_is_explained(at: At) -> None:
    """A 403 for a configuration of another account says that it must be one's own."""
    one = await at.create()
    at.io.state.services.put({"default": Service(keys=(), manage_keys=(MANAGE_KEY,), account="another")})
    result = await at.run("update", one, "--execute")
    assert result.exit_code == 2
    assert "la configurazione dev'essere sua" in result.stderr


@pytest.mark.parametrize("command", ["show", "update"])
async def test_an_unknown_configuration_is_not_found(at: At, command: str) -> None:
    """For an id that IO does not know the exit code is 1."""
    result = await at.run(command, UNKNOWN)
    assert result.exit_code == 1
    assert "postino remote-content list" in result.stderr


@pytest.mark.parametrize(
    ("fault", "held", "advice"),
    [
        (Fault(kind="500_before"), 0, "Non si sa se IO l'ha creata"),
        (Fault(kind="502_after"), 1, "Non si sa se IO l'ha creata"),
        (Fault(kind="reset_after"), 1, "Non si sa se IO l'ha creata"),
        (Fault(kind="half_response"), 1, "Non si sa se IO l'ha creata"),
        (Fault(kind="429", seconds=7), 0, "fra 7 secondi"),
    ],
    ids=lambda value: value.kind if isinstance(value, Fault) else None,
)
async def test_a_create_without_an_answer_is_in_doubt(at: At, fault: Fault, held: int, advice: str) -> None:
    """If the answer was lost, the operator is told to look before a second create."""
    at.io.state.faults.add([fault])
    result = await at.run(*CREATE, "--execute")
    assert result.exit_code == 2
    assert advice in result.stderr
    assert ("remote-content list" in result.stderr) is (fault.kind != "429")
    assert len(at.held()) == held


@pytest.mark.parametrize("kind", ["500_before", "reset_after", "502_after"])
async def test_an_update_without_an_answer_may_be_repeated(at: At, kind: Any) -> None:
    """A PUT may be repeated, and the message says so."""
    one = await at.create()
    at.io.state.faults.add([Fault(kind=kind, operation="update_configuration")])
    result = await at.run("update", one, "--name", "Altri atti", "--execute")
    assert result.exit_code == 2
    assert "ripeti il comando, che non fa danno" in result.stderr
    assert (await at.run("update", one, "--name", "Altri atti", "--execute")).exit_code == 0
    assert at.held()[0]["name"] == "Altri atti"


async def test_io_out_of_reach_is_told(at: At) -> None:
    """Without a connection nothing has changed, and the network and the address are named."""
    at.set("IO_API_BASE_URL", "http://127.0.0.1:9/api/v1")
    result = await at.run("list")
    assert result.exit_code == 2
    assert "IO_API_BASE_URL" in result.stderr
