"""A sample request, and the personal data of it that must not appear anywhere."""

import base64
import hashlib
import json
from collections.abc import Sequence
from typing import Any

from pydantic import SecretStr

from contract.request import MessageRequest, parse_request
from storage.cipher import Cipher

FISCAL_CODE = "RSSMRA80A01H501U"
SUBJECT = "Avviso per te dal Comune"
MARKDOWN = "Gentile cittadina, c'e' una scadenza che ti riguarda: leggi con calma. " * 2
NOTICE_NUMBER = "302000100000012345"
TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
BLOB = "tari/2026/avviso-000123.pdf"
PDF_A = b"%PDF-1.7\n<rdf:Description pdfaid:part='2' pdfaid:conformance='A'/>\n%%EOF\n"
PDF = b"%PDF-1.4\n1 0 obj\n<</Type/Catalog>>\nendobj\n%%EOF\n"
KEYS = tuple(SecretStr(base64.urlsafe_b64encode(bytes([number] * 32)).decode()) for number in (1, 2))
INDEX_KEY, FORMER_KEY = (bytes([number] * 32) for number in (8, 9))


def a_cipher(keys: Sequence[SecretStr] = KEYS, index_keys: Sequence[bytes] = (INDEX_KEY,)) -> Cipher:
    """A cipher that has read the index key of the account."""
    cipher = Cipher(keys)
    cipher.index_by(index_keys)
    return cipher


def a_body(**changes: Any) -> str:
    """A request as an upstream system writes it; a change to None leaves the field out."""
    fields: dict[str, Any] = {
        "request_id": "r-1",
        "fiscal_code": FISCAL_CODE,
        "content": {"subject": SUBJECT, "markdown": MARKDOWN},
        "campaign": "tari 2026",
        "traceparent": TRACEPARENT,
    }
    return json.dumps({name: value for name, value in (fields | changes).items() if value is not None})


def a_request(**changes: Any) -> MessageRequest:
    """The same request, parsed."""
    return parse_request(a_body(**changes))


def payment(**changes: Any) -> dict[str, Any]:
    """A content with a payment notice."""
    notice = {"amount": 12345, "notice_number": NOTICE_NUMBER, **changes}
    return {"subject": SUBJECT, "markdown": MARKDOWN, "payment_data": notice}


def remote_content(*blobs: str, **changes: Any) -> dict[str, Any]:
    """A remote content with a document for each name of a blob; a change to None leaves the field out."""
    attachments = [{"name": "Avviso TARI.pdf", "blob": blob} for blob in blobs]
    fields = {"subject": SUBJECT, "markdown": MARKDOWN, "attachments": attachments} | changes
    return {name: value for name, value in fields.items() if value is not None}


def personal_data_in(text: str) -> list[str]:
    """The personal data of the sample request that a text contains: plain, encoded, or as an unkeyed hash."""
    plain = {"fiscal code": FISCAL_CODE, "subject": SUBJECT, "markdown": MARKDOWN, "notice": NOTICE_NUMBER}
    return [
        f"{name} as {form}"
        for name, value in plain.items()
        for form, written in _forms(value).items()
        if written.casefold() in text.casefold()
    ]


def _forms(value: str) -> dict[str, str]:
    data = value.encode()
    return {
        "itself": value[:40],
        "base64": base64.b64encode(data).decode()[:20],
        "hex": data.hex()[:32],
        "SHA-256": hashlib.sha256(data).hexdigest(),
    }
