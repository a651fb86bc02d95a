"""Clients of the storage account, built from its connection string or from the app's own identity."""

from typing import Any

from azure.core.pipeline.transport import AioHttpTransport
from azure.storage.queue.aio import QueueServiceClient

from settings import Settings
from storage import identity
from storage.documents import Documents
from storage.queues import Queues
from storage.table import Table
from storage.table_service import Access, TableService

# The client retries through an outage of a minute, so that a worker can still record the result of a POST.
PATIENT_QUEUES: dict[str, Any] = {
    **dict.fromkeys(("retry_total", "retry_connect", "retry_read", "retry_status"), 5),
    "initial_backoff": 1,
    "increment_base": 2,
}

# Documents are read and passed on in pieces of this many bytes.
PIECE = 256 * 1024
# IO's backend waits ten seconds for an answer.
IMPATIENT_BLOBS: dict[str, Any] = {
    **dict.fromkeys(("retry_total", "retry_connect", "retry_read", "retry_status"), 1),
    "initial_backoff": 1,
    "max_single_get_size": PIECE,
    "max_chunk_get_size": PIECE,
    "max_single_put_size": 4 * PIECE,
    "max_block_size": 4 * PIECE,
}

# The defaults of the SDK's queue client. By default its table client waits for five minutes.
CONNECTION_SECONDS, READ_SECONDS = 20, 60


class StorageAccount:
    """Gives access to tables and queues. Connects at first use."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._blobs: Any = None
        self._credential = None if settings.storage_connection else identity.credential(settings)
        queues = {**PATIENT_QUEUES, "transport": _transport()}
        if settings.storage_connection:
            connection = settings.storage_connection.get_secret_value()
            self._queues = QueueServiceClient.from_connection_string(connection, **queues)
            self._tables = TableService(Access.of(connection))
        else:
            self._queues = QueueServiceClient(
                settings.storage_address("queue"), credential=self._credential, **queues
            )
            address = settings.storage_address("table").rstrip("/")
            self._tables = TableService(Access(address, credential=self._credential))

    def queues(self) -> Queues:
        """Return the client of all queues."""
        return Queues(self._queues)

    def table(self, name: str) -> Table:
        """Return one table."""
        return Table(self._tables.get_table_client(name))

    def documents(self) -> Documents:
        """Return the container of documents. Imports the SDK's blob client, which takes half a second."""
        from azure.storage.blob.aio import BlobServiceClient

        options = {**IMPATIENT_BLOBS, "transport": _transport()}
        if self._settings.storage_connection:
            connection = self._settings.storage_connection.get_secret_value()
            self._blobs = BlobServiceClient.from_connection_string(connection, **options)
        else:
            address = self._settings.storage_address("blob")
            self._blobs = BlobServiceClient(address, credential=self._credential, **options)
        return Documents(self._blobs)

    async def aclose(self) -> None:
        """Close the connections."""
        if self._blobs:
            await self._blobs.close()
        await self._queues.close()
        await self._tables.aclose()
        if self._credential:
            await self._credential.close()


def _transport() -> AioHttpTransport:
    # By default the SDK looks for proxies and a .netrc at every call: a third of the cost of the call.
    return AioHttpTransport(
        connection_timeout=CONNECTION_SECONDS, read_timeout=READ_SECONDS, use_env_settings=False
    )
