"""The identity that the app shows to the storage account, at a local managed identity endpoint."""

import subprocess
import sys
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from settings import Settings
from storage import identity
from storage.account import StorageAccount
from tests.samples import KEYS

SCOPE = "https://storage.azure.com/.default"  # the same in all clouds
GUID, OTHER = "11111111-2222-3333-4444-555555555555", "99999999-2222-3333-4444-555555555555"
RESOURCE = "/subscriptions/1/resourceGroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/i"


def _settings(**identity: str) -> Settings:
    keys = ",".join(key.get_secret_value() for key in KEYS)
    account = {"AzureWebJobsStorage__accountName": "abc", "IO_API_KEY": "a", "ENCRYPTION_KEYS": keys}
    return Settings.model_validate(
        account | {f"AzureWebJobsStorage__{name}": value for name, value in identity.items()}
    )


@pytest.fixture
async def asked(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[list[dict[str, str]]]:
    """The queries that App Service's endpoint gets; every query is answered with a token."""
    asked: list[dict[str, str]] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(dict(request.query))
        token = {"access_token": "t", "expires_on": "9999999999", "token_type": "Bearer"}
        return web.json_response(token | {"resource": request.query["resource"]})

    app = web.Application()
    app.router.add_get("/msi/token", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    for name in ("AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET", "AZURE_TENANT_ID", "AZURE_TOKEN_CREDENTIALS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("IDENTITY_ENDPOINT", f"http://{host}:{port}/msi/token")
    monkeypatch.setenv("IDENTITY_HEADER", "h")
    yield asked
    await runner.cleanup()


@pytest.mark.parametrize(
    ("settings", "of"),
    [
        ({"credential": "managedidentity"}, {}),
        ({"credential": "managedidentity", "clientId": GUID}, {"client_id": GUID}),
        ({"credential": "managedidentity", "managedIdentityResourceId": RESOURCE}, {"mi_res_id": RESOURCE}),
        ({}, {}),
        ({"clientId": GUID}, {"client_id": GUID}),
        ({"tenantId": GUID}, {}),
    ],
)
async def test_token_is_for_storage_and_of_the_identity_that_is_set(
    asked: list[dict[str, str]], settings: dict[str, str], of: dict[str, str]
) -> None:
    """The endpoint is asked for storage once, for the system's identity or the configured one."""
    credential = identity.credential(_settings(**settings))
    assert (await credential.get_token(SCOPE)).token == "t"
    await credential.close()
    (query,) = asked
    assert query.pop("resource") == "https://storage.azure.com"
    assert {name: value for name, value in query.items() if name != "api-version"} == of


async def test_platform_wide_identity_holds_where_none_is_named(
    asked: list[dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """AZURE_CLIENT_ID names the identity, as it does for triggers, unless the settings name one."""
    monkeypatch.setenv("AZURE_CLIENT_ID", OTHER)
    for settings in (_settings(), _settings(clientId=GUID)):
        credential = identity.credential(settings)
        await credential.get_token(SCOPE)
        await credential.close()
    assert [query["client_id"] for query in asked] == [OTHER, GUID]


async def test_account_by_identity_asks_nobody_before_its_first_use(asked: list[dict[str, str]]) -> None:
    """An account that was opened and closed has asked for no token."""
    await StorageAccount(_settings()).aclose()
    assert asked == []


def test_connection_string_needs_no_identity_library() -> None:
    """A start with a connection string does not import azure.identity, which is slow."""
    code = (
        "import sys; from settings import Settings; from storage.account import StorageAccount; "
        f"StorageAccount(Settings(ENCRYPTION_KEYS={KEYS[0].get_secret_value()!r}, IO_API_KEY='a', "
        "AzureWebJobsStorage='UseDevelopmentStorage=true')); "
        "print([name for name in sys.modules if name.startswith('azure.identity')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
