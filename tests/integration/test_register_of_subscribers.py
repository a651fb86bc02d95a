"""The timer of the subscriptions feed, through the account at IO, the simulator and a real table."""

from datetime import UTC, datetime

import pytest
from pydantic import SecretStr

from context import Context
from contract.fiscal_code import hash_at_io
from follow_subscriptions.follow_subscriptions import follow_subscriptions
from local.azurite import Azurite
from local.io_simulator import Citizen, Configuration, Service, running_simulator
from local.io_simulator.services import PREMIUM_GROUPS
from settings import Settings
from storage import subscriptions
from storage.account import StorageAccount
from storage.subscriptions import DAY
from tests.samples import KEYS, a_cipher

ANNA, BRUNO = "AAAAAA00A00A000A", "RSSMRA80A01H501U"
READER = PREMIUM_GROUPS | {"ApiSubscriptionsFeedRead"}


async def test_register_follows_what_citizens_do(azurite: Azurite, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who joins and who blocks the service is in the register on the next day, each day asked for once."""
    today = datetime.now(UTC).date()
    monkeypatch.setattr(subscriptions, "FIRST_DAY", today)
    monkeypatch.setattr(subscriptions, "TABLE", "feedtest")
    services = {"tari": Service(keys=("k",), groups=READER)}
    async with running_simulator(Configuration(services=services)) as io:
        values = {
            "AzureWebJobsStorage": SecretStr(azurite.connection_string),
            "IO_API_BASE_URL": io.base_url,
            "IO_SERVICES": '{"tari": {"key": "k"}}',
            "ENCRYPTION_KEYS": ",".join(key.get_secret_value() for key in KEYS),
            "SUBSCRIPTIONS_FEED": "tari",
        }
        configured = Settings.model_validate(values)
        account = StorageAccount(configured)
        context = Context.of(configured, account, a_cipher(KEYS), io.state.clock.now)
        io.state.citizens.put({ANNA: Citizen(), BRUNO: Citizen(sender_allowed=False)})
        await follow_subscriptions(context)
        io.state.clock.advance(DAY.total_seconds())
        await follow_subscriptions(context)
        io.state.citizens.put({ANNA: Citizen(sender_allowed=False), BRUNO: Citizen()})
        io.state.clock.advance(DAY.total_seconds())
        found = []
        for _ in range(2):
            hashes = map(hash_at_io, (ANNA, BRUNO))
            found.append([await context.subscriptions.last_change("tari", one) for one in hashes])
            await follow_subscriptions(context)
        hashes = map(hash_at_io, (ANNA, BRUNO))
        last = [await context.subscriptions.last_change("tari", one) for one in hashes]
        assert found[0] == [(today, True), None]
        assert last == [(today + DAY, False), (today + DAY, True)]
        calls = io.state.calls.document()["get_subscriptions"]
        assert calls == {"received": 2, "answered": {"200": 2}}
        await context.io.aclose()
        await account.aclose()
