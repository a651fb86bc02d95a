"""`postino in-doubt`: the requests that IO may or may not have received."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any

import typer

from cli.app import App
from cli.bulk_action import run_bulk_action
from cli.connection import Operator, ask
from cli.printing import NOT_FOUND, WRONG, AsJson, fail, print_json, print_table
from cli.selection import Change, Execute, Filters, grouped
from cli.show import show as show_request
from io_api.models import CreatedMessage
from report.meanings import REASONS, named
from send_message.resolve_in_doubt import NotInDoubt, TooLate, is_resend, resend_at
from send_message.resolve_in_doubt import resend as resend_one
from send_message.resolve_in_doubt import settle as settle_one
from storage.ledger import Entry, LostRace, State

app = App(help="Le richieste di cui non si sa se IO le ha ricevute: decide l'operatore.")

COLUMNS = {
    "request_id": "request_id",
    "reason": "motivo",
    "http_status": "risposta di IO",
    "service": "servizio",
    "campaign": "campagna",
    "attempt": "invii tentati",
    "since": "in dubbio da",
    "resend_at": "reinvio possibile da",
}
RequestIds = Annotated[
    list[str] | None, typer.Argument(metavar="REQUEST_ID", help="Quali; senza, tutte quelle dei filtri.")
]


@app.command("list")
@grouped
def list_(filters: Filters, as_json: AsJson = False) -> None:
    """Elenca le richieste in dubbio, dalla meno recente, con il motivo.

    Per esempio: postino in-doubt list --campaign 'TARI 2026'
    """

    async def find(stores: Operator) -> list[Entry]:
        return await _in_doubt(stores, filters)

    facts = [_facts(entry) for entry in ask(find)]
    if as_json:
        print_json(facts)
    elif facts:
        print_table(COLUMNS.values(), map(_row, facts))
    else:
        typer.echo("Nessuna richiesta in dubbio.")


@app.command()
def show(
    request_id: Annotated[str, typer.Argument(metavar="REQUEST_ID", help="La chiave scelta da chi invia.")],
    as_json: AsJson = False,
) -> None:
    """Mostra una richiesta in dubbio e che cosa si può decidere.

    Per esempio: postino in-doubt show TARI-2026-000123
    """
    ask(lambda stores: _named(stores, [request_id], _is_in_doubt))
    show_request(request_id, as_json=as_json)
    if not as_json:
        typer.echo(
            f"\nCerca nei log la riga «outcome request_id={request_id}»: se dice ACCEPTED, è arrivata.\n"
            f"  postino in-doubt settle {request_id} --accepted --message-id ID --execute\n"
            f"  postino in-doubt settle {request_id} --not-sent --execute\n"
            f"  postino in-doubt resend {request_id} --execute   (il cittadino può riceverlo due volte)"
        )


@app.command()
@grouped
def resend(filters: Filters, change: Change, request_ids: RequestIds = None) -> None:
    """Invia di nuovo, anche se il cittadino può ricevere il messaggio due volte.

    Il reinvio parte un'ora dopo che il tentativo in dubbio non può più essere in corso (tre minuti dal suo
    inizio). Ripetendo il comando, parte una volta sola. Una richiesta che per allora sarebbe scaduta, o
    il cui avviso è già pagato, resta in dubbio.

    Per esempio: postino in-doubt resend TARI-2026-000123 --execute
    """
    filters.need(request_ids, "Indica i REQUEST_ID, o un filtro come `--campaign C`.")

    async def find(stores: Operator) -> Mapping[str, Entry]:
        if request_ids:
            return await _named(stores, request_ids, _can_be_resent)
        return {entry.request_id: entry for entry in await _in_doubt(stores, filters)}

    async def act(stores: Operator, entry: Entry) -> str:
        try:
            await resend_one(entry, stores)
        except (NotInDoubt, LostRace):
            return "not_in_doubt"
        except TooLate:
            return "would_not_leave"
        return "already_resent" if is_resend(entry) else "resend"

    run_bulk_action("resend", find, act, change)


@app.command()
def settle(
    request_id: Annotated[str, typer.Argument(metavar="REQUEST_ID", help="La chiave scelta da chi invia.")],
    accepted: Annotated[
        bool | None,
        typer.Option("--accepted/--not-sent", help="IO l'ha ricevuta, oppure non è mai arrivata."),
    ] = None,
    message_id: Annotated[
        str | None, typer.Option(help="L'id che IO le ha dato, se si conosce: serve per seguirla.")
    ] = None,
    execute: Execute = False,
    as_json: AsJson = False,
) -> None:
    """Scrive nel registro com'è finita, quando si è scoperto.

    Una richiesta mai arrivata viene parcheggiata: `postino parked redrive` la rimette in moto.

    Per esempio: postino in-doubt settle TARI-2026-000123 --accepted --message-id 01J5Q8ZC4V7R2M9T6W1X3Y5B7D
    --execute
    """
    if accepted is None:
        fail(WRONG, "Scegli: --accepted se IO l'ha ricevuta, --not-sent se non è mai arrivata.")
    if message_id is not None and not (accepted and CreatedMessage.is_id(message_id)):
        fail(WRONG, "--message-id va con --accepted ed è l'id di IO, come 01J5Q8ZC4V7R2M9T6W1X3Y5B7D.")

    async def find(stores: Operator) -> Mapping[str, Entry]:
        return await _named(stores, [request_id], _is_in_doubt)

    async def act(stores: Operator, entry: Entry) -> str:
        try:
            entry = await settle_one(entry, stores, stores.policies, accepted=accepted, message_id=message_id)
        except (NotInDoubt, LostRace):
            return "not_in_doubt"
        return str(entry.state) if accepted else "not_sent"

    run_bulk_action("settle", find, act, Change(execute=execute, as_json=as_json))


async def _in_doubt(stores: Operator, filters: Filters) -> list[Entry]:
    found = [entry async for entry in stores.ledger.entries(state=State.IN_DOUBT, **filters.columns)]
    by_age = sorted(found, key=lambda entry: entry.updated_at)
    return [entry for entry in by_age if filters.admit(entry.updated_at)]


async def _named(
    stores: Operator, request_ids: list[str], can_be_decided: Callable[[Entry], bool]
) -> Mapping[str, Entry]:
    entries = {name: await stores.ledger.get(name) for name in request_ids}
    found = {name: entry for name, entry in entries.items() if entry and can_be_decided(entry)}
    if missing := [name for name in request_ids if name not in found]:
        fail(NOT_FOUND, *(f"{name} non è in dubbio: guarda `postino show {name}`." for name in missing))
    return found


def _is_in_doubt(entry: Entry) -> bool:
    return entry.state is State.IN_DOUBT


def _can_be_resent(entry: Entry) -> bool:
    # A repeated resend makes up for a command that crashed before it enqueued the message.
    return _is_in_doubt(entry) or is_resend(entry)


def _row(fact: dict[str, Any]) -> list[object]:
    answer = fact["http_status"]
    words = {"reason": named(REASONS, fact["reason"]), "http_status": answer and f"HTTP {answer}"}
    return [(fact | words)[name] for name in COLUMNS]


def _facts(entry: Entry) -> dict[str, Any]:
    return {
        "request_id": entry.request_id,
        "reason": entry.last_step.get("reason"),
        "http_status": entry.last_step.get("http_status"),
        "service": entry.service,
        "campaign": entry.campaign,
        "attempt": entry.attempt,
        "since": entry.updated_at,
        "resend_at": resend_at(entry),
    }
