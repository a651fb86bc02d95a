"""`postino parked`: the messages that wait for an operator."""

from datetime import datetime
from typing import Annotated, Any

import typer

from cli.connection import Stores, ask
from cli.masked_body import masked
from cli.meanings import REASONS
from cli.printing import NOT_FOUND, WRONG, AsJson, give_up, print_facts, print_json, print_table
from contract.body import load_object
from contract.violations import InvalidRequest
from storage.parked import ParkedMessage

app = typer.Typer(no_args_is_help=True, help="I messaggi parcheggiati, che aspettano un operatore.")

MOMENTS = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S%z"]
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

Queue = Annotated[str | None, typer.Option(help="Solo da questa coda.")]


@app.command("list")
def list_(
    reason: Annotated[str | None, typer.Option(help="Solo con questo motivo, per esempio invalid.")] = None,
    queue: Queue = None,
    service: Annotated[str | None, typer.Option(help="Solo di questo servizio.")] = None,
    campaign: Annotated[str | None, typer.Option(help="Solo di questa campagna.")] = None,
    since: Annotated[
        datetime | None,
        typer.Option(formats=MOMENTS, metavar="DATA", help="Arrivati l'ultima volta da qui in poi."),
    ] = None,
    until: Annotated[
        datetime | None,
        typer.Option(formats=MOMENTS, metavar="DATA", help="Arrivati l'ultima volta prima di qui."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Elenca i messaggi parcheggiati, dal meno recente.

    DATA è AAAA-MM-GG o AAAA-MM-GGThh:mm:ss, con il fuso (Z, +02:00) o nell'ora di questa macchina.

    Di una richiesta non valida non si conoscono servizio e campagna.
    """
    wanted = {"reason": reason, "queue": queue, "service": service, "campaign": campaign}

    async def find(stores: Stores) -> list[ParkedMessage]:
        equal = {column: value for column, value in wanted.items() if value is not None}
        found = [message async for message in stores.parked.headers(**equal)]
        return sorted(found, key=lambda message: message.last_at)

    found = [message for message in ask(find) if _between(message.last_at, since, until)]
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
    """Mostra un messaggio parcheggiato: perché è qui e il corpo, con i dati personali coperti."""

    async def find(stores: Stores) -> tuple[ParkedMessage, str]:
        message = _only(parked_id, queue, await stores.parked.find(parked_id))
        return message, stores.parked.body_of(message)

    message, body = ask(find)
    if as_json:
        print_json(_facts(message) | ({"body": body} if reveal else {"masked_body": masked(body)}))
    else:
        _print_message(message, _readable(body) if reveal else masked(body))


def _between(at: datetime, since: datetime | None, until: datetime | None) -> bool:
    return (since is None or at >= since.astimezone()) and (until is None or at < until.astimezone())


def _only(parked_id: str, queue: str | None, found: list[ParkedMessage]) -> ParkedMessage:
    named = [message for message in found if message.parked_id == parked_id] or found
    named = [message for message in named if queue in (None, message.queue)]
    if not named:
        give_up(NOT_FOUND, f"Nessun messaggio parcheggiato {parked_id}: cercalo con `postino parked list`.")
    if len(named) > 1:
        choices = [f"  postino parked show {message.parked_id} --queue {message.queue}" for message in named]
        give_up(WRONG, "I messaggi sono più di uno, scegli:", *choices)
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


def _readable(body: str) -> object:
    try:
        return load_object(body)
    except InvalidRequest:
        return body


def _print_list(found: list[ParkedMessage]) -> None:
    if not found:
        typer.echo("Nessun messaggio parcheggiato.")
        return
    print_table(COLUMNS.values(), ([getattr(message, name) for name in COLUMNS] for message in found))


def _print_message(message: ParkedMessage, body: object) -> None:
    typer.echo(f"{message.parked_id}  {message.reason}  {REASONS.get(message.reason, '')}\n")
    print_facts(LABELS, _facts(message))
    if message.violations:
        typer.echo()
        print_table(("campo", "regola violata"), [(one.field, one.rule) for one in message.violations])
    typer.echo()
    print_json(body)
