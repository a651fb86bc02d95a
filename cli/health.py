"""What `doctor` finds too many, too old or without a service: the number, the threshold and what to do."""

from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

import typer

from cli.connection import Stores, clock
from cli.printing import print_table
from storage.ledger import Pending, State
from storage.queues import WORKED_OFF
from storage.readiness import Fault

STUCK: Final = timedelta(days=1)
LATE: Final = timedelta(days=1)
OLD: Final = timedelta(hours=1)
SILENT: Final = timedelta(hours=1)
COLUMNS: Final = {"what": "che cosa", "number": "quanto", "threshold": "soglia", "advice": "che cosa fare"}
ADVICE: Final = {
    "in_doubt": "decidi: postino in-doubt list",
    "stuck": "chiedi all'assistenza di IO, con il message_id: postino show",
    "unknown_services": "rimetti il servizio in IO_SERVICES, o le sue richieste aspettano per sempre",
    "behind": "chiedi a IO un limite più alto, o distribuisci le campagne su più giorni",
    "oldest": "se non è una grande campagna, guarda che cosa è fermo qui sopra e se l'app gira",
    "timers": "guarda se l'app gira e se le sue funzioni si caricano",
}
FAULT_WORDS: Final = {
    "refused": "tabella che rifiuta l'accesso",
    "unanswered": "tabella che non risponde",
    "missing_key": "chiave che manca in ENCRYPTION_KEYS",
}
FAULT_ADVICE: Final = {
    "refused": "dai all'identità il ruolo Storage Table Data Contributor sullo storage account",
    "unanswered": "controlla lo storage account e la rete",
    "missing_key": "rimettila in fondo a ENCRYPTION_KEYS; se è persa per sempre: postino keys forget",
}
WORDS: Final = {
    "in_doubt": "richieste in dubbio",
    "stuck": "accettate e non consegnate",
    "unknown_services": "di servizi non configurati",
    "behind": "ritardo, giorni",
    "oldest": "attesa più lunga, minuti",
    "timers": "ultimo giro, minuti fa",
}


async def health(stores: Stores) -> list[dict[str, Any]]:
    """What needs somebody, as facts with `topic`, `of`, `number`, `threshold` and `advice`."""
    now = clock()
    pending = [one async for one in stores.ledger.pending()]
    indexes = {"check_status": stores.due_index, "remind": stores.reminder_index}
    behind = {name: await index.behind() for name, index in indexes.items()}
    runs = {name: await index.last_run() for name, index in indexes.items()}
    oldest = {queue: await stores.queues.oldest(queue) for queue in WORKED_OFF}
    return [
        *_pending(pending, set(stores.keys), now),
        *(_fact("behind", name, late / LATE, 1) for name, late in behind.items() if late > LATE),
        *_aged("oldest", oldest, OLD, now),
        *_aged("timers", runs, SILENT, now),
    ]


def fault_facts(faults: list[Fault]) -> list[dict[str, Any]]:
    """What keeps every process from work, and what to do."""
    return [{"kind": one.kind, "of": one.of, "advice": FAULT_ADVICE[one.kind]} for one in faults]


def print_faults(facts: list[dict[str, Any]]) -> None:
    """Print what keeps every process from work."""
    rows = ((FAULT_WORDS[fact["kind"]], fact["of"], fact["advice"]) for fact in facts)
    print_table(("ferma tutto", "quale", "che cosa fare"), rows)


def print_health(facts: list[dict[str, Any]]) -> None:
    """Print what needs somebody, or nothing."""
    if facts:
        rows = [{**fact, "what": f"{WORDS[fact['topic']]} {fact['of']}".strip()} for fact in facts]
        typer.echo()
        print_table(COLUMNS.values(), ([row[name] for name in COLUMNS] for row in rows))


def _pending(pending: list[Pending], services: set[str], now: datetime) -> list[dict[str, Any]]:
    in_doubt = sum(one.state is State.IN_DOUBT for one in pending)
    stuck = sum(one.state is State.ACCEPTED and now - one.updated_at > STUCK for one in pending)
    unknown = Counter(one.service for one in pending if one.service not in services)
    return [
        *([_fact("in_doubt", "", in_doubt, 0)] if in_doubt else []),
        *([_fact("stuck", "", stuck, STUCK)] if stuck else []),
        *(_fact("unknown_services", service, number, 0) for service, number in unknown.items()),
    ]


def _fact(topic: str, of: str, number: float, threshold: timedelta | int) -> dict[str, Any]:
    least = threshold.total_seconds() / 60 if isinstance(threshold, timedelta) else threshold
    return {"topic": topic, "of": of, "number": round(number, 1), "threshold": least, "advice": ADVICE[topic]}


def _aged(
    topic: str, times: Mapping[str, datetime | None], limit: timedelta, now: datetime
) -> list[dict[str, Any]]:
    ages = {name: now - at for name, at in times.items() if at}
    return [
        _fact(topic, name, age / timedelta(minutes=1), limit) for name, age in ages.items() if age > limit
    ]
