"""The input of every operation: a call that passed the gateway, and its first checks."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from local.io_simulator.answers import (
    FORBIDDEN,
    NO_SCOPES,
    RECIPIENT_FORBIDDEN,
    RefusedError,
    invalid_fiscal_code,
)
from local.io_simulator.fiscal_code import is_fiscal_code
from local.io_simulator.services import Group, Service


@dataclass(frozen=True, slots=True)
class Call:
    """A call with a valid key, within the rate limit. `path` holds the parts of its path by name.

    `manages`: the key is of the kind MANAGE, and no service's own.
    """

    service_id: str
    service: Service = field(repr=False)
    key: str = field(repr=False)
    source: str
    path: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    manages: bool = False

    def require_group(self, *groups: Group) -> None:
        """Refuse the call with 403 if the account is in none of the groups, or the key is no service's."""
        if self.manages:
            raise RefusedError(FORBIDDEN)
        if not self.service.groups:
            raise RefusedError(NO_SCOPES)
        if self.service.groups.isdisjoint(groups):
            raise RefusedError(FORBIDDEN)

    def require_manager(self, group: Group) -> None:
        """Refuse the call with 403 if its key is not of the kind MANAGE, or its account not in the group."""
        if not self.manages or group not in self.service.groups:
            raise RefusedError(FORBIDDEN)

    def require_source(self) -> None:
        """Refuse the call with 403 if the service does not accept its source address."""
        if not self.service.accepts_source(self.source):
            raise RefusedError(FORBIDDEN)

    def require_recipient(self, fiscal_code: str) -> None:
        """Refuse the call with 403 if its limited account may not reach the recipient."""
        limited = "ApiLimitedMessageWrite" in self.service.groups
        if limited and fiscal_code not in self.service.authorized_recipients:
            raise RefusedError(RECIPIENT_FORBIDDEN)

    def fiscal_code_in_path(self) -> str:
        """Return the fiscal code of the path, which must have one. Refuse a malformed one with 400."""
        fiscal_code = self.path["fiscal_code"]
        if not is_fiscal_code(fiscal_code):
            raise RefusedError(invalid_fiscal_code(fiscal_code))
        return fiscal_code
