"""`postino pause` and `postino resume`: the operator's kill switch."""

from collections.abc import Collection
from typing import Annotated, Final

import typer

from cli.completion import services
from cli.connection import Operator, ask
from cli.printing import WRONG, AsJson, fail, print_json, print_note, print_table
from io_api.suspensions import EVERY, Suspensions

PAUSE, RESUME = "pause", "resume"
ALL: Final = "tutti i servizi"

Service = Annotated[
    str | None,
    typer.Option(
        metavar="NOME",
        autocompletion=services,
        help="Solo questo servizio, per esempio default; senza, tutti.",
    ),
]


def pause(service: Service = None, as_json: AsJson = False) -> None:
    """Ferma subito le chiamate a IO: un paio di secondi e nessun host ne fa più.

    È un interruttore di emergenza: agisce senza --execute. I messaggi aspettano e ripartono da soli dopo
    `postino resume`, al più tardi un quarto d'ora dopo se la pausa è stata lunga.

    Un messaggio che aspetta più di sette giorni viene parcheggiato, e lo rimette in moto
    `postino parked redrive --reason exhausted`. Uno il cui termine (invia_entro, expires_at) passa intanto
    non parte più. Di una campagna con --spread, ciò che doveva partire durante la pausa parte subito dopo.

    Per esempio: postino pause --service tributi
    """
    _change(PAUSE, service, as_json=as_json)


def resume(service: Service = None, as_json: AsJson = False) -> None:
    """Toglie una pausa: agisce subito, senza --execute.

    Senza --service toglie la pausa di tutti; quella di un solo servizio resta, e si toglie con il suo nome.

    Per esempio: postino resume --service tributi
    """
    _change(RESUME, service, as_json=as_json)


def shown_service(service: str) -> str:
    """Return a service as people read it."""
    return ALL if service == EVERY else service


def command_to_resume(service: str) -> str:
    """Return the command that ends this pause."""
    return "postino resume" if service == EVERY else f"postino resume --service {service}"


def _change(action: str, service: str | None, *, as_json: bool) -> None:
    target = service or EVERY
    before, after = ask(lambda stores: _act(stores, action, target))
    if as_json:
        changed = before.pauses != after.pauses
        print_json({"action": action, "service": target, "changed": changed, "pauses": pause_facts(after)})
    else:
        _print_for_people(action, target, before, after)


async def _act(stores: Operator, action: str, target: str) -> tuple[Suspensions, Suspensions]:
    before = await stores.suspensions.current()
    # An operator can still end the pause of a service that is no longer configured.
    _check_service(target, stores.keys.keys() | (before.pauses.keys() if action == RESUME else set()))
    await stores.audit.record(action, target)
    if action == PAUSE:
        return before, await stores.suspensions.pause(target, stores.audit.actor)
    return before, await stores.suspensions.resume(target)


def _check_service(target: str, known: Collection[str]) -> None:
    if target != EVERY and target not in known:
        names = ", ".join(sorted(set(known) - {EVERY}))
        fail(WRONG, f"Nessun servizio si chiama {target}. Quelli configurati: {names}.")


def _print_for_people(action: str, target: str, before: Suspensions, after: Suspensions) -> None:
    name = shown_service(target)
    if action == PAUSE:
        print_note(f"Già in pausa: {name}." if target in before.pauses else f"In pausa: {name}.")
    else:
        print_note(f"Riprende: {name}." if target in before.pauses else f"Non era in pausa: {name}.")
    if action == RESUME and EVERY in after.pauses:
        print_note("Ma sono in pausa tutti i servizi: riprendono con `postino resume`.")
    print_pauses(after)


def pause_facts(suspensions: Suspensions) -> list[dict[str, object]]:
    """Return the pauses for scripts: what is paused, since when and by whom."""
    return [{"service": service, **pause.model_dump()} for service, pause in suspensions.pauses.items()]


def print_pauses(suspensions: Suspensions) -> None:
    """Print each pause, with its author, its start and the command that ends it."""
    if not suspensions.pauses:
        typer.echo("Nessun servizio è in pausa.")
        return
    rows = [
        (shown_service(service), pause.at, pause.by, command_to_resume(service))
        for service, pause in suspensions.pauses.items()
    ]
    print_table(("in pausa", "dal", "da chi", "per riprendere"), rows)
