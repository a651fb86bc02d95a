"""`postino parked`: the messages that wait for an operator."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from cli.app import App
from cli.bulk_action import run_bulk_action
from cli.connection import Operator, ask
from cli.masked_body import for_people, masked
from cli.printing import NOT_FOUND, WRONG, AsJson, fail, print_facts, print_json, print_table
from cli.rules_it import in_italian
from cli.selection import Change, ParkedFilters, Queue, grouped
from contract.body import load_object
from contract.violations import InvalidRequest
from poison.redrive import AlreadyOnItsWay, TooOften
from poison.redrive import drop as drop_one
from poison.redrive import redrive as redrive_one
from report.meanings import QUEUES, REASONS, named
from storage.ledger import LostRace
from storage.parked import ParkedMessage
from storage.table import Changed

app = App(help="I messaggi parcheggiati, che aspettano un operatore.")

ParkedIds = Annotated[
    list[str] | None, typer.Argument(metavar="PARKED_ID", help="Quali; senza, tutti quelli dei filtri.")
]
COLUMNS = {
    "parked_id": "parked_id",
    "reason": "motivo",
    "queue": "coda",
    "request_id": "request_id",
    "service": "servizio",
    "campaign": "campagna",
    "times": "volte",
    "last_at": "ultima volta",
}
LABELS = {
    "queue": "coda",
    "request_id": "request_id",
    "service": "servizio",
    "campaign": "campagna",
    "http_status": "risposta di IO",
    "attempts": "invii tentati",
    "times": "volte",
    "first_at": "prima volta",
    "last_at": "ultima volta",
}


@app.command("list")
@grouped
def list_(filters: ParkedFilters, as_json: AsJson = False) -> None:
    """Elenca i messaggi parcheggiati, dal meno recente.

    DATA è GG/MM/AAAA o "GG/MM/AAAA hh:mm", nell'ora italiana, oppure un istante come 2026-11-24T09:00:00Z.

    Di una richiesta non valida non si conoscono servizio e campagna.

    Per esempio: postino parked list --reason invalid_message --since 24/11/2026
    """
    found = ask(lambda stores: _matching(stores, filters))
    if as_json:
        print_json([_facts(message) for message in found])
    else:
        _print_list(found)


@app.command()
def show(
    parked_id: Annotated[str, typer.Argument(metavar="PARKED_ID", help="Come lo scrive `parked list`.")],
    queue: Queue = None,
    reveal: Annotated[
        bool, typer.Option("--reveal", help="Mostra il corpo per intero, dati personali compresi.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Mostra un messaggio parcheggiato: perché è qui e il corpo, con i dati personali coperti.

    Per esempio: postino parked show TARI-2026-000123
    """

    async def find(stores: Operator) -> tuple[ParkedMessage, str]:
        message = _only(parked_id, queue, await stores.parked.find(parked_id))
        if reveal:
            await stores.audit.record("reveal", message.parked_id)
        return message, stores.parked.body_of(message)

    message, body = ask(find)
    if as_json:
        print_json(_facts(message) | ({"body": body} if reveal else {"masked_body": masked(body)}))
    else:
        _print_message(message, _readable(body) if reveal else for_people(masked(body)))


@app.command()
@grouped
def redrive(filters: ParkedFilters, change: Change, parked_ids: ParkedIds = None) -> None:
    """Rimette in moto i messaggi parcheggiati, dopo aver tolto la causa.

    Ripetendo il comando, il messaggio parte una volta sola.

    Per esempio: postino parked redrive --reason failed_repeatedly --campaign 'TARI 2026' --execute
    """

    async def act(stores: Operator, message: ParkedMessage) -> str:
        try:
            await redrive_one(message, stores)
        except (AlreadyOnItsWay, LostRace):
            return "already_on_its_way"
        except Changed:
            return "parked_again"
        except TooOften:
            return "too_often"
        return "redriven"

    run_bulk_action("redrive", lambda stores: _chosen(stores, parked_ids, filters), act, change)


