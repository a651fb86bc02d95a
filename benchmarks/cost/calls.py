"""The HTTP calls of a process: recorded at aiohttp, through which both storage and IO are called."""

import base64
import hashlib
import hmac
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import formatdate
from typing import Any
from unittest.mock import patch
from urllib.parse import urlsplit

import aiohttp
from yarl import URL

SIGNED = ("Authorization", "Date", "x-ms-date")


@dataclass(frozen=True)
class Call:
    """One call as it left; the signature is made anew when it is repeated."""

    method: str
    url: str
    headers: dict[str, str]
    body: bytes

    @property
    def name(self) -> str:
        """The verb with the table, the queue or the route of IO."""
        parts = urlsplit(self.url)
        resource = parts.path.strip("/").split("/")
        if parts.path.startswith("/api/v1"):
            return f"IO {self.method} {resource[2]}"
        is_queue = resource[-1] == "messages"
        return f"{self.method} {resource[1].partition('(')[0]}{' queue' if is_queue else ''}"

    @property
    def is_storage(self) -> bool:
        """Whether the call goes to the storage account."""
        return not self.name.startswith("IO ")


@contextmanager
def recorded() -> Iterator[list[Call]]:
    """Record the calls that are made within the block."""
    calls: list[Call] = []
    request = aiohttp.ClientSession._request

    async def record(session: aiohttp.ClientSession, method: str, url: Any, **options: Any) -> Any:
        calls.append(Call(method, str(url), dict(options.get("headers") or {}), _bytes(options.get("data"))))
        return await request(session, method, url, **options)

    with patch.object(aiohttp.ClientSession, "_request", record):
        yield calls


def _bytes(data: Any) -> bytes:
    return data.encode() if isinstance(data, str) else bytes(data or b"")


class Floor:
    """Repeats recorded calls over bare aiohttp, each signed as Azure wants it (SharedKeyLite)."""

    def __init__(self, account: str, key: str) -> None:
        self._account = account
        self._key = base64.b64decode(key)

    async def repeat(self, session: aiohttp.ClientSession, calls: list[Call]) -> None:
        """Make the calls one after the other and read each answer."""
        for call in calls:
            headers = self._signed(call) if call.is_storage else call.headers
            url, body = URL(call.url, encoded=True), call.body or None
            async with session.request(call.method, url, headers=headers, data=body) as answer:
                await answer.read()
                assert answer.status not in (401, 403), call.name

    def _signed(self, call: Call) -> dict[str, str]:
        kept = {name: value for name, value in call.headers.items() if name not in SIGNED}
        kept["x-ms-date"] = formatdate(time.time(), usegmt=True)
        resource = f"/{self._account}{urlsplit(call.url).path}"
        text = f"{kept['x-ms-date']}\n{resource}"
        if call.name.endswith(" queue"):
            own = sorted(
                (name.lower(), value) for name, value in kept.items() if name.lower().startswith("x-ms-")
            )
            lines = "\n".join(f"{name}:{value}" for name, value in own)
            text = f"{call.method}\n\n{kept.get('Content-Type', '')}\n\n{lines}\n{resource}"
        signature = base64.b64encode(hmac.new(self._key, text.encode(), hashlib.sha256).digest()).decode()
        return kept | {"Authorization": f"SharedKeyLite {self._account}:{signature}"}
