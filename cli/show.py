"""`postino show`: everything that Postino knows of one request."""

from datetime import datetime
from typing import Annotated, Any

import typer

from cli.connection import Operator, ask
from cli.italian import counted
from cli.meanings import FACTS, LEVELS, PAYMENTS, QUEUES, READINGS, REASONS, STATES, STATUSES, named, why
from cli.printing import NOT_FOUND, AsJson, checked, fail, print_facts, print_json, print_table, shown
from cli.rules_it import in_italian
from cli.timeline import timeline
from contract.fields import RequestId
from storage.ledger import Entry
from storage.parked import ParkedMessage
from storage.remote_contents import KeptContent

LABELS = {
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
MEANINGS = {
    "feature_level_type": LEVELS,
    "status": STATUSES,
    "read_status": READINGS,
    "payment_status": PAYMENTS,
}
HISTORY = ("quando", "che cosa", "perché", "risposta di IO", "volte", "sollecito")
RULE = "sono da 1 a 128 caratteri tra A-Z a-z 0-9 . _ : - e nessun codice fiscale"


def show(
    request_id: Annotated[
        str,
        typer.Argument(
            metavar="REQUEST_ID", callback=checked(RequestId, RULE), help="La chiave scelta da chi invia."
        ),
    ],
    as_json: AsJson = False,
) -> None:
    """Mostra tutto ciò che si sa di una richiesta, mai il codice fiscale né il testo.

    Per esempio: postino show TARI-2026-000123
    """

    async def find(stores: Operator) -> tuple[Entry | None, list[ParkedMessage], KeptContent | None]:
        found = [one for one in await stores.parked.find(request_id) if one.request_id == request_id]
        entry = await stores.ledger.get(request_id)
        fetched = entry.remote_content_id if entry else None
        return entry, found, await stores.remote_contents.get(fetched) if fetched else None

    entry, parked, kept = ask(find)
    if entry is None and not parked:
        fail(
            NOT_FOUND,
            f"Nessuna richiesta con request_id {request_id}: controlla maiuscole e minuscole, "
            "o se è ancora in coda con `postino status`.",
        )
    document = timeline(request_id, entry, parked, kept)
    if as_json:
        print_json(document)
    else:
        print_timeline(document)


def print_timeline(document: dict[str, Any]) -> None:
    """Print a timeline for people: the state with its meaning, the facts and the history."""
    state = document["state"]
    meanings = STATES if state in STATES else {reason.upper(): meaning for reason, meaning in REASONS.items()}
    typer.echo(f"{document['request_id']}  {named(meanings, state)}\n")
    print_facts(LABELS, _facts(document))
    typer.echo()
    print_table(
        HISTORY,
        map(_line, document["history"]),
    )
    if document["remote_content"]:
        _print_remote_content(document["request_id"], document["remote_content"])
    if document["parked"]:
        _print_parked(document["parked"], document["parked_ids"])


def _facts(document: dict[str, Any]) -> dict[str, Any]:
    """Return what there is to say of a request: without counts of zero, words with their meaning."""
    facts = {name: document[name] or None for name in LABELS}
    return facts | {name: named(meanings, facts[name]) for name, meanings in MEANINGS.items()}


def _line(step: dict[str, Any]) -> tuple[object, ...]:
    at = step["at"] if isinstance(step["at"], datetime) else datetime.fromisoformat(step["at"])
    what, answer = step["what"], step.get("http_status")
    return (
        *(at, named({**STATES, **FACTS}, what), why(what, step.get("reason"))),
        *(answer and f"HTTP {answer}", step.get("times"), step.get("reminder")),
    )


def _print_remote_content(request_id: str, kept: dict[str, Any]) -> None:
    documents = counted(kept["attachments"], "documento", "documenti")
    typer.echo(f"\nContenuto remoto: versione {kept['version']} del {shown(kept['since'])}, {documents}")
    if kept["version"] > 1:
        typer.echo(f"  corretto: postino remote-content versions {request_id}")
    if kept["undeclared"]:
        undeclared = counted(kept["undeclared"], "documento non dichiara", "documenti non dichiarano")
        typer.echo(f"  {undeclared} di essere PDF/A, come IO raccomanda")


def _print_parked(parked: dict[str, Any], parked_ids: list[str]) -> None:
    times = f", {counted(parked['times'], 'volta', 'volte')}" if parked["times"] > 1 else ""
    queue = named(QUEUES, parked["queue"])
    typer.echo(f"\nParcheggiata il {shown(parked['last_at'])}{times}: {named(REASONS, parked['reason'])}")
    typer.echo(f"  dalla coda: {queue}")
    for violation in parked["violations"]:
        typer.echo(f"  {violation['field']}: {in_italian(violation['rule'])}")
    for parked_id in parked_ids:
        typer.echo(f"  postino parked show {parked_id}")