@app.command()
@grouped
def drop(filters: ParkedFilters, change: Change, parked_ids: ParkedIds = None) -> None:
    """Scarta per sempre i messaggi parcheggiati e il loro testo; il registro ricorda com'è finita.

    Per esempio: postino parked drop TARI-2026-000123 --execute
    """

    async def act(stores: Operator, message: ParkedMessage) -> str:
        try:
            await drop_one(message, stores)
        except (Changed, LostRace):
            return "parked_again"
        return "dropped"

    run_bulk_action("drop", lambda stores: _chosen(stores, parked_ids, filters), act, change)


async def _matching(stores: Operator, filters: ParkedFilters) -> list[ParkedMessage]:
    found = [message async for message in stores.parked.headers(**filters.columns)]
    by_age = sorted(found, key=lambda message: message.last_at)
    return [message for message in by_age if filters.admit(message.last_at)]


async def _chosen(
    stores: Operator, parked_ids: list[str] | None, filters: ParkedFilters
) -> Mapping[str, ParkedMessage]:
    """Return the messages to change, by parked_id. A change of all messages needs an explicit filter."""
    filters.need(parked_ids, "Indica i PARKED_ID, o un filtro come `--reason invalid`.")
    headers = await _matching(stores, filters)
    names = set(parked_ids or ())
    named = [one for one in headers if not names or names & {one.parked_id, one.request_id}]
    found = {message.parked_id: message for message in named}
    known = {name for one in named for name in (one.parked_id, one.request_id)}
    if missing := sorted(names - known):
        fail(NOT_FOUND, *(f"{name} non è parcheggiato (o non corrisponde ai filtri)." for name in missing))
    return found


def _only(parked_id: str, queue: str | None, found: list[ParkedMessage]) -> ParkedMessage:
    named = [message for message in found if message.parked_id == parked_id] or found
    named = [message for message in named if queue in (None, message.queue)]
    if not named:
        fail(NOT_FOUND, f"Nessun messaggio parcheggiato {parked_id}: cercalo con `postino parked list`.")
    if len(named) > 1:
        choices = [f"  postino parked show {message.parked_id} --queue {message.queue}" for message in named]
        fail(WRONG, "I messaggi sono più di uno, scegli:", *choices)
    return named[0]


def _facts(message: ParkedMessage) -> dict[str, Any]:
    return {
        "parked_id": message.parked_id,
        "queue": message.queue,
        "reason": message.reason,
        "request_id": message.request_id,
        "service": message.service,
        "campaign": message.campaign,
        "http_status": message.http_status,
        "violations": [violation.model_dump() for violation in message.violations],
        "attempts": message.attempts,
        "times": message.times,
        "first_at": message.first_at,
        "last_at": message.last_at,
    }


def _shown(message: ParkedMessage) -> dict[str, Any]:
    """Return the facts for people: without what says nothing, words with their meaning."""
    facts = _facts(message)
    answer = message.http_status and f"HTTP {message.http_status}"
    first = message.first_at if message.times > 1 else None
    words = {"reason": named(REASONS, message.reason), "http_status": answer, "first_at": first}
    return facts | words | {"attempts": message.attempts or None}


def _readable(body: str) -> object:
    try:
        return load_object(body)
    except InvalidRequest:
        return body


def _print_list(found: list[ParkedMessage]) -> None:
    if not found:
        typer.echo("Nessun messaggio parcheggiato.")
        return
    rows = [_shown(message) for message in found]
    print_table(COLUMNS.values(), ([row[name] for name in COLUMNS] for row in rows))


def _print_message(message: ParkedMessage, body: object) -> None:
    typer.echo(f"{message.parked_id}  {named(REASONS, message.reason)}\n")
    print_facts(LABELS, _shown(message) | {"queue": named(QUEUES, message.queue)})
    if message.violations:
        typer.echo()
        broken = [(one.field, in_italian(one.rule)) for one in message.violations]
        print_table(("campo", "che cosa non va"), broken)
    typer.echo()
    print_json(body)
