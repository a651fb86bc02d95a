"""Azure's own table client in the shape of ours, so that each storage test runs against both."""

from collections.abc import AsyncIterator, Mapping, Sequence
from http.client import BadStatusLine
from typing import Any

from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.data.tables import TableEntity, TableTransactionError, UpdateMode
from azure.data.tables.aio import TableClient

from storage.table_service import TableClient as Ours


class SdkTableClient(Ours):
    """Passes each call on to the SDK."""

    def __init__(self, sdk: TableClient) -> None:
        self._sdk = sdk

    async def get_entity(self, partition_key: str, row_key: str) -> Any:
        return await self._sdk.get_entity(partition_key, row_key)

    async def create_entity(self, entity: Mapping[str, Any]) -> dict[str, Any]:
        return dict(await self._sdk.create_entity(dict(entity)))

    async def update_entity(self, entity: Mapping[str, Any], *, etag: str) -> dict[str, Any]:
        return dict(
            await self._sdk.update_entity(
                dict(entity),
                mode=UpdateMode.REPLACE,
                etag=etag,
                match_condition=MatchConditions.IfNotModified,
            )
        )

    async def upsert_entity(self, entity: Mapping[str, Any]) -> dict[str, Any]:
        return dict(await self._sdk.upsert_entity(dict(entity), mode=UpdateMode.REPLACE))

    async def merge_entity(self, entity: Mapping[str, Any]) -> dict[str, Any]:
        return dict(await self._sdk.upsert_entity(dict(entity), mode=UpdateMode.MERGE))

    async def upsert_entities(self, entities: Sequence[Mapping[str, Any]]) -> None:
        replace = {"mode": UpdateMode.REPLACE}
        try:
            await self._sdk.submit_transaction([("upsert", dict(entity), replace) for entity in entities])
        except TableTransactionError as error:
            if error.status_code == 404:
                raise ResourceNotFoundError(message=error.message) from None
            raise
        except BadStatusLine as error:  # the SDK cannot read how Azurite refuses a batch
            raise HttpResponseError(message=str(error)) from None

    async def delete_entity(self, partition_key: str, row_key: str, *, etag: str = "*") -> None:
        if etag == "*":
            await self._sdk.delete_entity(partition_key, row_key)
        else:
            condition = MatchConditions.IfNotModified
            await self._sdk.delete_entity(partition_key, row_key, etag=etag, match_condition=condition)

    async def query_entities(
        self,
        query_filter: str,
        *,
        select: Sequence[str] | None = None,
        parameters: Mapping[str, str] = {},
    ) -> AsyncIterator[Any]:
        found: AsyncIterator[TableEntity] = self._sdk.query_entities(
            query_filter, select=list(select) if select else None, parameters=dict(parameters)
        )
        async for entity in found:
            yield entity

    async def create_table(self) -> None:
        await self._sdk.create_table()
