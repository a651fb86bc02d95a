"""The handful of calls to Azure Table storage that Postino makes, without the SDK's pipeline.

Stands in for azure.data.tables.aio.TableClient, method by method, and raises the same exceptions of
azure-core. Every storage test runs against both. Source: Azure Table storage REST API, version 2019-02-02.
"""

import asyncio
import base64
import hashlib
import hmac
import json
import random
import re
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import formatdate, parsedate_to_datetime
from typing import Any, Final, Protocol, Self
from urllib.parse import quote, urlencode
from uuid import uuid4

import aiohttp
from azure.core.exceptions import (
    DeserializationError,
    HttpResponseError,
    ResourceExistsError,
    ResourceModifiedError,
    ResourceNotFoundError,
    ServiceRequestError,
)
from yarl import URL

VERSION: Final = "2019-02-02"
SCOPE: Final = "https://storage.azure.com/.default"
CONNECT_SECONDS, READ_SECONDS = 20.0, 60.0
# Sits out an outage of a minute, so that a worker can still record the result of a POST.
ATTEMPTS, FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 8, 1.0, 20.0
TRANSIENT: Final = frozenset({408, 429, 500, 502, 503, 504})
ERRORS: Final[Mapping[int, type[HttpResponseError]]] = {
    404: ResourceNotFoundError,
    409: ResourceExistsError,
    412: ResourceModifiedError,
}
# A part of the answer to a batch: only the first call that failed answers with an error.
_FAILED_PART: Final = re.compile(rb"HTTP/1\.1 ([45]\d\d)")
CONTINUATION: Final = ("NextPartitionKey", "NextRowKey")


class Credential(Protocol):
    """An identity's tokens (azure.core.credentials_async.AsyncTokenCredential)."""

    async def get_token(self, *scopes: str) -> Any: ...

    async def close(self) -> None: ...


@dataclass(frozen=True)
class Access:
    """The address of an account's tables, and one way to sign: a key, a signature (SAS) or an identity."""

    endpoint: str
    account: str = ""
    key: bytes = field(default=b"", repr=False)
    signature: str = field(default="", repr=False)
    credential: Credential | None = None

    @classmethod
    def of(cls, connection: str) -> Self:
        """Read a connection string (Configure Azure Storage connection strings)."""
        parts = dict(part.split("=", 1) for part in connection.split(";") if "=" in part)
        suffix = parts.get("EndpointSuffix", "core.windows.net")
        protocol, account = parts.get("DefaultEndpointsProtocol", "https"), parts.get("AccountName", "")
        return cls(
            endpoint=parts.get("TableEndpoint", f"{protocol}://{account}.table.{suffix}").rstrip("/"),
            account=account,
            key=base64.b64decode(parts.get("AccountKey", "")),
            signature=parts.get("SharedAccessSignature", "").lstrip("?"),
        )

    def url(self, path: str, query: Mapping[str, str]) -> URL:
        """Return the address of a call."""
        asked = [urlencode(query, quote_via=quote)] if query else []
        text = "&".join([*asked, self.signature] if self.signature else asked)
        return URL(f"{self.endpoint}/{path}" + (f"?{text}" if text else ""), encoded=True)

    async def headers(self, url: URL) -> dict[str, str]:
        """Return the headers that sign a call (SharedKeyLite: Authorize with Shared Key)."""
        now = formatdate(time.time(), usegmt=True)
        signed = {"x-ms-date": now, "x-ms-version": VERSION}
        if self.credential:
            token = await self.credential.get_token(SCOPE)
            return signed | {"Authorization": f"Bearer {token.token}"}
        if self.signature:
            return signed
        text = f"{now}\n/{self.account}{url.raw_path}".encode()
        made = base64.b64encode(hmac.new(self.key, text, hashlib.sha256).digest()).decode()
        return signed | {"Authorization": f"SharedKeyLite {self.account}:{made}"}


