"""`postino try`, `send --canary` and `send --spread`, with the app, a storage account and a simulated IO."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from azure.storage.queue.aio import QueueServiceClient
from typer.testing import Result

import settings
from check_status.follow import follow_due
from context import Context
from local.io_simulator import Citizen, Configuration, RunningSimulator, Service, running_simulator
from local.io_simulator.services import PREMIUM_GROUPS
from send_message.check_recipient import check_recipient
from send_message.send_message import send_message
from storage.account import StorageAccount
from storage.cipher import Cipher
from storage.queues import MESSAGE_REQUESTS, MESSAGE_REQUESTS_BULK, MESSAGE_SENDS
from storage.readiness import Readiness
from tests.campaigns import many_rows, write_csv, write_template
from tests.english import english_in, instants_in
from tests.integration.cli_account import CliAccount
from tests.samples import personal_data_in
from tests.shared_azurite import SharedAzurite

TESTERS = ("BNCLRA85M41F205X", "VRDGPP70A01H501Z")
PAST = ("--campaign", "TARI 2025", "--spread", "5 giorni, 9-13, dal 07/01/2026")
LIMITED = PREMIUM_GROUPS - {"ApiMessageWrite"} | {"ApiLimitedMessageWrite"}
SERVICES = {
    "default": Service(keys=("a-key",)),
    "limited": Service(keys=("b-key",), groups=LIMITED, authorized_recipients=frozenset(TESTERS)),
}


class World:
    """`postino`, a storage account and IO; the app runs within `app`."""

    def __init__(self, account: CliAccount, io: RunningSimulator, connection: str, folder: Path) -> None:
        self.io = io
        self._account = account
        self._connection = connection
        self.template = write_template(folder / "tari.md")
        self.file = write_csv(folder / "tari.csv", many_rows(3))

    async def run(self, *arguments: str) -> Result:
        return await asyncio.to_thread(self._account.run, *arguments)

    async def send(self, *arguments: str) -> Result:
        options = ("--template", str(self.template), "--campaign", "TARI 2026", *arguments)
        return await self.run("send", str(self.file), *options)

    def forget(self) -> None:
        """Remove the journal beside the file."""
        Path(f"{self.file}.postino.json").unlink()

    def sent_to(self) -> list[str]:
        """The fiscal codes of the messages that IO holds."""
        return [message.fiscal_code for message in self.io.state.messages]

    async def real_ones(self) -> list[dict[str, Any]]:
        """The campaign's requests on their queue, which nobody takes here."""
        async with QueueServiceClient.from_connection_string(self._connection) as service:
            queue = service.get_queue_client(MESSAGE_REQUESTS_BULK)
            return [json.loads(one.content) for one in await queue.peek_messages(32)]

    @asynccontextmanager
    async def app(self) -> AsyncIterator[None]:
        """Take urgent requests and poll at once, until the block ends."""
        async with aclosing(StorageAccount(settings.load())) as account:
            cipher = Cipher(settings.load().encryption_keys)
            await Readiness.of(account, cipher).check()
            now, soon = (_context(account, cipher, ahead) for ahead in (timedelta(), timedelta(minutes=1)))
            async with aclosing(now.io), aclosing(soon.io):
                running = asyncio.create_task(self._take_for_ever(now, soon))
                try:
                    yield
                finally:
                    running.cancel()
                    with suppress(asyncio.CancelledError):
                        await running

    async def _take_for_ever(self, now: Context, soon: Context) -> None:
        async with QueueServiceClient.from_connection_string(self._connection) as service:
            while True:
                for name, handle in ((MESSAGE_REQUESTS, check_recipient), (MESSAGE_SENDS, send_message)):
                    queue = service.get_queue_client(name)
                    async for message in queue.receive_messages(visibility_timeout=60):
                        await handle(message.content, now, redelivered=False)
                        await queue.delete_message(message)
                await asyncio.sleep(0.5)
                await follow_due(soon)


def _context(account: StorageAccount, cipher: Cipher, ahead: timedelta) -> Context:
    """The context of functions whose clock is ahead."""
    return Context.of(settings.load(), account, cipher, lambda: datetime.now(UTC) + ahead)


