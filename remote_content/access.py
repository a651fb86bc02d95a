"""Decides whether a caller may read a remote content. Every denial looks the same and takes the same work.

The key shows that the caller is IO. The fiscal code is the only authorisation of the citizen
(IO's guide, "OpenAPI Endpoint for Retrieving Remote Content").
"""

import hashlib
import hmac
import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Final

from pydantic import SecretStr

from contract.fiscal_code import FISCAL_CODE_PATTERN
from contract.remote_content import RemoteContent
from remote_content.denials import Denials
from storage.cipher import Undecipherable
from storage.readiness import Readiness
from storage.remote_contents import KeptContent, RemoteContents
from storage.table import Unanswered

log = logging.getLogger(__name__)

_FISCAL_CODE: Final = re.compile(FISCAL_CODE_PATTERN, re.ASCII)
_ID: Final = re.compile(r"[A-Za-z0-9_-]{43}")  # secrets.token_urlsafe(32), storage/ledger.py
_WITH_PORT: Final = re.compile(r"(?:\[(.+)\]|([^:]+))(?::\d+)?")
# Compared in place of a content that does not exist, so that this takes the same work.
_NOBODYS: Final = KeptContent("", "", recipient="0" * 64, since=datetime.min.replace(tzinfo=UTC))


class Denied(Exception):
    """The caller may not read this. The answer is `status`: 404, or 400 for a header that IO never sends."""

    def __init__(self, status: int) -> None:
        super().__init__(f"denied with {status}")
        self.status = status


class Unavailable(Exception):
    """Storage or the keyring prevents an answer now."""


@dataclass(frozen=True)
class Call:
    """What identifies a call: the id of its path, its headers, and the caller's address.

    A missing header is "". A header that came several times is joined by ", ", so that none of them is valid.
    """

    remote_content_id: str
    fiscal_code: str = field(repr=False)
    key: str = field(repr=False)
    caller: str = field(default="unknown", repr=False)


class Access:
    """Gives a remote content to the callers that may read it. Any of `keys` is valid."""

    def __init__(
        self, contents: RemoteContents, readiness: Readiness, keys: Sequence[SecretStr], denials: Denials
    ) -> None:
        self._contents = contents
        self._readiness = readiness
        self._keys = [_digest(key.get_secret_value()) for key in keys]
        self._denials = denials

    async def kept(self, call: Call) -> KeptContent:
        """Return the content that this caller may read. Raises Denied, Unavailable."""
        if not _FISCAL_CODE.fullmatch(call.fiscal_code):
            raise self._denied(call, "malformed", 400)
        if not _ID.fullmatch(call.remote_content_id):
            raise self._denied(call, "malformed")
        if not self._contents.can_tell and not await self._readiness.holds():
            raise Unavailable(Unavailable.__doc__)
        found = await self._found(call.remote_content_id)
        is_key = self._is_key(call.key)
        is_recipient = self._contents.is_for(found or _NOBODYS, call.fiscal_code)
        if found and is_key and is_recipient:
            return found
        # Without one of its keys, this process would take a recipient for somebody else.
        if not await self._readiness.holds():
            raise Unavailable(Unavailable.__doc__)
        raise self._denied(call, "id" if is_key and not found else "recipient" if is_key else "key")

    def opened(self, kept: KeptContent) -> RemoteContent:
        """Decrypt a content. Raises Unavailable."""
        try:
            return self._contents.content_of(kept)
        except Undecipherable:
            self._readiness.recheck()
            log.error("remote content not served: ENCRYPTION_KEYS lacks its key request=%s", kept.request_id)
            raise Unavailable(Unavailable.__doc__) from None

    def no_such_path(self, call: Call) -> Denied:
        """Return the denial of a path that Postino never gave to IO."""
        return self._denied(call, "malformed")

    async def _found(self, remote_content_id: str) -> KeptContent | None:
        try:
            return await self._contents.get(remote_content_id)
        except Unanswered as error:
            log.warning("remote content not served: storage gives no answer status=%s", error.status)
            raise Unavailable(Unavailable.__doc__) from None

    def _is_key(self, key: str) -> bool:
        """Return whether the key is valid. The time depends neither on the answer nor on lengths."""
        given = _digest(key)
        return sum(hmac.compare_digest(given, valid) for valid in self._keys) > 0

    def _denied(self, call: Call, cause: str, status: int = 404) -> Denied:
        self._denials.add(cause, call.caller)
        return Denied(status)


def caller_of(forwarded_for: str) -> str:
    """Return the caller's address from X-Forwarded-For, without its port.

    The last address is that of the platform's front end; a caller can write anything before it.
    """
    last = forwarded_for.rpartition(",")[2].strip()
    with_port = _WITH_PORT.fullmatch(last)
    try:
        return str(ip_address(with_port[1] or with_port[2] if with_port else last))
    except ValueError:
        return "unknown"


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()
