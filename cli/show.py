"""`postino show`: everything that Postino knows of one request."""

import json
from typing import Annotated, Any, NoReturn

import typer

from cli.connection import Operator, ask
from cli.printing import (
    NOT_FOUND,
    AsJson,
    checked,
    fail,
    print_facts,
    print_json,
    print_note,
    print_table,
)
from cli.rules_it import in_italian
from contract.fields import RequestId
from report.italian import counted, shown
from report.meanings import QUEUES, REASONS, STATES, named
from report.timeline import HISTORY, LABELS, facts, line, state_in_words, timeline
from storage.ledger import Entry
from storage.remote_contents import KeptContent

RULE = "sono da 1 a 128 caratteri tra A-Z a-z 0-9 . _ : - e nessun codice fiscale"


def show(
    request_id: Annotated[
        str,
        typer.Argument(
            metavar="REQUEST_ID", callback=checked(RequestId, RULE), help="La chiave scelta da chi invia."
        ),
    ],
    reveal: Annotated[
        bool, typer.Option("--reveal", help="Mostra anche il codice fiscale e il testo, se c'è ancora.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Mostra tutto ciò che si sa di una richiesta, con i dati personali coperti.

    Con --reveal li mostra, e resta scritto chi li ha visti.

    Per esempio: postino show TARI-2026-000123
    """

    async def find(stores: Operator) -> dict[str, Any]:
        found = [one for one in await stores.parked.find(request_id) if one.request_id == request_id]
        entry = await stores.ledger.get(request_id)
        if entry is None and not found:
            await _tell_missing(stores, request_id)
        fetched = entry.remote_content_id if entry else None
        kept = await stores.remote_contents.get(fetched) if fetched else None
        document = timeline(request_id, entry, found, kept)
        if reveal and entry:
            await stores.audit.record("reveal", request_id)
            document |= _personal(stores, entry, kept)
        return document

    document = ask(find)
    if as_json:
        print_json(document)
    else:
        print_timeline(document)
        if reveal:
            _print_personal(document)


async def _tell_missing(stores: Operator, request_id: str) -> NoReturn:
    if buried := await stores.ledger.tombstone(request_id):
        state = named(STATES, buried.state)
        fail(
            NOT_FOUND,
            f"{request_id}: i dati sono stati cancellati il {shown(buried.buried_at)}. Era: {state}. "
            "Resta solo il request_id, che non parte più.",
        )
    fail(
        NOT_FOUND,
        f"Nessuna richiesta con request_id {request_id}: controlla maiuscole e minuscole, "
        "o se è ancora in coda con `postino status`.",
    )


def _personal(stores: Operator, entry: Entry, kept: KeptContent | None) -> dict[str, Any]:
    """Return the personal data that is still kept. Raises Undecipherable."""
    request = json.loads(stores.ledger.request_of(entry).to_json()) if entry.body else None
    content = stores.remote_contents.content_of(kept).model_dump(exclude_none=True) if kept else None
    return {
        "fiscal_code": stores.ledger.fiscal_code_of(entry),
        "request": request,
        "fetched_content": content,
    }


def _print_personal(document: dict[str, Any]) -> None:
    """Print the personal data of a request that entered the ledger."""
    if "fiscal_code" not in document:
        print_note("Il registro non conosce la richiesta: il corpo lo mostra `parked show`.")
        return
    typer.echo(f"\ncodice fiscale  {document['fiscal_code']}")
    for name, label in (("request", "richiesta"), ("fetched_content", "ciò che IO prende")):
        if document[name] is not None:
            typer.echo(f"\n{label}:")
            print_json(document[name])


def print_timeline(document: dict[str, Any]) -> None:
    """Print a timeline for people: the state with its meaning, the facts and the history."""
    typer.echo(f"{document['request_id']}  {state_in_words(document['state'])}\n")
    print_facts(LABELS, facts(document))
    typer.echo()
    print_table(
        HISTORY,
        map(line, document["history"]),
    )
    if document["remote_content"]:
        _print_remote_content(document["request_id"], document["remote_content"])
    if document["parked"]:
        _print_parked(document["parked"], document["parked_ids"])


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
