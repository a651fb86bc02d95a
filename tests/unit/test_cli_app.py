"""The command line itself: help, examples, errors and completion, all in Italian."""

import inspect
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from cli.app import App
from cli.main import app
from storage.queues import QUEUES
from tests.cli_commands import LEAVES, ROOT, commands
from tests.english import english_in, instants_in

EXAMPLE = "Per esempio: "
EVERY = [(), *(path for path, _ in commands())]


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments, prog_name="postino", env={"COLUMNS": "200"})


def example_of(command: Any) -> list[str]:
    """The words of a command's example."""
    _, _, text = inspect.cleandoc(command.help).partition(EXAMPLE)
    return shlex.split(text)


def _without_names(path: tuple[str, ...], text: str) -> str:
    """The text of a help without the names of commands in its table."""
    names = [words[-1] for words, _ in commands() if words[:-1] == path]
    return re.sub(rf"│ ({'|'.join(names)}) ", "", text) if names else text


@pytest.mark.parametrize("path", EVERY, ids=" ".join)
def test_help_is_italian(path: tuple[str, ...]) -> None:
    """The help of each command and group has no English word, Typer's own included."""
    result = run(*path, "--help")
    assert result.exit_code == 0
    assert english_in(_without_names(path, result.stdout)) == []
    assert instants_in(result.stdout.replace("2026-11-24T09:00:00Z", "")) == []


@pytest.mark.parametrize("path", LEAVES, ids=" ".join)
def test_every_command_has_an_example_that_parses(path: tuple[str, ...], tmp_path: Path) -> None:
    """The help of each command ends with an example, which the command's own parser accepts."""
    name, *words = example_of(LEAVES[path])
    assert (name, *words[: len(path)]) == ("postino", *path)
    with LEAVES[path].make_context(path[-1], words[len(path) :]) as context:
        assert context.params.get("as_json", path == ("report",)) is (path == ("report",))
    shown = " ".join(run(*path, "--help").stdout.split())
    assert f"{EXAMPLE}postino {' '.join(path)}" in shown


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["show"], "Manca REQUEST_ID."),
        (["send", "x.csv"], "Manca l'opzione --template."),
        (["shw"], "Il comando shw non c'è. Forse «show»?"),
        (["xyz"], "Il comando xyz non c'è: l'elenco è in --help."),
        (["status", "--capaign", "x"], "L'opzione --capaign non c'è. Forse --campaign?"),
        (["status", "--zzz"], "L'opzione --zzz non c'è: l'elenco è in --help."),
        (["status", "--campaign"], "L'opzione --campaign vuole un valore."),
        (["status", "--json=1"], "L'opzione --json non vuole un valore."),
        (["show", "a", "b"], "C'è qualcosa di troppo: b. Un valore con spazi va tra virgolette."),
        (["show", "a/b"], "REQUEST_ID: sono da 1 a 128 caratteri tra"),
        (["parked", "list", "--since", "ieri"], "--since: «ieri» non è una data: scrivila come 24/11/2026"),
        (["parked", "redrive", "--rate", "x"], "--rate: dev'essere un numero"),
        (["parked", "redrive", "--rate", "0"], "--rate: dev'essere almeno 0.1."),
        (["parked", "redrive", "--max", "1.5"], "--max: dev'essere un numero intero."),
        (
            ["remote-content", "create", "--precondition", "X"],
            "--precondition: «X» non va bene: scegli tra «ALWAYS», «ONCE», «NEVER».",
        ),
    ],
)
def test_wrong_use_is_told_in_italian(arguments: list[str], said: str) -> None:
    """A wrong use is told in Italian on standard error, with the usage and where the help is."""
    result = run(*arguments)
    first, *others = result.stderr.splitlines()
    assert result.exit_code == 2
    assert result.stdout == ""
    assert first.startswith(f"Errore: {said}")
    assert english_in(result.stderr) == []
    if "vuole un valore" not in said:
        usage, advice = others
        assert usage.startswith("Uso: postino")
        assert advice.startswith("Aiuto ed esempi: postino")
        assert advice.endswith(" --help")


