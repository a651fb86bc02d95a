"""Everything that `postino` prints for people over a sample with every state is Italian."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from pydantic import SecretStr

import settings
from cli.connection import Operator, ask
from contract.remote_content import RemoteContent
from contract.request import parse_request
from contract.violations import InvalidRequest, Violation
from io_api import rate_limiter
from io_api.breakers import SEND_FAILURES
from io_api.errors import Misconfigured
from io_api.rate_budget import Budget
from io_api.suspensions import Key
from local.io_simulator import running_simulator
from storage.account import StorageAccount
from storage.due_index import DueIndex
from storage.ledger import NEXT, NOT_REMINDED, REMINDED, Entry, State, Step
from tests.campaigns import a_row, many_rows, write_csv, write_template
from tests.cli_commands import LEAVES
from tests.english import english_in, instants_in
from tests.integration.cli_account import CliAccount
from tests.samples import BLOB, FISCAL_CODE, PDF, a_body, a_request, personal_data_in, remote_content
from tests.shared_azurite import SharedAzurite

CREATE = ("--name", "Atti", "--description", "Gli atti del Comune")
URL = "https://comune.example.it/api"
OWN_KEY = "an-own-key-of-enough-characters-1"
NOTED = f"1:{'0' * 64}"
WAY: Mapping[State, tuple[State, ...]] = {
    **{state: (state,) for state in NEXT[State.REQUESTED]},
    **{state: (State.SENDING, state) for state in NEXT[State.SENDING] - NEXT[State.REQUESTED]},
    **{state: (State.SENDING, State.ACCEPTED, state) for state in NEXT[State.ACCEPTED]},
    State.READ: (State.SENDING, State.ACCEPTED, State.PROCESSED, State.READ),
    State.PAID: (State.SENDING, State.ACCEPTED, State.PROCESSED, State.PAID),
    State.REQUESTED: (),
}
"""How a request comes to each state."""
ROLES = ("Storage Blob Data Reader", "Storage Table Data Contributor", "Storage Queue Data Contributor")
OF_STATES = {
    State.DEFERRED: ("rate_limited", 429),
    State.IN_DOUBT: ("timeout", None),
    State.REFUSED: ("payment_amount_not_allowed", 400),
    State.SKIPPED: ("sender_not_allowed", None),
    State.DEAD: ("failed_repeatedly", None),
    State.PAID: ("settled_upstream", None),
}


def broken() -> tuple[Violation, ...]:
    """Violations of many kinds."""
    body = a_body(
        request_id="a/b",
        fiscal_code=7,
        content={"subject": "x", "markdown": "---\nit: 7\n---\n", "payment_data": {"amount": "7"}},
        nome="Rossi",
        expires_at="2026-02-30T10:00:00Z",
        reminders={"unread": {"after_days": 77}},
    )
    with pytest.raises(InvalidRequest) as raised:
        parse_request(body)
    return raised.value.violations


class Sample:
    """An account with a request in every state, and with everything that `doctor` can find."""

    def __init__(self, account: CliAccount, folder: Path) -> None:
        self.account = account
        self.template = write_template(folder / "tari.md")
        self.good = write_csv(folder / "tari.csv", many_rows(3))
        self.wrong = write_csv(
            folder / "sbagliato.csv", [a_row(importo="0", scadenza="ieri"), a_row(codice_fiscale="x")]
        )
        self.code = folder / "codice.txt"
        self.code.write_text(FISCAL_CODE)
        self.ids = {str(state): self.request(state) for state in State}
        self.parked = account.park(
            a_body(nome="Rossi"), request_id=account.new_id(), violations=broken(), times=2
        )
        account.park("{}", parked_id=self.ids["REFUSED"], request_id=self.ids["REFUSED"], reason="conflict")
        self.documents()
        ask(self.stop)
        asyncio.run(self.slow())

    def request(self, state: State) -> str:
        """Take a request to a state, and return its id."""
        request = a_request(request_id=self.account.new_id(), feature_level_type="ADVANCED")

        async def advance(stores: Operator) -> Entry:
            entry = await stores.ledger.open(request)
            for step in WAY[state]:
                reason, status = OF_STATES.get(step, (None, None))
                entry = await stores.ledger.advance(entry, Step(step, reason, status))
            if state is State.READ:
                facts = (
                    *(Step("READ_UNAVAILABLE"), Step("MISSING"), Step(REMINDED, reminder="r-1")),
                    Step(NOT_REMINDED, "citizen_reminded_enough", reminder="r-2"),
                )
                entry = await stores.ledger.advance(
                    entry, *facts, read_status="UNAVAILABLE", payment_status="NOT_PAID", status="PROCESSED"
                )
            return entry

        return ask(advance).request_id

    def documents(self) -> None:
        """Send a message with a document, and keep another document for its correction."""
        content = remote_content(BLOB)
        entry = self.account.accepted(feature_level_type="ADVANCED", remote_content=content)
        self.account.keep(entry, RemoteContent.model_validate(content, strict=False), undeclared=1)
        self.ids["documents"] = entry.request_id

        async def put(stores: Operator) -> None:
            await stores.documents().put("tari/nuovo.pdf", PDF)

        ask(put)

    async def stop(self, stores: Operator) -> None:
        """Stop all that can be stopped, and let time pass."""
        then = datetime.now(UTC) - timedelta(days=3, hours=4)
        past = DueIndex(stores.due_index._table, lambda: then)
        await past.release(await past.acquire(), None)
        await past.put("r-1", then)
        await stores.campaigns.stop("TARI 2026", "anna@comune")
        for reason, operation in (("invalid_key", "get_profile"), ("no_valid_scopes", "submit_message")):
            key = Key("default", "primary", SecretStr("a-key"))
            await stores.suspensions.open_circuit(key, operation, Misconfigured(reason=reason, status=403))
        for _ in range(SEND_FAILURES):
            await stores.breakers.record_failure("submit_message", limit=SEND_FAILURES)
        await stores.suspensions.pause("default", "anna@comune")
        await stores.queues.put("message-requests", "{}")
        await stores.queues.put("message-sends-poison", "{}")

    async def slow(self) -> None:
        """Lower the rate."""
        account = StorageAccount(settings.load())
        budget = Budget(rate=12, cut_at=time.time() - 60, next_free=time.time() + 90)
        await account.table(rate_limiter.TABLE).upsert(
            rate_limiter.PARTITION, rate_limiter.BUDGET, budget.values()
        )
        await account.aclose()


@pytest.fixture
async def sample(
    azurite: SharedAzurite, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> AsyncIterator[Sample]:
    account = CliAccount(azurite.connection_string, monkeypatch)
    await asyncio.to_thread(account.started)
    monkeypatch.setenv("REMOTE_CONTENT_API_KEY", OWN_KEY)
    monkeypatch.setenv("IO_MANAGE_API_KEY", "simulator-manage-key")
    async with running_simulator() as io:
        monkeypatch.setenv("IO_API_BASE_URL", io.base_url)
        yield await asyncio.to_thread(Sample, account, tmp_path)


def runs(sample: Sample, configuration: str) -> list[tuple[str, ...]]:
    """Every command with arguments that bring out as much of its text as can be."""
    ids = sample.ids
    send = ("--template", str(sample.template), "--campaign", "TARI 2026")
    correct = ("remote-content", "correct", ids["documents"])
    erase = ("erase", "--file", str(sample.code))
    return [
        *(("show", request_id) for request_id in ids.values()),
        *(("show", "ignota"), ("show", str(sample.parked.request_id)), ("doctor",), ("status",)),
        *(("status", "--campaign", "tari 2026"), ("report", "--html", f"{sample.template}.html")),
        *(("parked", "list"), ("parked", "show", sample.parked.parked_id), ("parked", "show", "ignoto")),
        ("parked", "list", "--reason", "paid"),
        ("parked", "redrive"),
        ("parked", "redrive", "ignoto"),
        ("parked", "redrive", "--reason", "conflict"),
        ("parked", "redrive", ids["REFUSED"], "--execute"),
        ("parked", "drop", "--reason", "invalid"),
        ("parked", "drop", sample.parked.parked_id, "--execute"),
        *(("in-doubt", "list"), ("in-doubt", "show", ids["IN_DOUBT"]), ("in-doubt", "show", ids["READ"])),
        *(("in-doubt", "resend"), ("in-doubt", "resend", ids["IN_DOUBT"])),
        *(("in-doubt", "settle", ids["IN_DOUBT"]), ("in-doubt", "settle", ids["IN_DOUBT"], "--not-sent")),
        ("in-doubt", "settle", ids["IN_DOUBT"], "--accepted", "--message-id", "x"),
        ("in-doubt", "resend", ids["IN_DOUBT"], "--execute"),
        ("in-doubt", "settle", ids["IN_DOUBT"], "--not-sent", "--execute"),
        *(("pause",), ("pause",), ("resume", "--service", "default"), ("resume",), ("resume",)),
        ("pause", "--service", "ignoto"),
        ("reminders", "list"),
        *(("reminders", word, "--campaign", "TARI 2026") for word in ("stop", "resume", "resume")),
        *(("reminders", "list"), ("keys", "forget", "ignota", "--execute"), ("in-doubt", "list")),
        *(("keys", "status"), ("keys", "rotate")),
        ("send", str(sample.wrong), *send),
        ("send", str(sample.good), *send, "--dry-run"),
        ("send", str(sample.good), *send),
        ("send", "ignoto.csv", *send),
        *(("send", str(sample.good), *send, *one) for one in (("--canary", "1"), ("--spread", "presto"))),
        ("send", str(sample.good), *send, "--spread", "5 giorni, 9-13"),
        ("send", str(sample.good), *send),
        *(("try", "--template", path) for path in (str(sample.template), "ignoto.md")),
        *(("reach", str(sample.good)), ("reach", str(sample.good), "--service", "ignoto")),
        *(("reach", "ignoto.csv"), ("reach", str(sample.wrong), "--max-age", "1")),
        *(("remote-content", "list"), ("remote-content", "create"), ("remote-content", "create", *CREATE)),
        ("remote-content", "create", *CREATE, "--base-url", "http://x"),
        ("remote-content", "create", *CREATE, "--base-url", URL),
        ("remote-content", "show", configuration),
        ("remote-content", "show", "01J00000000000000000000000"),
        ("remote-content", "update", configuration, "--base-url", "https://altro.example.it/api"),
        ("remote-content", "update", configuration, "--execute"),
        ("remote-content", "update", configuration, "--test-users", "ignoto.txt"),
        *(correct, (*correct, "--attachment", "1=ignoto.pdf"), (*correct, "--name", "1=x")),
        (*correct, "--attachment", "7=x"),
        (*correct, "--attachment", "1=tari/nuovo.pdf", "--subject", "Un avviso corretto"),
        (*correct, "--attachment", "1=tari/nuovo.pdf", "--execute", "--version", "1"),
        ("remote-content", "correct", ids["SKIPPED"], "--subject", "Un avviso corretto"),
        *(("remote-content", "versions", ids["documents"]), ("show", ids["documents"])),
        *(("find", "--file", str(sample.code), *one) for one in ((), ("--omocodia",))),
        *(("erase", "--file", "ignoto.txt"), ("erase", "--file", str(sample.template)), erase),
        *(
            (*erase, "--execute"),
            (*erase, "--force"),
            (*erase, "--force", "--execute"),
            (*erase, "--omocodia"),
        ),
        ("find", "--file", str(sample.code)),
        *(("show", ids["READ"]), ("audit", "list"), ("audit", "list", "--until", "24/11/2020")),
        *(("audit", "verify"), ("audit", "verify", "--noted", "x"), ("audit", "verify", "--noted", NOTED)),
    ]


def names_of(sample: Sample, text: str) -> str:
    """The text without bodies, ids, roles of Azure, an example, and words with their meaning beside them."""
    text = re.sub(
        r"^[{}\]]?$|^ +\".*$|^(?:conflict|invalid|[A-Z_]+)(?= +[0-9])", "", text, flags=re.MULTILINE
    )
    for known in (*sample.ids.values(), *ROLES, "anna@comune", "default", "o 2026-12-31", "keys 1,"):
        text = text.replace(known, "")
    return text


async def test_lost_key_is_told_in_italian(sample: Sample, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key that is lost, or cannot open a body, is told in Italian with what to do."""
    await asyncio.to_thread(ask, lambda stores: stores.key_checks.note())
    monkeypatch.setenv("ENCRYPTION_KEYS", Fernet.generate_key().decode())
    doctor = await asyncio.to_thread(sample.account.run, "doctor")
    body = await asyncio.to_thread(sample.account.run, "parked", "show", sample.parked.parked_id)
    assert (doctor.exit_code, body.exit_code) == (1, 2)
    assert "postino keys forget" in doctor.output
    assert "rimetti in fondo all'elenco" in body.output
    for said in (doctor.output, body.output):
        assert (english_in(names_of(sample, said)), instants_in(said)) == ([], [])


async def test_every_command_speaks_italian(sample: Sample) -> None:
    """No command prints an English word, an instant in UTC, or personal data, whatever it has to tell."""

    def run(*arguments: str) -> str:
        result = sample.account.run(*arguments)
        assert result.exception is None or isinstance(result.exception, SystemExit), arguments
        said = result.output
        print(f"$ postino {' '.join(arguments)}\n{said}")
        return str(said)

    def run_all() -> dict[str, tuple[list[str], list[str]]]:
        created = run("remote-content", "create", *CREATE, "--base-url", URL, "--execute")
        found = re.search(r"CONFIGURATION_ID=(\w+)", created)
        assert found
        said = {arguments: run(*arguments) for arguments in runs(sample, found[1])}
        assert {path for path in LEAVES if not any(one[: len(path)] == path for one in said)} == set()
        assert [one for one, text in said.items() if one[0] != "send" and personal_data_in(text)] == []
        texts = {" ".join(one): names_of(sample, text) for one, text in said.items()}
        return {one: (english_in(text), instants_in(text)) for one, text in texts.items()}

    found = await asyncio.to_thread(run_all)
    assert {one: words for one, words in found.items() if any(words)} == {}
