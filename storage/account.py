"""Clients of the storage account, built from its connection string or from the app's own identity."""

from typing import Any

from azure.core.pipeline.transport import AioHttpTransport
from azure.data.tables.aio import TableServiceClient
from azure.storage.queue.aio import QueueServiceClient

from settings import Settings
from storage import identity
from storage.queues import Queues
from storage.table import Table

# The clients retry through an outage of a minute, so that a worker can still record the result of a POST.
PATIENT_TABLES: dict[str, Any] = {
    **dict.fromkeys(("retry_total", "retry_connect", "retry_read", "retry_status"), 7),
    "retry_backoff_factor": 1,
    "retry_backoff_max": 20,
}
PATIENT_QUEUES: dict[str, Any] = {
    **dict.fromkeys(("retry_total", "retry_connect", "retry_read", "retry_status"), 5),
    "initial_backoff": 1,
    "increment_base": 2,
}

# The defaults of the SDK's queue client. By default its table client waits for five minutes.
CONNECTION_SECONDS, READ_SECONDS = 20, 60


class StorageAccount:
    """Gives access to tables and queues. Connects at first use."""

    def __init__(self, settings: Settings) -> None:
        self._credential = None if settings.storage_connection else identity.credential(settings)
        queues = {**PATIENT_QUEUES, "transport": _transport()}
        tables = {**PATIENT_TABLES, "transport": _transport()}
        if settings.storage_connection:
            connection = settings.storage_connection.get_secret_value()
            self._queues = QueueServiceClient.from_connection_string(connection, **queues)
            self._tables = TableServiceClient.from_connection_string(connection, **tables)
        else:
            self._queues = QueueServiceClient(
                settings.storage_address("queue"), credential=self._credential, **queues
            )
            self._tables = TableServiceClient(
                endpoint=settings.storage_address("table"), credential=self._credential, **tables
            )

    def queues(self) -> Queues:
        """Return the client of all queues."""
        return Queues(self._queues)

    def table(self, name: str) -> Table:
        """Return one table."""
        return Table(self._tables.get_table_client(name))

    async def aclose(self) -> None:
        """Close the connections."""
        await self._queues.close()
        await self._tables.close()
        if self._credential:
            await self._credential.close()


def _transport() -> AioHttpTransport:
    # By default the SDK looks for proxies and a .netrc at every call: a third of the cost of the call.
    return AioHttpTransport(
        connection_timeout=CONNECTION_SECONDS, read_timeout=READ_SECONDS, use_env_settings=False
    )
