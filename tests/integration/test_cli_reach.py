"""`postino reach`, on a storage account and the IO simulator: who can be contacted, without sending."""

import asyncio
import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Collection
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from cli.connection import Operator, ask
from contract.fiscal_code import hash_at_io
from local.io_simulator import Citizen, Fault, RunningSimulator, Service, running_simulator
from storage.subscriptions import DAY
from tests.campaigns import a_fiscal_code, a_row, write_csv
from tests.integration.cli_account import CliAccount
from tests.samples import personal_data_in

ABSENT, UNWILLING = a_fiscal_code(1), a_fiscal_code(2)
KEY = "a-key"
YESTERDAY = datetime.now(UTC).date() - DAY


class Reach:
    """`postino reach` for a service of its own, and the simulator that it asks."""

    def __init__(self, account: CliAccount, io: RunningSimulator, folder: Path, service: str) -> None:
        self.io = io
        self.account = account
        self.folder = folder
        self.service = service

    def file(self, *codes: str) -> Path:
        """Write a spreadsheet of these fiscal codes."""
        rows = [a_row(codice_fiscale=code) for code in codes]
        return write_csv(self.folder / "tari.csv", rows)

    async def run(self, *arguments: object) -> Result:
        given = ("reach", "--service", self.service, *map(str, arguments))
        return await asyncio.to_thread(self.account.run, *given)

    async def json(self, *arguments: object) -> Any:
        result = await self.run(*arguments, "--json")
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    @property
    def answers(self) -> dict[str, tuple[str, str]]:
        """The verdict and the reason of each row of the file of the answers."""
        text = (self.folder / "tari.csv.reach.csv").read_text("utf-8-sig")
        lines = [*csv.reader(text.splitlines(), delimiter=";")][1:]
        return {row: (verdict, reason.rpartition("(")[2].rstrip(")")) for row, verdict, reason, _ in lines}

    @property
    def asked(self) -> int:
        """The number of profiles that IO was asked for."""
        calls = self.io.state.calls.document()
        assert set(calls) <= {"get_profile"}, "reach sends nothing"
        return int(calls.get("get_profile", {}).get("received", 0))

    async def subscribers(self, through: date, *codes: str) -> None:
        """Put a register in place that holds these subscribers."""
        hashes = [hash_at_io(code) for code in codes]

        async def take(stores: Operator) -> None:
            feed = await stores.subscriptions.feed(self.service)
            assert await stores.subscriptions.take(feed, through, hashes, [])

        await asyncio.to_thread(ask, take)


@pytest.fixture
async def reach(account: CliAccount, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Reach]:
    service = f"s-{account.new_id()[-12:]}"
    monkeypatch.setenv("IO_SERVICES", json.dumps({service: {"key": KEY}}))
    monkeypatch.delenv("IO_API_KEY")
    async with running_simulator() as io:
        io.state.services.put({service: Service(keys=(KEY,))})
        io.state.citizens.put({ABSENT: Citizen(on_io=False), UNWILLING: Citizen(sender_allowed=False)})
        monkeypatch.setenv("IO_API_BASE_URL", io.base_url)
        yield Reach(account, io, tmp_path, service)


async def test_io_is_asked_for_each_citizen_once(reach: Reach) -> None:
    """Each code costs one call, however many rows it has; wrong codes cost none; the second run none."""
    file = reach.file(a_fiscal_code(0), ABSENT, UNWILLING, "01234567890", "x", a_fiscal_code(0))
    result = await reach.run(file)
    assert result.exit_code == 0, result.output
    assert "Da chiedere a IO: 3 chiamate" in result.stderr
    assert reach.answers == {
        "2": ("sì", ""),
        "3": ("no", "recipient_not_found"),
        "4": ("no", "sender_not_allowed"),
        "5": ("codice errato", "wrong_fiscal_code"),
        "6": ("codice errato", "wrong_fiscal_code"),
        "7": ("sì", ""),
    }
    assert reach.asked == 3
    document = await reach.json(file)
    assert reach.asked == 3
    assert document["reasons"] == {
        "recipient_not_found": 1,
        "sender_not_allowed": 1,
        "wrong_fiscal_code": 2,
    }
    counts = [
        document[name] for name in ("rows", "contactable", "not_contactable", "wrong", "unknown", "calls")
    ]
    assert counts == [6, 2, 2, 2, 0, 0]


async def test_no_fiscal_code_is_written(reach: Reach) -> None:
    """Neither the output nor the file of the answers holds a fiscal code, and the audit holds a line."""
    result = await reach.run(reach.file(a_fiscal_code(0), ABSENT))
    written = (reach.folder / "tari.csv.reach.csv").read_text("utf-8-sig")
    assert personal_data_in(result.output + written) == []
    assert a_fiscal_code(0) not in result.output + written

    async def audited(stores: Operator) -> list[Any]:
        return [one async for one in stores.audit.actions_on(reach.service)]

    (action,) = await asyncio.to_thread(ask, audited)
    assert (action["action"], action["rows"]) == ("reach", "2")


async def test_fresh_register_answers_first(reach: Reach) -> None:
    """Where the feed is followed, IO is not asked at all, and the answers say how old they are."""
    await reach.subscribers(YESTERDAY, a_fiscal_code(0), UNWILLING)
    file = reach.file(a_fiscal_code(0), ABSENT, UNWILLING)
    result = await reach.run(file)
    assert "nessuna chiamata a IO" in result.stderr
    assert reach.answers == {"2": ("sì", ""), "3": ("no", "not_subscribed"), "4": ("sì", "")}
    assert reach.asked == 0
    said = f"dal registro degli iscritti, aggiornato al {YESTERDAY:%d/%m/%Y}"
    assert (reach.folder / "tari.csv.reach.csv").read_text("utf-8-sig").count(said) == 3
    assert (await reach.json(file))["from_register"] == 3