class TableService:
    """The tables of one account. Connects at first use."""

    def __init__(self, access: Access, *, attempts: int = ATTEMPTS) -> None:
        self._access = access
        self._attempts = attempts
        self._opened: aiohttp.ClientSession | None = None

    def get_table_client(self, name: str) -> "TableClient":
        """Return one table."""
        return TableClient(self, name)

    async def aclose(self) -> None:
        """Close the connections."""
        opened, self._opened = self._opened, None
        if opened:
            await opened.close()

    async def call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] = {},
        headers: Mapping[str, str] = {},
        entity: Mapping[str, Any] | None = None,
    ) -> tuple[Mapping[str, str], Any]:
        """Return the headers and the document of an answer. A transient failure is retried.

        Raises HttpResponseError or one of its kinds, and ServiceRequestError if no answer came.
        """
        body = None if entity is None else json.dumps(entity).encode()
        answered, document = await self._answer(method, self._access.url(path, query), headers, body)
        with _understood():
            return answered, json.loads(document) if document else None

    async def call_at_once(self, calls: Sequence[tuple[str, str, Mapping[str, Any]]]) -> None:
        """Make calls of method, path and entity: all of them, or none. Raises as `call` does.

        Source: Azure Table storage REST API, "Performing entity group transactions".
        """
        batch, changes = (f"{name}_{uuid4()}" for name in ("batch", "changeset"))
        headers = {"Content-Type": f"multipart/mixed; boundary={batch}"}
        parts = (f"--{changes}\r\n{self._part(*call)}" for call in calls)
        text = (
            f"--{batch}\r\nContent-Type: multipart/mixed; boundary={changes}\r\n\r\n"
            f"{''.join(parts)}--{changes}--\r\n--{batch}--\r\n"
        )
        _, document = await self._answer("POST", self._access.url("$batch", {}), headers, text.encode())
        if statuses := [int(found) for found in _FAILED_PART.findall(document)]:
            raise _error(statuses[0])

    def _part(self, method: str, path: str, entity: Mapping[str, Any]) -> str:
        return (
            "Content-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n"
            f"{method} {self._access.endpoint}/{path} HTTP/1.1\r\n"
            "Content-Type: application/json\r\nAccept: application/json;odata=minimalmetadata\r\n"
            f"DataServiceVersion: 3.0\r\n\r\n{json.dumps(entity)}\r\n"
        )

    async def _answer(
        self, method: str, url: URL, headers: Mapping[str, str], body: bytes | None
    ) -> tuple[Mapping[str, str], bytes]:
        for attempt in range(self._attempts):
            try:
                return await self._once(method, url, headers, body)
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                failure: Exception = ServiceRequestError(type(error).__name__)
            except HttpResponseError as error:
                if error.status_code not in TRANSIENT:
                    raise
                failure = error
            if attempt < self._attempts - 1:
                longest = min(LONGEST_WAIT_SECONDS, FIRST_WAIT_SECONDS * 2**attempt)
                await asyncio.sleep(longest * random.uniform(0.8, 1))
        raise failure

    async def _once(
        self, method: str, url: URL, headers: Mapping[str, str], body: bytes | None
    ) -> tuple[Mapping[str, str], bytes]:
        sent = {"Accept": "application/json;odata=minimalmetadata", "DataServiceVersion": "3.0"}
        if body is not None:
            sent["Content-Type"] = "application/json"
        sent |= {**headers, **await self._access.headers(url)}
        async with self._session().request(method, url, headers=sent, data=body) as answer:
            document = await answer.read()
            if answer.status >= 400:
                raise _error(answer.status)
            return answer.headers, document

    def _session(self) -> aiohttp.ClientSession:
        if self._opened is None:
            timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=READ_SECONDS)
            self._opened = aiohttp.ClientSession(timeout=timeout, cookie_jar=aiohttp.DummyCookieJar())
        return self._opened


