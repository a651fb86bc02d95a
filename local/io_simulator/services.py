"""IO services: their keys, permissions and accounts."""

from collections.abc import Mapping, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Annotated, Literal, NamedTuple

from pydantic import Field

from local.io_simulator.fiscal_code import FiscalCode
from local.io_simulator.script import Script, ScriptError

Group = Literal[
    "ApiLimitedMessageWrite",
    "ApiLimitedProfileRead",
    "ApiMessageRead",
    "ApiMessageReadAdvanced",
    "ApiMessageWrite",
    "ApiMessageWriteAdvanced",
    "ApiMessageWriteEUCovidCert",
    "ApiMessageWriteWithPayee",
    "ApiRemoteContentConfigurationWrite",
    "ApiSubscriptionsFeedRead",
    "ApiThirdPartyMessageWrite",
]

PREMIUM_GROUPS: frozenset[Group] = frozenset(
    {
        "ApiLimitedProfileRead",
        "ApiMessageRead",
        "ApiMessageReadAdvanced",
        "ApiMessageWrite",
        "ApiMessageWriteAdvanced",
        "ApiRemoteContentConfigurationWrite",
        "ApiThirdPartyMessageWrite",
    }
)

CONFIGURATION_ID = "01J0000000P0ST1N0REM0TE000"


class Service(Script):
    """A service as its institution registered it.

    `max_allowed_payment_amount` is in cents; IO's own default is 0, which refuses every payment.
    `manage_keys` are the account's keys of the kind MANAGE.
    """

    keys: Annotated[tuple[str, ...], Field(repr=False)]
    manage_keys: Annotated[tuple[str, ...], Field(repr=False)] = ()
    account: str = "institution"
    groups: frozenset[Group] = PREMIUM_GROUPS
    authorized_recipients: Annotated[frozenset[FiscalCode], Field(repr=False)] = frozenset()
    authorized_cidrs: tuple[IPv4Network | IPv6Network, ...] = ()
    max_allowed_payment_amount: int = 1_000_000
    organization_fiscal_code: str = "00000000000"
    configuration_ids: frozenset[str] = frozenset({CONFIGURATION_ID})

    def accepts_source(self, address: str) -> bool:
        """Return whether calls may come from the address. An empty list allows any address."""
        source = ip_address(address)
        return not self.authorized_cidrs or any(source in network for network in self.authorized_cidrs)


class Subscription(NamedTuple):
    """What a key opens: its service, and whether it is of the kind MANAGE."""

    service_id: str
    service: Service
    manages: bool


class Services:
    """The services that the gateway knows, found by key."""

    def __init__(self, services: Mapping[str, Service]) -> None:
        self._services: dict[str, Service] = {}
        self._by_key: dict[str, str] = {}
        self.put(services)

    def put(self, services: Mapping[str, Service]) -> None:
        """Add or replace services. Raises ScriptError if two services would share a key."""
        together = self._services | dict(services)
        by_key: dict[str, str] = {}
        for service_id, service in together.items():
            for key in (*service.keys, *service.manage_keys):
                if by_key.setdefault(key, service_id) != service_id:
                    raise ScriptError(
                        f"{by_key[key]} and {service_id} have a key in common: give each its own"
                    )
        self._services, self._by_key = together, by_key

    def set_keys(self, keys: Mapping[str, Sequence[str]]) -> None:
        """Make these the only valid keys of each named service. Raises ScriptError if one is unknown."""
        unknown = [service_id for service_id in keys if service_id not in self._services]
        if unknown:
            raise ScriptError(f"unknown service {unknown[0]}: POST /simulator/services first")
        self.put(
            {
                service_id: self._services[service_id].model_copy(update={"keys": tuple(valid)})
                for service_id, valid in keys.items()
            }
        )

    def by_key(self, key: str) -> Subscription | None:
        """Return what a key opens; None if no service has the key."""
        service_id = self._by_key.get(key)
        if service_id is None:
            return None
        service = self._services[service_id]
        return Subscription(service_id, service, manages=key in service.manage_keys)

    def accounts_with_configuration(self, configuration_id: str) -> set[str]:
        """Return the accounts that own a remote content configuration; none if it does not exist."""
        return {
            service.account
            for service in self._services.values()
            if configuration_id in service.configuration_ids
        }
