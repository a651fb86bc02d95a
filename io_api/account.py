"""The institution's account at IO: its services, each with its own key."""

from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import NamedTuple

from pydantic import SecretStr

from io_api.client import IoClient
from io_api.errors import Misconfigured
from io_api.models import MessageStatus, NewMessage, Profile


class Keys(NamedTuple):
    """The two keys of a service; IO takes either, so that one can be changed at a time."""

    primary: SecretStr
    secondary: SecretStr | None


class IoAccount:
    """Makes each call with a key of the service it is made for; raises what IoClient raises."""

    def __init__(self, client: IoClient, keys: Mapping[str, Keys]) -> None:
        self._client = client
        self._keys = keys

    @property
    def services(self) -> Collection[str]:
        """The names of the configured services."""
        return self._keys.keys()

    async def get_profile(self, fiscal_code: str, *, service: str) -> Profile | None:
        """Whether the citizen can be contacted by this service; None: not on IO, or inbox off."""
        return await self._call(service, lambda key: self._client.get_profile(fiscal_code, key=key))

    async def submit_message(self, message: NewMessage, *, service: str) -> str | None:
        """Send; returns IO's message id, None when it was accepted without a readable one."""
        return await self._call(service, lambda key: self._client.submit_message(message, key=key))

    async def get_message(self, fiscal_code: str, message_id: str, *, service: str) -> MessageStatus:
        """What IO knows of a message of this service."""
        return await self._call(
            service, lambda key: self._client.get_message(fiscal_code, message_id, key=key)
        )

    async def _call[Answer](self, service: str, call: Callable[[SecretStr], Awaitable[Answer]]) -> Answer:
        """A 401 proves that nothing was done, so the other key may be tried, once."""
        keys = self._keys.get(service)
        if keys is None:
            raise Misconfigured(reason="service_not_configured")
        try:
            return await call(keys.primary)
        except Misconfigured as error:
            if error.reason != "invalid_key" or keys.secondary is None:
                raise
        return await call(keys.secondary)
