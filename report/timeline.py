"""The timeline of one request, from the ledger and the parked messages, without personal data."""

from datetime import datetime
from typing import Any, Final

from report.meanings import FACTS, LEVELS, PAYMENTS, READINGS, REASONS, STATES, STATUSES, named, why
from storage.ledger import Entry
from storage.parked import ParkedMessage
from storage.remote_contents import KeptContent

FROM_LEDGER = (
    *("state", "service", "campaign", "in_reply_to", "feature_level_type"),
    *("message_id", "status", "read_status", "payment_status", "settled_at"),
    *("attempt", "failures", "sequence", "next_at"),
    *("created_at", "updated_at", "expires_at", "due_date", "history"),
)
FROM_REMOTE_CONTENT = ("version", "since", "attachments", "undeclared")
FROM_PARKED = ("parked_id", "queue", "reason", "violations", "times", "first_at", "last_at")

LABELS: Final = {
    "service": "servizio",
    "campaign": "campagna",
    "in_reply_to": "sollecito di",
    "feature_level_type": "tipo",
    "message_id": "message_id",
    "status": "stato su IO",
    "read_status": "lettura",
    "payment_status": "pagamento",
    "settled_at": "pagata per il creditore",
    "attempt": "invii tentati",
    "failures": "errori uno dopo l'altro",
    "next_at": "prossimo tentativo",
    "created_at": "arrivata",
    "updated_at": "ultima novità",
    "expires_at": "da inviare prima di",
    "due_date": "scadenza",
}
_MEANINGS: Final = {
    "feature_level_type": LEVELS,
    "status": STATUSES,
    "read_status": READINGS,
    "payment_status": PAYMENTS,
}
HISTORY: Final = ("quando", "che cosa", "perché", "risposta di IO", "volte", "sollecito")


def timeline(
    request_id: str, entry: Entry | None, parked: list[ParkedMessage], kept: KeptContent | None = None
) -> dict[str, Any]:
    """Return the timeline of a request. The ledger or the parked messages must know the request.

    `parked` is the newest parked message; `parked_ids` names all. `remote_content` describes the version that
    IO fetches now.
    """
    by_age = sorted(parked, key=lambda message: message.last_at)
    known = {name: getattr(entry, name) for name in FROM_LEDGER} if entry else _never_entered(by_age)
    return {
        "request_id": request_id,
        **known,
        "remote_content": {name: getattr(kept, name) for name in FROM_REMOTE_CONTENT} if kept else None,
        "parked": _parked(by_age[-1]) if by_age else None,
        "parked_ids": [message.parked_id for message in by_age],
    }


def state_in_words(state: str) -> str | None:
    """Return the meaning of the state of a timeline, with the state's word beside it."""
    meanings = STATES if state in STATES else {reason.upper(): meaning for reason, meaning in REASONS.items()}
    return named(meanings, state)


def facts(document: dict[str, Any]) -> dict[str, Any]:
    """Return what there is to say of a request: without counts of zero, words with their meaning."""
    there = {name: document[name] or None for name in LABELS}
    return there | {name: named(meanings, there[name]) for name, meanings in _MEANINGS.items()}


def line(step: dict[str, Any]) -> tuple[object, ...]:
    """Return a line of the history in the columns of HISTORY."""
    at = step["at"] if isinstance(step["at"], datetime) else datetime.fromisoformat(step["at"])
    what, answer = step["what"], step.get("http_status")
    return (
        *(at, named({**STATES, **FACTS}, what), why(what, step.get("reason"))),
        *(answer and f"HTTP {answer}", step.get("times"), step.get("reminder")),
    )


def _never_entered(by_age: list[ParkedMessage]) -> dict[str, Any]:
    newest = by_age[-1]
    return dict.fromkeys(FROM_LEDGER) | {
        "state": newest.reason.upper(),
        "service": newest.service,
        "campaign": newest.campaign,
        "created_at": min(message.first_at for message in by_age),
        "updated_at": newest.last_at,
        "history": [
            {"at": message.last_at, "what": "PARKED", "reason": message.reason, "times": message.times}
            for message in by_age
        ],
    }


def _parked(message: ParkedMessage) -> dict[str, Any]:
    violations = [violation.model_dump() for violation in message.violations]
    return {name: getattr(message, name) for name in FROM_PARKED} | {"violations": violations}
