"""Storage accounts by connection name, and retries while they do not answer."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from azure.core.exceptions import AzureError, HttpResponseError
from azure.core.pipeline.transport import AioHttpTransport
from azure.storage.blob.aio import BlobServiceClient
from azure.storage.queue.aio import QueueServiceClient

from local.azurite import connection_string
from local.host.errors import ConfigurationError
from local.host.waiting import Backoff

log = logging.getLogger(__name__)

DEFAULT_CONNECTION = "AzureWebJobsStorage"
_DEVELOPMENT_STORAGE = connection_string((10000, 10001, 10002))
_LONGEST_RETRY_SECONDS = 5.0

# The SDK must not retry. The host does: it knows which call may be repeated, and for how long.
_RETRIES: dict[str, Any] = {"retry_total": 0}


class Accounts:
    """The clients of the connections that bindings name. The first form that is set wins:

    - setting: ConnectionStrings__AzureWebJobs<name>, AzureWebJobs<name>, ConnectionStrings__<name>, <name>
      (azure-sdk-for-net, Microsoft.Azure.WebJobs.Extensions.Clients, WebJobsConfigurationExtensions.cs);
    - value: a connection string (or UseDevelopmentStorage=true), __accountName, __queueServiceUri and
      __blobServiceUri (StorageClientProvider.cs), the last three with an identity (__clientId).
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._queues: dict[str, QueueServiceClient] = {}
        self._blobs: BlobServiceClient | None = None
        self._open = contextlib.AsyncExitStack()

    def queues(self, connection: str) -> QueueServiceClient:
        """Return a connection's queue service. Raises ConfigurationError if no app setting describes it."""
        name = connection or DEFAULT_CONNECTION
        if name not in self._queues:
            self._queues[name] = self._client(QueueServiceClient, name, "queue")
        return self._queues[name]

    def blobs(self) -> BlobServiceClient:
        """Return the blob service of AzureWebJobsStorage, where the host keeps its timers' state."""
        if self._blobs is None:
            self._blobs = self._client(BlobServiceClient, DEFAULT_CONNECTION, "blob")
        return self._blobs

    def _client[T: (QueueServiceClient, BlobServiceClient)](
        self, service: type[T], name: str, kind: str
    ) -> T:
        client = self._described(service, name, kind)
        self._open.push_async_callback(client.close)
        return client

    def _described[T: (QueueServiceClient, BlobServiceClient)](
        self, service: type[T], name: str, kind: str
    ) -> T:
        found = self._found(name)
        if text := self._environ.get(found):
            text = _DEVELOPMENT_STORAGE if text == "UseDevelopmentStorage=true" else text
            try:
                return service.from_connection_string(text, transport=_transport(), **_RETRIES)
            except ValueError:
                raise ConfigurationError(f"app setting {found} is not a storage connection string") from None
        address = self._environ.get(f"{found}__{kind}ServiceUri", "")
        if account := self._environ.get(f"{found}__accountName"):
            address = f"https://{account}.{kind}.core.windows.net"
        if not address:
            raise ConfigurationError(
                f"no storage connection: set {name}, {name}__accountName or {name}__{kind}ServiceUri"
            )
        from azure.identity.aio import DefaultAzureCredential  # slow to load, and seldom needed here

        credential = DefaultAzureCredential(
            managed_identity_client_id=self._environ.get(f"{found}__clientId")
        )
        self._open.push_async_callback(credential.close)
        return service(address, credential=credential, transport=_transport(), **_RETRIES)

    def _found(self, name: str) -> str:
        """Return the name of the settings that describe the connection. An empty setting does not count."""
        forms = (
            f"ConnectionStrings__AzureWebJobs{name}",
            f"AzureWebJobs{name}",
            f"ConnectionStrings__{name}",
        )
        described = {setting for setting, value in self._environ.items() if value}
        for form in forms:
            if form in described or any(setting.startswith(f"{form}__") for setting in described):
                return form
        return name

    async def close(self) -> None:
        await self._open.aclose()


class Outage:
    """Holds whether storage fails at present. Logs once when an outage begins and once when it is over."""

    def __init__(self, **fields: str) -> None:
        self._fields = fields
        self._lasting = False

    def failed(self, error: AzureError) -> None:
        if not self._lasting:
            log.warning("storage fails, trying again", extra={**self._fields, "error": cause(error)})
        self._lasting = True

    def over(self) -> None:
        if self._lasting:
            log.warning("storage answers again", extra=self._fields)
        self._lasting = False

    async def outlast[T](self, call: Callable[[], Awaitable[T]], *, patience: float) -> T:
        """Return the answer to `call`, repeated for `patience` seconds while storage is down.

        Raises the last AzureError after that time, or at once if storage refuses the call.
        """
        backoff = Backoff(_LONGEST_RETRY_SECONDS)
        deadline = asyncio.get_running_loop().time() + patience
        while True:
            try:
                answer = await call()
            except AzureError as error:
                if _is_refusal(error) or asyncio.get_running_loop().time() > deadline:
                    raise
                self.failed(error)
            else:
                self.over()
                return answer
            await asyncio.sleep(backoff.next_delay())


def cause(error: AzureError) -> str:
    """Return storage's name of the error, without addresses or bodies."""
    code = getattr(error, "error_code", None)
    return str(getattr(code, "value", code) or type(error).__name__)


def _is_refusal(error: AzureError) -> bool:
    status = error.status_code if isinstance(error, HttpResponseError) else None
    return status is not None and 400 <= status < 500 and status not in (408, 429)


def _transport() -> AioHttpTransport:
    # Without this, the SDK looks for proxies and a .netrc at every call: a third of the call's cost.
    return AioHttpTransport(connection_timeout=5, read_timeout=30, use_env_settings=False)