@pytest.mark.parametrize("path", [(), ("parked",)])
def test_group_alone_shows_its_help(path: tuple[str, ...]) -> None:
    """A group without a command shows its help, and exits with 2."""
    result = run(*path)
    assert result.exit_code == 2
    assert "Comandi" in result.output
    assert english_in(_without_names(path, result.output)) == []


def test_defect_is_told_as_one(capsys: pytest.CaptureFixture[str]) -> None:
    """An error that nobody foresaw is told in Italian before its traceback, and exits with 3."""
    broken = App()

    @broken.command()
    def one() -> None:
        raise KeyError("x")

    @broken.command()
    def two() -> None:
        """A second command makes the app a group."""

    with pytest.raises(SystemExit) as ended:
        broken(["one"])
    assert ended.value.code == 3
    said = capsys.readouterr().err
    assert said.startswith("Errore imprevisto: è un difetto di Postino.")
    assert "KeyError: 'x'" in said


def _asked_by_bash(words: str) -> dict[str, str]:
    """The environment in which bash asks what to offer for the last word."""
    return {
        "_POSTINO_COMPLETE": "complete_bash",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split(" ")) - 1),
        "IO_SERVICES": '{"tributi": {"key": "k"}, "anagrafe": {"key": "k"}}',
        "ENCRYPTION_KEYS": "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=",
        "AzureWebJobsStorage": "UseDevelopmentStorage=true",
    }


def complete(words: str) -> list[str]:
    """What bash would offer for the last word."""
    result = CliRunner().invoke(app, [], prog_name="postino", env=_asked_by_bash(words))
    assert result.exit_code == 0, result.output
    return result.stdout.split()


def test_shell_completes_commands_options_and_values() -> None:
    """The Tab key offers commands, options, and the values of an option that has a list of them."""
    assert {"show", "send", "parked"} <= set(complete("postino "))
    assert complete("postino parked re") == ["redrive"]
    assert complete("postino parked list --re") == ["--reason"]
    assert set(complete("postino parked list --queue ")) == set(QUEUES)
    assert {"invalid", "invalid_message"} <= set(complete("postino parked list --reason inv"))
    assert complete("postino parked list --service ") == ["anagrafe", "tributi"]
    assert complete("postino remote-content create --precondition ") == ["ALWAYS", "ONCE", "NEVER"]
    assert complete("postino send x.csv --accept scad") == ["scadenza-passata"]


def test_shell_completes_in_a_process_of_its_own() -> None:
    """The answer that bash gets from the command is that of the tests above, and nothing else."""
    words = "postino parked list --service "
    command = [sys.executable, "-c", "from cli.main import app; app(prog_name='postino')"]
    environment = os.environ | _asked_by_bash(words)
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert run.stdout.split() == complete(words)


def test_completion_can_be_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The completion of the shell in use is installed, and the file is named; an unknown shell is told."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr("cli.app._get_shell_name", lambda: "bash")
    result = run("--install-completion")
    path = tmp_path / ".bash_completions/postino.sh"
    assert result.exit_code == 0, result.output
    assert (
        result.stderr
        == f"Completamento per bash installato in {path}. Vale dal prossimo terminale che apri.\n"
    )
    assert "complete_bash" in path.read_text()
    monkeypatch.setattr("cli.app._get_shell_name", lambda: None)
    unknown = run("--install-completion")
    assert unknown.exit_code == 2
    assert "Non si riconosce la shell" in unknown.stderr
    assert isinstance(ROOT, typer.core.TyperGroup)


def test_interrupted_question() -> None:
    """A question that nobody answers ends the command as an interruption, and with what to do."""
    result = run("erase")
    assert result.exit_code == 130
    assert "non è stato fatto niente" in result.stderr
