"""Which key a call is made with."""

import pytest
from pydantic import SecretStr

from io_api.account import IoAccount, Keys
from io_api.client import IoClient
from io_api.errors import Misconfigured
from local.io_simulator import Configuration, Service, running_simulator

FISCAL_CODE = "RSSMRA80A01H501U"


async def test_secondary_key_serves_while_the_primary_is_wrong() -> None:
    """A 401 on the primary key is answered by one call with the secondary, without a restart."""
    configuration = Configuration(services={"default": Service(keys=["second"])})
    async with running_simulator(configuration) as simulator:
        client = IoClient(simulator.base_url)
        account = IoAccount(client, {"default": Keys(SecretStr("first"), SecretStr("second"))})
        profile = await account.get_profile(FISCAL_CODE, service="default")
        await client.aclose()
    assert profile is not None
    assert profile.sender_allowed


@pytest.mark.parametrize("secondary", [None, SecretStr("wrong too")])
async def test_wrong_keys_stop_the_service(secondary: SecretStr | None) -> None:
    """When no key of the service is valid the call surely had no effect and says so."""
    async with running_simulator() as simulator:
        client = IoClient(simulator.base_url)
        account = IoAccount(client, {"default": Keys(SecretStr("wrong"), secondary)})
        with pytest.raises(Misconfigured) as raised:
            await account.get_profile(FISCAL_CODE, service="default")
        await client.aclose()
    assert raised.value.reason == "invalid_key"


async def test_service_without_keys_is_misconfigured() -> None:
    """A service that is not configured any more makes its messages wait; no call is made."""
    account = IoAccount(IoClient("http://127.0.0.1:9"), {})
    with pytest.raises(Misconfigured) as raised:
        await account.get_profile(FISCAL_CODE, service="gone")
    assert raised.value.reason == "service_not_configured"
