"""`postino send`, on a real storage account."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cli.connection import ask
from storage.queues import MESSAGE_REQUESTS_BULK
from tests.campaigns import many_rows, write_csv, write_template
from tests.integration.cli_account import CliAccount
from tests.integration.host_process import QueueOf

ROWS = 600
"""So many that a busy machine can interrupt the command after the first of twenty batches."""


@pytest.fixture
def arguments(tmp_path: Path, account: CliAccount) -> list[str]:
    """The arguments of a campaign that no other test uses."""
    file = write_csv(tmp_path / "tari.csv", many_rows(ROWS))
    template = write_template(tmp_path / "tari.md")
    return ["send", str(file), "--template", str(template), "--campaign", account.new_id()]


def _ids(queue_of: QueueOf, campaign: str) -> list[str]:
    """The ids of a campaign on the queue, which hides them."""
    messages = queue_of(MESSAGE_REQUESTS_BULK).receive_messages(messages_per_page=32, visibility_timeout=600)
    bodies = [json.loads(message.content) for message in messages]
    return [body["request_id"] for body in bodies if body["campaign"] == campaign]


def test_interrupted_and_run_again(account: CliAccount, arguments: list[str], queue_of: QueueOf) -> None:
    """Ctrl-C ends the command with how far it came; the same command goes on, and once more puts nothing."""
    journal = Path(f"{arguments[1]}.postino.json")
    command = [sys.executable, "-c", "from cli.main import app; app()", *arguments]
    process = subprocess.Popen(command, env=os.environ, stderr=subprocess.PIPE, text=True)
    while not (journal.exists() and json.loads(journal.read_text())["done"]):
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "ripeti lo stesso comando" in errors
    done = json.loads(journal.read_text())["done"]
    assert 0 < done < ROWS
    assert f"Interrotto: in coda {done} richieste su {ROWS}." in errors
    again = account.run(*arguments)
    assert again.exit_code == 0, again.output
    assert f"in coda {ROWS} richieste su {ROWS}. Di queste: messe ora {ROWS - done}." in again.stderr
    assert again.stderr.endswith(f"Per seguirli: postino status --campaign {arguments[-1]}\n")
    once_more = account.run(*arguments, "--json")
    assert json.loads(once_more.stdout)["sent"] == {
        "total": ROWS,
        "done": ROWS,
        "put": 0,
        "known": 0,
        "conflicts": [],
    }
    ids = _ids(queue_of, arguments[-1])
    assert len(set(ids)) == ROWS
    assert len(ids) <= ROWS + 32


def test_sheet_that_was_sent_is_not_sent_under_another_name(
    account: CliAccount, arguments: list[str], queue_of: QueueOf
) -> None:
    """Another campaign for the same sheet is refused with what to do, and nothing is put on the queue."""
    Path(arguments[1]).write_text("\n".join(Path(arguments[1]).read_text().splitlines()[:3]))
    assert account.run(*arguments).exit_code == 0
    first, other = arguments[-1], account.new_id()
    refused = account.run(*arguments[:-1], other)
    assert refused.exit_code == 2
    assert f"sono già in coda 2 richieste della campagna «{first}»" in refused.stderr
    assert (_ids(queue_of, other), _audited(other)) == ([], [])
    Path(f"{arguments[1]}.postino.json").unlink()
    with_space = f"{other} x"
    sent = account.run(*arguments[:-1], with_space)
    assert sent.exit_code == 0
    assert f"Per seguirli: postino status --campaign '{with_space}'" in sent.stderr


def test_sending_is_audited(account: CliAccount, arguments: list[str], queue_of: QueueOf) -> None:
    """Each sending leaves a row in the audit; a file with a mistake leaves none, and nothing on the queue."""
    queue_of(MESSAGE_REQUESTS_BULK).create_queue()
    file = Path(arguments[1])
    text = file.read_text()
    file.write_text("\n".join([*text.splitlines()[:3], text.splitlines()[3].replace("31/12/2026", "ieri")]))
    assert account.run(*arguments).exit_code == 1
    assert (_ids(queue_of, arguments[-1]), _audited(arguments[-1])) == ([], [])
    file.write_text("\n".join(text.splitlines()[:3]))
    assert account.run(*arguments).exit_code == 0
    assert _audited(arguments[-1]) == [("send", "2")]
    assert len(_ids(queue_of, arguments[-1])) == 2


def _audited(campaign: str) -> list[tuple[str, str]]:
    async def find(stores: object) -> list[tuple[str, str]]:
        actions = stores.audit.actions_on(campaign)  # type: ignore[attr-defined]
        return [(one["action"], one["rows"]) async for one in actions]

    return ask(find)
