"""A lease on a blob: one host of a storage account has it, and the others wait."""

import asyncio
import contextlib

from azure.core.exceptions import AzureError, HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.storage.blob.aio import BlobClient, BlobLeaseClient, ContainerClient

from local.host.storage import Outage, cause


class BlobLease:
    """A lease of `seconds` (storage allows 15-60) on the blob `name`. `keep` renews it until it is lost."""

    def __init__(self, container: ContainerClient, name: str, seconds: int, outage: Outage) -> None:
        self._container = container
        self._blob: BlobClient = container.get_blob_client(name)
        self._seconds = seconds
        self._outage = outage
        self._lease = BlobLeaseClient(self._blob)
        self._valid_until = 0.0

    async def acquire(self) -> bool:
        """Try to take the lease. Return False if another host has it. Raises AzureError."""
        try:
            return await self._acquire()
        except ResourceNotFoundError:
            await self._create_blob()
            return await self._acquire()

    async def _acquire(self) -> bool:
        asked = asyncio.get_running_loop().time()
        self._lease = BlobLeaseClient(self._blob)
        try:
            await self._lease.acquire(lease_duration=self._seconds)
        except HttpResponseError as error:
            if cause(error) != "LeaseAlreadyPresent":
                raise
            return False
        self._valid_until = asked + self._seconds
        return True

    async def keep(self) -> None:
        """Renew the lease. Return when it is lost: another host took it, or it expired during an outage."""
        loop = asyncio.get_running_loop()
        wait = self._seconds / 3
        while True:
            await asyncio.sleep(min(wait, self._valid_until - loop.time()))
            asked = loop.time()
            if asked >= self._valid_until:
                return
            try:
                async with asyncio.timeout_at(self._valid_until):
                    await self._lease.renew()
            except TimeoutError:
                return
            except AzureError as error:
                if isinstance(error, HttpResponseError) and error.status_code in (404, 409):
                    return
                self._outage.failed(error)
                wait = self._seconds / 15
            else:
                self._outage.over()
                self._valid_until = asked + self._seconds
                wait = self._seconds / 3

    async def release(self) -> None:
        """Release the lease at once. If storage does not answer, the lease expires by itself."""
        with contextlib.suppress(AzureError):
            await self._lease.release()

    async def _create_blob(self) -> None:
        with contextlib.suppress(ResourceExistsError):
            await self._container.create_container()
        with contextlib.suppress(ResourceExistsError):
            await self._blob.upload_blob(b"")
