"""The configurations of remote contents at IO: where IO fetches them, and by which key of the institution.

IO takes these calls only with a key of the kind MANAGE, of an account in the group
ApiRemoteContentConfigurationWrite. An operator makes them by hand, so they wait for no permit of the budget.

Sources: IO's specification "IO Messages Sending - External - API" 2.0.11, pagopa/io-messages apps/rc-func.
"""

import json
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_serializer

from io_api.answers import CONFIGURATIONS, Answer, error_in
from io_api.client import Call, IoClient, read
from io_api.errors import InDoubt, IoError, Refused, Unavailable, masked

ROUTE = "messages-sending/remote-contents/configurations"
ONE = f"{ROUTE}/{{configuration_id}}"
API_KEY = "API-KEY"


class _Words(BaseModel):
    """A part of a configuration. A field that the specification does not name is dropped, as IO drops it."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


class Authentication(_Words):
    """The header in which IO sends the institution's key."""

    header_key_name: str
    key: SecretStr
    type: str = API_KEY

    @field_serializer("key", when_used="json")
    def _in_clear(self, key: SecretStr) -> str:
        return key.get_secret_value()


class Environment(_Words):
    """An address of the institution: IO adds /messages/{id} to it."""

    base_url: str
    details_authentication: Authentication


class TestEnvironment(Environment):
    """The environment that IO asks for the messages to these citizens, by fiscal code."""

    __test__ = False  # no test of pytest

    test_users: tuple[str, ...] = Field(default=(), repr=False)


class NewConfiguration(_Words):
    """The body of a POST or PUT. A PUT replaces everything.

    has_precondition: for messages that do not say it themselves. disable_lollipop_for: fiscal codes.
    """

    name: str
    description: str
    has_precondition: str
    disable_lollipop_for: tuple[str, ...] = Field(default=(), repr=False)
    is_lollipop_enabled: bool = False
    test_environment: TestEnvironment | None = None
    prod_environment: Environment | None = None

    def body(self) -> bytes:
        """Return JSON in UTF-8, with the keys, as IO takes it."""
        return self.model_dump_json(exclude_none=True, include={*NewConfiguration.model_fields}).encode()

    @property
    def environments(self) -> tuple[Environment, ...]:
        """The environments that there are."""
        return tuple(one for one in (self.prod_environment, self.test_environment) if one)


class Configuration(NewConfiguration):
    """A configuration that IO holds."""

    configuration_id: str

    def replaced_by(self, new: NewConfiguration) -> Self:
        """Return the configuration as IO will hold it after the PUT of `new`."""
        return self.model_copy(update={name: getattr(new, name) for name in NewConfiguration.model_fields})


class _Listed(_Words):
    configurations: tuple[Configuration, ...] = Field(validation_alias="rcConfigList", default=())


class Configurations:
    """Lists, makes and replaces configurations. IO has no call that removes one.

    Every call raises NotSent, or Refused if IO does not accept it as it is: the title is then what IO says,
    without keys and fiscal codes.
    """

    def __init__(self, client: IoClient, key: SecretStr) -> None:
        self._client = client
        self._key = key

    async def all(self) -> tuple[Configuration, ...]:
        """Return every configuration of the institution's account. Raises Unavailable too."""
        answer = await self._client.make(Call("GET", ROUTE), self._key)
        if answer.status != 200:
            raise error_in(answer, CONFIGURATIONS, Unavailable)
        return read(answer, _Listed, Unavailable).configurations

    async def get(self, configuration_id: str) -> Configuration:
        """Return one configuration. Raises Unavailable too."""
        answer = await self._client.make(_call("GET", configuration_id), self._key)
        if answer.status != 200:
            raise error_in(answer, CONFIGURATIONS, Unavailable)
        return read(answer, Configuration, Unavailable)

    async def create(self, new: NewConfiguration) -> Configuration:
        """Make a configuration, and return it with its id.

        Raises InDoubt too: IO may have made it, so list the configurations before a second call.
        """
        answer = await self._client.make(Call("POST", ROUTE, new.body(), unproven=InDoubt), self._key)
        if answer.status != 201:
            raise _refusal(answer, new, InDoubt)
        return read(answer, Configuration, InDoubt)

    async def update(self, configuration_id: str, new: NewConfiguration) -> None:
        """Replace a configuration, also where IO keeps it in a cache (for 8 hours). Idempotent.

        Raises Unavailable too: IO may have replaced it; repeat the call.
        """
        answer = await self._client.make(_call("PUT", configuration_id, new.body()), self._key)
        if answer.status != 204:
            raise _refusal(answer, new, Unavailable)


def _call(method: str, configuration_id: str, body: bytes | None = None) -> Call:
    return Call(method, ONE, body, ids={"configuration_id": configuration_id})


def _refusal(answer: Answer, new: NewConfiguration, otherwise: type[IoError]) -> IoError:
    """Return the error of an answer. A refusal's title has IO's detail, without the secrets in it."""
    error = error_in(answer, CONFIGURATIONS, otherwise)
    if isinstance(error, Refused) and answer.problem.detail:
        said = f"{answer.problem.title}: {answer.problem.detail}"
        for environment in new.environments:
            key = environment.details_authentication.key.get_secret_value()
            said = said.replace(key, "[key]").replace(json.dumps(key)[1:-1], "[key]")
        error.title = masked(said)
    return error
