"""`postino status`: counts requests by the state that they reached."""

from collections import Counter
from collections.abc import AsyncIterable
from datetime import timedelta
from typing import Annotated, Any

import typer

from cli.connection import Operator, ask
from cli.italian import duration, number
from cli.meanings import QUEUES as QUEUE_MEANINGS
from cli.meanings import REASONS, STATES
from cli.printing import AsJson, print_json, print_table
from storage.ledger import DELIVERED, Progress, State
from storage.queues import QUEUES


def status(
    campaign: Annotated[str | None, typer.Option(help="Solo le richieste di questa campagna.")] = None,
    as_json: AsJson = False,
) -> None:
    """Conta le richieste per stato, i messaggi parcheggiati e quelli nelle code.

    Legge tutto il registro: con centinaia di migliaia di richieste ci vuole qualche minuto e ogni mille
    richieste si paga una lettura. Le code e il ritardo sono di tutte le campagne.

    Per esempio: postino status --campaign 'TARI 2026'
    """

    async def count(stores: Operator) -> dict[str, Any]:
        only = {"campaign": campaign} if campaign else {}
        return {
            "campaign": campaign,
            **await tally(stores.ledger.progress(campaign)),
            **await waiting(stores, **only),
        }

    document = ask(count)
    if as_json:
        print_json(document)
    else:
        _print_for_people(document)


async def tally(progress: AsyncIterable[Progress]) -> dict[str, Any]:
    """Count the requests by state (every state is present), and the delivered ones by IO's own values."""
    states: Counter[str] = Counter(dict.fromkeys(State, 0))
    read = Counter(READ=0, UNREAD=0, UNAVAILABLE=0)
    payment = Counter(PAID=0, NOT_PAID=0)
    async for standing in progress:
        states[standing.state] += 1
        if standing.state in DELIVERED:
            read.update([standing.read_status] if standing.read_status else [])
            payment.update([standing.payment_status] if standing.payment_status else [])
    return {
        "total": states.total(),
        "states": states,
        "delivered": sum(states[state] for state in DELIVERED),
        "read_status": read,
        "payment_status": payment,
    }


async def waiting(stores: Operator, **only: str) -> dict[str, Any]:
    """Return the waiting work: parked messages with these columns, queue depths, lag of polls in days."""
    return {
        "parked": Counter([message.reason async for message in stores.parked.headers(**only)]),
        "queues": {queue: await stores.queues.depth(queue) for queue in QUEUES},
        "days_behind": round(await stores.due_index.lag() / timedelta(days=1), 2),
    }


def _print_for_people(document: dict[str, Any]) -> None:
    campaign = f" della campagna {document['campaign']}" if document["campaign"] else ""
    if not document["total"]:
        typer.echo(f"Nessuna richiesta{campaign}{': controlla il nome' if campaign else ''}.\n")
        print_waiting(document)
        return
    typer.echo(f"Richieste{campaign}: {number(document['total'])}\n")
    there = [(state, number) for state, number in document["states"].items() if number]
    print_table(
        ("stato", "numero", "significato"), [(state, number, STATES[state]) for state, number in there]
    )
    read, payment = document["read_status"], document["payment_status"]
    premium = {
        "lette": read["READ"],
        "non lette": read["UNREAD"],
        "lettura non disponibile": read["UNAVAILABLE"],
        "pagate": payment["PAID"],
        "non risultano pagate": payment["NOT_PAID"],
    }
    parts = ", ".join(f"{word} {number(count)}" for word, count in premium.items() if count)
    typer.echo(f"\nConsegnate: {number(document['delivered'])}.{parts and f' Premium: {parts}.'}\n")
    print_waiting(document)


def print_waiting(document: dict[str, Any]) -> None:
    """Print the parked messages, the depths of the queues and the lag of polls."""
    reasons = [(reason, number, REASONS.get(reason)) for reason, number in document["parked"].items()]
    if reasons:
        print_table(("parcheggiate", "numero", "significato"), reasons)
        typer.echo()
    if there := [
        (queue, count, QUEUE_MEANINGS[queue]) for queue, count in document["queues"].items() if count
    ]:
        print_table(("coda", "messaggi", "significato"), there)
    else:
        typer.echo("Le code sono vuote.")
    if document["days_behind"]:
        typer.echo(f"\nRitardo nel seguire i messaggi: {duration(timedelta(days=document['days_behind']))}")
