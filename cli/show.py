"""`postino show`: everything that Postino knows of one request."""

from datetime import datetime
from typing import Annotated, Any

import typer

from cli.connection import Operator, ask
from cli.meanings import NOTES, REASONS, STATES
from cli.printing import NOT_FOUND, AsJson, checked, fail, print_facts, print_json, print_table, shown
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
    "settled_at": "pagata, dice il creditore",
    "attempt": "invii tentati",
    "failures": "errori di fila",
    "next_at": "prossimo tentativo",
    "created_at": "arrivata",
    "updated_at": "ultima novità",
    "expires_at": "da inviare prima di",
    "due_date": "scadenza",
}
HISTORY = ("quando", "che cosa", "perché", "HTTP", "volte", "sollecito", "nota")
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
    """Mostra tutto ciò che si sa di una richiesta, mai il codice fiscale né il testo."""

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
    meaning = STATES.get(state) or REASONS.get(state.lower(), "")
    typer.echo(f"{document['request_id']}  {state}  {meaning}\n")
    print_facts(LABELS, document)
    typer.echo()
    print_table(
        HISTORY,
        map(_line, document["history"]),
    )
    if document["remote_content"]:
        _print_remote_content(document["request_id"], document["remote_content"])
    if document["parked"]:
        _print_parked(document["parked"], document["parked_ids"])


def _line(step: dict[str, Any]) -> tuple[object, ...]:
    at = step["at"] if isinstance(step["at"], datetime) else datetime.fromisoformat(step["at"])
    reason = step.get("reason")
    note = NOTES.get(reason) or NOTES.get(step["what"])
    return at, step["what"], reason, step.get("http_status"), step.get("times"), step.get("reminder"), note


def _print_remote_content(request_id: str, kept: dict[str, Any]) -> None:
    version, since, attachments = (shown(kept[name]) for name in ("version", "since", "attachments"))
    typer.echo(f"\nContenuto remoto: versione {version} del {since}, documenti: {attachments}")
    if kept["version"] > 1:
        typer.echo(f"  corretto: postino remote-content versions {request_id}")
    if kept["undeclared"]:
        typer.echo(f"  non dichiarano di essere PDF/A, come IO raccomanda: {kept['undeclared']}")


def _print_parked(parked: dict[str, Any], parked_ids: list[str]) -> None:
    at, queue, times, reason = (shown(parked[name]) for name in ("last_at", "queue", "times", "reason"))
    typer.echo(f"\nParcheggiata il {at} dalla coda {queue} (volte: {times}), motivo: {reason}")
    for violation in parked["violations"]:
        typer.echo(f"  {violation['field']}: {violation['rule']}")
    for parked_id in parked_ids:
        typer.echo(f"  postino parked show {parked_id}")