class TableClient:
    """One table. The parameters are those of azure.data.tables.aio.TableClient."""

    def __init__(self, service: TableService, name: str) -> None:
        self._service = service
        self._name = name

    async def get_entity(self, partition_key: str, row_key: str) -> "Entity":
        """Return a row. Raises ResourceNotFoundError."""
        _, document = await self._service.call("GET", self._path(partition_key, row_key))
        with _understood():
            return Entity(document)

    async def create_entity(self, entity: Mapping[str, Any]) -> dict[str, Any]:
        """Insert a row. Raises ResourceExistsError, or ResourceNotFoundError if the table is missing."""
        prefer = {"Prefer": "return-no-content"}
        headers, _ = await self._service.call("POST", self._name, headers=prefer, entity=_encoded(entity))
        return _written(headers)

    async def update_entity(self, entity: Mapping[str, Any], *, etag: str) -> dict[str, Any]:
        """Replace a row that has this ETag. Raises ResourceModifiedError, ResourceNotFoundError."""
        return await self._write("PUT", entity, {"If-Match": etag})

    async def upsert_entity(self, entity: Mapping[str, Any]) -> dict[str, Any]:
        """Replace a row, whatever its ETag, or insert it. Raises ResourceNotFoundError."""
        return await self._write("PUT", entity)

    async def merge_entity(self, entity: Mapping[str, Any]) -> dict[str, Any]:
        """Write these columns of a row, whatever its ETag, or insert it. Raises ResourceNotFoundError."""
        return await self._write("PATCH", entity)

    async def upsert_entities(self, entities: Sequence[Mapping[str, Any]]) -> None:
        """Replace or insert up to 100 rows of one partition at once. Raises ResourceNotFoundError."""
        await self._service.call_at_once(
            [
                ("PUT", self._path(entity["PartitionKey"], entity["RowKey"]), _encoded(entity))
                for entity in entities
            ]
        )

    async def delete_entity(self, partition_key: str, row_key: str, *, etag: str = "*") -> None:
        """Delete a row, if it is there. Raises ResourceModifiedError if its ETag is another."""
        path = self._path(partition_key, row_key)
        try:
            await self._service.call("DELETE", path, headers={"If-Match": etag})
        except ResourceNotFoundError:
            return

    async def query_entities(
        self,
        query_filter: str,
        *,
        select: Sequence[str] | None = None,
        parameters: Mapping[str, str] = {},
    ) -> AsyncIterator["Entity"]:
        """Yield the rows that meet an OData filter, page by page; `@name` stands for a parameter."""
        query = {"$filter": _filled(query_filter, parameters)} if query_filter else {}
        if select:
            query["$select"] = ",".join(select)
        while True:
            headers, document = await self._service.call("GET", f"{self._name}()", query=query)
            with _understood():
                page = [Entity(entity) for entity in document["value"]]
            for entity in page:
                yield entity
            following = {
                name: headers[f"x-ms-continuation-{name}"]
                for name in CONTINUATION
                if headers.get(f"x-ms-continuation-{name}")
            }
            if not following:
                return
            query |= following

    async def create_table(self) -> None:
        """Create the table. Raises ResourceExistsError."""
        await self._service.call("POST", "Tables", entity={"TableName": self._name})

    async def _write(
        self, method: str, entity: Mapping[str, Any], headers: Mapping[str, str] = {}
    ) -> dict[str, Any]:
        path = self._path(entity["PartitionKey"], entity["RowKey"])
        answered, _ = await self._service.call(method, path, headers=headers, entity=_encoded(entity))
        return _written(answered)

    def _path(self, partition: str, key: str) -> str:
        return f"{self._name}(PartitionKey='{_key(partition)}',RowKey='{_key(key)}')"


class Entity(dict[str, Any]):
    """A row's columns as Python values; `metadata` has its ETag."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        types = {name: document.get(f"{name}@odata.type") for name in document}
        super().__init__(
            (name, DECODED.get(types[name], _same)(value))
            for name, value in document.items()
            if "odata." not in name and name != "Timestamp"
        )
        self.metadata = {"etag": document["odata.etag"]}
        self["PartitionKey"], self["RowKey"] = document["PartitionKey"], document["RowKey"]


def _error(status: int) -> HttpResponseError:
    error = ERRORS.get(status, HttpResponseError)(message=f"HTTP {status}")
    error.status_code = status
    return error


def _same(value: Any) -> Any:
    return value


DECODED: Final[Mapping[str | None, Any]] = {
    "Edm.DateTime": datetime.fromisoformat,
    "Edm.Binary": base64.b64decode,
    "Edm.Int64": int,
    "Edm.Double": float,
}


def _encoded(entity: Mapping[str, Any]) -> dict[str, Any]:
    """Return an entity as Table storage takes it: the type stands beside what JSON cannot tell."""
    document: dict[str, Any] = {}
    for name, value in entity.items():
        match value:
            case None:
                continue
            case datetime():
                document[f"{name}@odata.type"] = "Edm.DateTime"
                document[name] = (
                    value.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
                )
            case bytes():
                document[f"{name}@odata.type"] = "Edm.Binary"
                document[name] = base64.b64encode(value).decode()
            case float():
                document[f"{name}@odata.type"] = "Edm.Double"
                document[name] = value
            case str():  # a StrEnum is a str, and json writes it as one
                document[name] = str(value)
            case _:
                document[name] = value
    return document


def _written(headers: Mapping[str, str]) -> dict[str, Any]:
    with _understood():
        return {"etag": headers["ETag"], "date": parsedate_to_datetime(headers["Date"])}


@contextmanager
def _understood() -> Iterator[None]:
    """Raise DeserializationError if an answer is not one of Table storage's."""
    try:
        yield
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise DeserializationError(type(error).__name__) from None


def _filled(condition: str, parameters: Mapping[str, str]) -> str:
    quoted = {name: "'" + value.replace("'", "''") + "'" for name, value in parameters.items()}
    return re.sub(r"@(\w+)", lambda found: quoted[found[1]], condition)


def _key(text: str) -> str:
    return quote(text.replace("'", "''"), safe="")
