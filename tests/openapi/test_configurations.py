"""What the client of the configurations sends and reads, against PagoPA's specification."""

import json
from typing import Any

import pytest
from pydantic import SecretStr

from io_api.configurations import (
    Authentication,
    Configurations,
    Environment,
    NewConfiguration,
    TestEnvironment,
)
from io_api.errors import Refused
from tests.openapi.specifications import SPECIFICATIONS
from tests.openapi.test_client import FISCAL_CODE, KEY, Io, check, io, load

__all__ = ["io"]

FILE = SPECIFICATIONS / "remote-content-configuration-external-2.0.11.yaml"
ID = "01HMRBX079WA5SGYBQP1A7FSKH"
OWN = Authentication(header_key_name="X-Api-Key", key=SecretStr("own-key-of-the-institution"))
NEW = NewConfiguration(
    name="Atti",
    description="Gli atti del Comune",
    has_precondition="ONCE",
    disable_lollipop_for=(FISCAL_CODE,),
    prod_environment=Environment(base_url="https://comune.example.it/api", details_authentication=OWN),
    test_environment=TestEnvironment(
        base_url="https://prova.example.it/api", details_authentication=OWN, test_users=(FISCAL_CODE,)
    ),
)
HELD = json.loads(NEW.body()) | {"configuration_id": ID, "user_id": "u"}


def operation(io: Io) -> dict[str, Any]:
    """The operation of the specification that the last request called."""
    document = load(FILE)
    path = io.request.path.removeprefix(document["basePath"]).replace(ID, "{configurationId}")
    assert io.request.headers["Ocp-Apim-Subscription-Key"] == KEY.get_secret_value()
    called: dict[str, Any] = document["paths"][path][io.request.method.lower()]
    return called


async def test_what_is_sent_is_as_specified(io: Io) -> None:
    """A new and a replaced configuration have the fields that the specification names, and no other."""
    configurations = Configurations(io.client, KEY)
    io.status, io.answer = 201, HELD
    created = await configurations.create(NEW)
    check(json.loads(io.body), operation(io)["parameters"][0]["schema"], load(FILE))
    assert created.configuration_id == ID

    io.status = 204
    await configurations.update(ID, created)
    check(json.loads(io.body), operation(io)["parameters"][0]["schema"], load(FILE))
    assert json.loads(io.body) == json.loads(NEW.body())


async def test_what_is_specified_is_read(io: Io) -> None:
    """A list and a single configuration in the shape of the specification are read whole."""
    configurations = Configurations(io.client, KEY)
    io.answer = HELD
    one = await configurations.get(ID)
    check(io.answer, operation(io)["responses"]["200"]["schema"], load(FILE))
    assert one.body() == NEW.body()

    io.answer = {"rcConfigList": [HELD]}
    assert await configurations.all() == (one,)
    check(io.answer, operation(io)["responses"]["200"]["schema"], load(FILE))


async def test_a_refusal_quotes_io_without_secrets(io: Io) -> None:
    """The words of a 400 are kept, and neither the key nor a fiscal code that they quote."""
    io.status = 400
    detail = f'value ["{OWN.key.get_secret_value()}"] at [root.key], value ["{FISCAL_CODE}"] at [root.users]'
    io.answer = {"title": "Invalid NewRCConfigurationPublic", "status": 400, "detail": detail}
    with pytest.raises(Refused) as refused:
        await Configurations(io.client, KEY).create(NEW)
    said = 'Invalid NewRCConfigurationPublic: value ["[key]"] at [root.key], value ["[fiscal code]"]'
    assert (refused.value.title or "").startswith(said)


def test_no_repr_shows_a_key_or_a_person() -> None:
    """The representation of a configuration has neither keys nor fiscal codes."""
    assert OWN.key.get_secret_value() not in repr(NEW)
    assert FISCAL_CODE not in repr(NEW)
