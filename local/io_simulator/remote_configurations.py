"""The configurations of remote contents that institutions have made, and the bodies that make them."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, Self

from pydantic import ValidationError

from local.io_simulator.answers import RefusedError, problem
from local.io_simulator.clock import SimulatedClock
from local.io_simulator.fiscal_code import FiscalCode
from local.io_simulator.new_message import NonEmpty, Payload, report
from local.io_simulator.ulid import new_ulid


class Authentication(Payload):
    header_key_name: NonEmpty
    key: NonEmpty
    type: NonEmpty


class Environment(Payload):
    base_url: NonEmpty
    details_authentication: Authentication


class TestEnvironment(Environment):
    __test__ = False  # no test of pytest

    test_users: list[FiscalCode]


class RemoteConfiguration(Payload):
    """The body of a configuration, new or replaced."""

    name: NonEmpty
    description: NonEmpty
    has_precondition: Literal["ALWAYS", "ONCE", "NEVER"]
    disable_lollipop_for: list[FiscalCode]
    is_lollipop_enabled: bool
    test_environment: TestEnvironment | None = None
    prod_environment: Environment | None = None

    @classmethod
    def decode(cls, document: Any) -> Self:
        """Validate a parsed body. Raises RefusedError with IO's 400."""
        try:
            return cls.model_validate(document)
        except ValidationError as invalid:
            raise RefusedError(problem(400, "Invalid NewRCConfigurationPublic", report(invalid))) from None

    def environment_of(self, fiscal_code: str) -> Environment | None:
        """Return where IO fetches a citizen's contents: test users have their own, if there is one."""
        test = self.test_environment
        if test and fiscal_code in test.test_users:
            return test
        return self.prod_environment or test

    def signs_for(self, fiscal_code: str) -> bool:
        """Return whether the calls for a citizen carry the headers of LolliPoP."""
        return self.is_lollipop_enabled and fiscal_code not in self.disable_lollipop_for


@dataclass(frozen=True, slots=True)
class Configured:
    """A configuration with its id, and the account that owns it."""

    configuration_id: str
    account: str
    content: RemoteConfiguration = field(repr=False)

    def document(self) -> dict[str, Any]:
        """Return the configuration as IO gives it back, key and test users included."""
        return {"configuration_id": self.configuration_id} | self.content.model_dump(exclude_none=True)


class RemoteConfigurations:
    """All configurations, by id. None is ever removed."""

    def __init__(self, clock: SimulatedClock) -> None:
        self._clock = clock
        self._by_id: dict[str, Configured] = {}

    def create(self, account: str, content: RemoteConfiguration) -> Configured:
        """Store a new configuration."""
        return self.put(Configured(new_ulid(self._clock.now()), account, content))

    def put(self, configured: Configured) -> Configured:
        """Add or replace a configuration."""
        self._by_id[configured.configuration_id] = configured
        return configured

    def find(self, configuration_id: str) -> Configured | None:
        """Return a configuration, or None."""
        return self._by_id.get(configuration_id)

    def of(self, account: str) -> Iterator[Configured]:
        """Yield the configurations of an account, in the order in which they were made."""
        return (one for one in self._by_id.values() if one.account == account)
