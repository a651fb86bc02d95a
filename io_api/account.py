"""The institution's account at IO: its services, each with its own key."""

from collections.abc import Collection, Mapping

from pydantic import SecretStr

from io_api.client import IoClient
from io_api.errors import Misconfigured
from io_api.models import MessageStatus, NewMessage, Profile


class IoAccount:
    """Makes each call with the key of the service it is made for; raises what IoClient raises."""

    def __init__(self, client: IoClient, keys: Mapping[str, SecretStr]) -> None:
        self._client = client
        self._keys = keys

    @property
    def services(self) -> Collection[str]:
        """The names of the configured services."""
        return self._keys.keys()

    async def get_profile(self, fiscal_code: str, *, service: str) -> Profile | None:
        """Whether the citizen can be contacted by this service; None: not on IO, or inbox off."""
        return await self._client.get_profile(fiscal_code, key=self._key(service))

    async def submit_message(self, message: NewMessage, *, service: str) -> str | None:
        """Send; returns IO's message id, None when it was accepted without a readable one."""
        return await self._client.submit_message(message, key=self._key(service))

    async def get_message(self, fiscal_code: str, message_id: str, *, service: str) -> MessageStatus:
        """What IO knows of a message of this service."""
        return await self._client.get_message(fiscal_code, message_id, key=self._key(service))

    def _key(self, service: str) -> SecretStr:
        try:
            return self._keys[service]
        except KeyError:
            raise Misconfigured(reason="service_not_configured") from None
