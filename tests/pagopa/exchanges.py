"""What the simulated IO was sent and what it answered, against PagoPA's codecs."""

import json
from typing import Any

from tests.pagopa.codecs import check, decode

STRUCTURE = {"submit_message": "Invalid message structure", "get_profile": "Invalid FiscalCodePayload"}
"""The title of the 400 with which IO answers a body that its codec refuses."""


def check_exchange(line: str) -> None:
    """A line of the simulator's journal: it takes the bodies that IO takes, and answers in IO's words."""
    exchange = json.loads(line)
    if exchange["operation"].endswith(("configuration", "configurations", "subscriptions")):
        return  # no codec: tests/openapi checks these against the specification
    operation, answer = exchange["operation"], _json(exchange["answer"])
    if _json(exchange["body"]) is not None and _was_read(exchange["status"]):
        taken = _is_taken(operation, exchange["body"])
        refused = isinstance(answer, dict) and answer.get("title") == STRUCTURE[operation]
        assert taken is not refused, f"{operation}: PagoPA's codec and the simulator disagree"
    if answer:
        _check_answer(operation, exchange["status"], answer)


def _was_read(status: int | None) -> bool:
    """Whether the body came to be read: a key, the rate limit or a broken backend comes first."""
    return status is not None and status < 500 and status not in (401, 403, 429)


def _is_taken(operation: str, body: str) -> bool:
    if operation == "submit_message":
        return not decode("NewMessage", body).refused
    document = json.loads(body)
    return (
        isinstance(document, dict)
        and not decode("FiscalCode", json.dumps(document.get("fiscal_code"))).refused
    )


def _check_answer(operation: str, status: int, answer: dict[str, Any]) -> None:
    if "title" in answer:
        check("ProblemJson", answer)
    elif status == 201:
        check("Ulid", answer["id"])
    elif status == 200 and operation == "get_profile":
        check("LimitedProfile", answer)
    elif status == 200:
        content = "With" if answer["status"] == "PROCESSED" else "Without"
        check(f"ExternalMessageResponse{content}Content", answer)
    else:
        assert answer.keys() == {"statusCode", "message"}  # the gateway's, which has no codec


def _json(text: str | None) -> Any:
    try:
        return json.loads(text or "")
    except ValueError:
        return None
