"""Made-up requests."""

import base64
import json
from typing import Any

MARKDOWN = "Questo messaggio di prova dice che la tua pratica è stata chiusa e che non devi fare nient'altro."


def fiscal_code(number: int) -> str:
    """One of a thousand sample codes, 0 to 999."""
    return f"RSSMRA80A01H{number:03d}U"


def request(request_id: str, person: str, **fields: Any) -> dict[str, Any]:
    """A request for `person` (a fiscal code); a partial `content` is completed."""
    content = {"subject": f"Pratica {request_id}", "markdown": MARKDOWN} | fields.pop("content", {})
    return {"request_id": request_id, "fiscal_code": person, "content": content} | fields


def payment(cents: int = 1250) -> dict[str, Any]:
    """A pagoPA notice."""
    return {"amount": cents, "notice_number": "301000000000000123", "invalid_after_due_date": False}


def as_text(request: dict[str, Any]) -> str:
    """The body that the upstream system puts on the queue."""
    return json.dumps(request, ensure_ascii=False)


def base64_text(body: str) -> str:
    """The body in base64, as many queue bindings write it by default."""
    return base64.b64encode(body.encode()).decode()