async def test_register_that_lags_is_not_believed(reach: Reach) -> None:
    """A register older than --max-age gives no answer: IO is asked, and the command says why."""
    await reach.subscribers(YESTERDAY - 7 * DAY, ABSENT)
    file = reach.file(ABSENT)
    result = await reach.run(file, "--max-age", 7)
    assert "Il registro degli iscritti è fermo al" in result.stderr
    assert reach.answers == {"2": ("no", "recipient_not_found")}
    assert (await reach.json(file, "--max-age", 9, "--out", reach.folder / "altro.csv"))["contactable"] == 1


async def test_answers_replace_no_spreadsheet(reach: Reach) -> None:
    """Neither the spreadsheet nor another file takes the answers: the command says so and asks nothing."""
    file = reach.file(ABSENT)
    other = write_csv(reach.folder / "mensa.csv", [a_row()])
    for out in (file, other):
        before = out.read_bytes()
        result = await reach.run(file, "--out", out)
        assert (result.exit_code, "un altro nome" in result.stderr) == (2, True), result.output
        assert out.read_bytes() == before
    assert reach.asked == 0


async def test_changed_file_is_asked_again(reach: Reach) -> None:
    """Row numbers of another content mean other people: no earlier answer is used."""
    await reach.run(reach.file(a_fiscal_code(0), ABSENT))
    await reach.run(reach.file(ABSENT, a_fiscal_code(0)))
    assert reach.answers == {"2": ("no", "recipient_not_found"), "3": ("sì", "")}
    assert reach.asked == 4


@pytest.mark.parametrize(("keys", "reason"), [((), "IO non riconosce la chiave"), ((KEY,), "in pausa")])
async def test_stop_is_told_and_resumed(reach: Reach, keys: Collection[str], reason: str) -> None:
    """A refused key or a pause ends the command with the reason and the remedy; later it goes on."""
    if keys:
        await asyncio.to_thread(reach.account.run, "pause", "--service", reach.service)
    reach.io.state.services.set_keys({reach.service: [*keys]})
    file = reach.file(a_fiscal_code(0), "x")
    result = await reach.run(file)
    assert (result.exit_code, reason in result.stderr) == (1, True), result.output
    assert "risposte per 1 righe su 2" in result.stderr
    assert "ripeti lo stesso comando" in result.stderr
    reach.io.state.services.set_keys({reach.service: [KEY]})
    await asyncio.to_thread(reach.account.release)
    assert (await reach.json(file))["contactable"] == 1


async def test_refusal_of_this_machine_does_not_stop_the_app(reach: Reach) -> None:
    """A key that IO refuses here, perhaps for the machine's address, opens no circuit of the app."""
    elsewhere = Service(keys=(KEY,), authorized_cidrs=("192.0.2.0/24",))
    reach.io.state.services.put({reach.service: elsewhere})
    result = await reach.run(reach.file(a_fiscal_code(0)))
    assert (result.exit_code, "manca un permesso" in result.stderr) == (1, True), result.output
    found = await asyncio.to_thread(ask, lambda stores: stores.suspensions.current())
    assert [one for one in found.circuits.values() if one.service == reach.service] == []


async def test_refused_calls_are_waited_out(reach: Reach) -> None:
    """A 429 and a lost answer in the middle cost calls, and no answer."""
    reach.io.state.faults.add([Fault(kind="429", count=1, seconds=1), Fault(kind="500_before", count=2)])
    document = await reach.json(reach.file(*(a_fiscal_code(number) for number in range(3, 9))))
    assert (document["contactable"], document["unknown"]) == (6, 0)


async def test_interrupted_and_run_again(reach: Reach) -> None:
    """Ctrl-C ends the command with how far it came; the same command asks only for the rest."""
    codes = [a_fiscal_code(number) for number in range(3, 123)]
    file = reach.file(*codes)
    command = [sys.executable, "-c", "from cli.main import app; app()", "reach", str(file)]
    process = await asyncio.to_thread(
        lambda: subprocess.Popen(
            [*command, "--service", reach.service], env=os.environ, stderr=subprocess.PIPE, text=True
        )
    )
    while reach.asked < 30:
        assert process.poll() is None, process.communicate()
        await asyncio.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, errors = await asyncio.to_thread(process.communicate, timeout=60)
    assert process.returncode == 130, errors
    assert "Interrotto: risposte per" in errors
    done = len(reach.answers)
    assert 0 < done < len(codes)
    before = reach.asked
    document = await reach.json(file)
    assert (document["contactable"], document["calls"]) == (len(codes), len(codes) - done)
    assert reach.asked == before + len(codes) - done


async def test_calls_wait_for_the_shared_budget(reach: Reach) -> None:
    """The command's calls take their slots from the row that the app's hosts share."""

    async def next_free(stores: Operator) -> float:
        return (await stores.rate_limiter.budget()).next_free

    before = await asyncio.to_thread(ask, next_free)
    started = time.time()
    await reach.run(reach.file(a_fiscal_code(0), ABSENT))
    after = await asyncio.to_thread(ask, next_free)
    assert after > before
    assert after > started


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("ignoto.csv",), 1, "Nessuna domanda è stata fatta"),
        (("ignoto.csv", "--service", "ignoto"), 2, "Nessun servizio si chiama ignoto"),
    ],
)
async def test_wrong_use_is_told(reach: Reach, arguments: tuple[str, ...], code: int, words: str) -> None:
    """A missing file and an unknown service end the command before any question."""
    result = await reach.run(*arguments)
    assert (result.exit_code, words in result.stderr) == (code, True), result.output
    assert reach.asked == 0
