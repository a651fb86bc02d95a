"""Finds what a file says twice, in bounded memory: of each row three hashes of eight bytes are kept."""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import blake2b

from cli.campaign_file.columns import FISCAL_CODE, NOTICE_NUMBER, REQUEST_ID
from cli.campaign_file.findings import Finding
from cli.campaign_file.row_request import RowRequests, RowResult


@dataclass
class Repeats:
    """Remembers the rows so far."""

    requests: RowRequests
    _rows: dict[str, dict[int, int]] = field(
        default_factory=lambda: {
            code: {} for code in ("id-ripetuto", "avviso-ripetuto", "destinatario-ripetuto")
        }
    )
    _key: bytes = field(default_factory=lambda: secrets.token_bytes(16))

    def findings(self, result: RowResult) -> Iterator[Finding]:
        """Yield what this row repeats of an earlier one: the gravest alone, since it explains the others."""
        found = [finding for finding in self._all(result) if finding]
        yield from found[:1]

    def _all(self, result: RowResult) -> Iterator[Finding | None]:
        request = result.request
        notice = result.values.get(NOTICE_NUMBER.path)
        own_id = REQUEST_ID.path if REQUEST_ID.path in self.requests.columns.by_path else FISCAL_CODE.path
        yield self._seen("id-ripetuto", request and request.request_id, own_id, result)
        yield self._seen("avviso-ripetuto", notice, NOTICE_NUMBER.path, result)
        yield self._seen("destinatario-ripetuto", result.fiscal_code, FISCAL_CODE.path, result)

    def _seen(self, code: str, value: object, path: str, result: RowResult) -> Finding | None:
        if not value:
            return None
        hashed = int.from_bytes(blake2b(str(value).encode(), digest_size=8, key=self._key).digest())
        first = self._rows[code].setdefault(hashed, result.row.number)
        if first == result.row.number:
            return None
        return Finding.of(code, self.requests.place_of(path), result.row.number, first=first)