@pytest.fixture
async def world(
    azurite: SharedAzurite, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> AsyncIterator[World]:
    configuration = Configuration(services=SERVICES, processing_delay_seconds=0)
    async with running_simulator(configuration) as io:
        account = CliAccount(azurite.connection_string, monkeypatch)
        monkeypatch.setenv("IO_API_BASE_URL", io.base_url)
        monkeypatch.setenv("IO_SERVICES", '{"limited": {"key": "b-key"}}')
        monkeypatch.setenv("TEST_RECIPIENTS", ",".join(TESTERS))
        async with QueueServiceClient.from_connection_string(azurite.connection_string) as service:
            for name in (MESSAGE_REQUESTS, MESSAGE_REQUESTS_BULK, MESSAGE_SENDS):
                await service.create_queue(name)
        yield World(account, io, azurite.connection_string, tmp_path)


def is_plain(text: str) -> bool:
    """Whether a text is Italian and has no personal data, but for the message itself."""
    of_message = ("Gentile", "  ", "it:", "---")
    told = "\n".join(line for line in text.splitlines() if not line.startswith(of_message))
    return (english_in(told), instants_in(told), personal_data_in(told)) == ([], [], [])


async def test_try(world: World) -> None:
    """One message with invented data goes to the chosen recipient, and the command says that it arrived."""
    async with world.app():
        result = await world.run("try", "--template", str(world.template), "--to", "2", "--wait", "1")
    assert result.exit_code == 0, result.output
    assert world.sent_to() == [TESTERS[1]]
    assert "Gentile Maria" in result.stdout
    assert "Dati inventati, al posto di quelli dei cittadini:" in result.stderr
    assert "consegnata (PROCESSED)" in result.stdout
    assert is_plain(result.output)


async def test_canary_then_campaign(world: World) -> None:
    """Without a terminal nobody consents: the campaign waits for --yes, and the same trials count."""
    async with world.app():
        alone = await world.send("--canary", "2", "--wait", "1")
        assert (alone.exit_code, await world.real_ones()) == (1, [])
        assert "per proseguire aggiungi --yes" in alone.stderr
        assert is_plain(alone.output)
        result = await world.send("--canary", "2", "--wait", "1", "--yes")
    assert result.exit_code == 0, result.output
    assert sorted(world.sent_to()) == sorted(TESTERS)
    assert [one["campaign"] for one in await world.real_ones()] == ["TARI 2026"] * 3


async def test_canary_that_does_not_arrive(world: World) -> None:
    """A trial that is not delivered is told with its reason and remedy, and nothing real leaves."""
    world.io.state.citizens.put({TESTERS[0]: Citizen(on_io=False)})
    async with world.app():
        result = await world.send("--canary", "1", "--wait", "1", "--yes", "--json")
    assert (result.exit_code, await world.real_ones(), world.sent_to()) == (1, [], [])
    assert "Nessuna prova è stata consegnata." in result.stderr
    assert [(one["recipient"], one["reason"]) for one in json.loads(result.stdout)["trials"]] == [
        (1, "recipient_not_found")
    ]


async def test_limited_service_is_told_before_the_first_message(world: World) -> None:
    """IO's 403 for a citizen of the file ends the command: nothing is on the queue, and no circuit opens."""
    result = await world.send("--service", "limited")
    assert (result.exit_code, await world.real_ones()) == (1, [])
    assert "Il servizio «limited» è limitato" in result.stderr
    assert is_plain(result.output)
    async with world.app():
        tried = await world.run(
            "try", "--template", str(world.template), "--service", "limited", "--wait", "1", "--json"
        )
    assert (tried.exit_code, json.loads(tried.stdout)["delivered"]) == (0, True)


async def test_service_that_cannot_be_asked_is_no_obstacle(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An IO that does not answer this machine is noted; the app will find out."""
    monkeypatch.setenv("IO_API_BASE_URL", "http://127.0.0.1:1/api/v1")
    result = await world.send()
    assert (result.exit_code, len(await world.real_ones())) == (0, 3)
    assert "Da qui non si è potuto controllare se il servizio è limitato" in result.stderr


async def test_spread_is_kept(world: World) -> None:
    """The same words later change no message; other words, or none, are refused with those that count."""
    spread = ("--spread", "5 giorni, 9-13")
    first = await world.send(*spread, "--json")
    assert first.exit_code == 0, first.output
    before = await world.real_ones()
    assert all(one["not_before"] for one in before)
    world.forget()
    assert (await world.send(*spread)).exit_code == 0
    again = (await world.real_ones())[3:]
    assert sorted(one["not_before"] for one in again) == sorted(one["not_before"] for one in before)
    for others in ((), ("--spread", "4 giorni, 9-13")):
        refused = await world.send(*others)
        assert refused.exit_code == 1
        assert "Questa campagna è già distribuita: 5 giorni, 09:00-13:00, dal" in refused.stderr
        assert is_plain(refused.output)
    wrong = await world.send("--spread", "presto")
    assert wrong.exit_code == 2
    assert "--spread: si scrive come «5 giorni, 9-13»" in wrong.stderr
    past = await world.run("send", str(world.file), *PAST, "--template", str(world.template))
    assert past.exit_code == 2
    assert "il primo giorno, 07/01/2026, è già passato" in past.stderr
