"""`postino erase`: erases everything that Postino keeps of one person."""

import secrets
from typing import Annotated, Any, Final, NoReturn

import typer

from cli.connection import Operator, ask
from cli.person import CodeFile, Omocodia, person_of, print_doubts
from cli.printing import (
    ATTENTION,
    INTERRUPTED,
    NOT_FOUND,
    WRONG,
    AsJson,
    fail,
    print_json,
    print_note,
    print_table,
)
from cli.selection import Execute
from report.italian import counted, number
from storage.erasure import BeingSent, Doubtful, Erasure, Found, Obstacle, Result
from storage.ledger import LostRace
from storage.readiness import REFUSED
from storage.table import Unanswered

LABELS: Final = {
    "messages": "messaggi nel registro",
    "queued": "copie in coda",
    "parked": "messaggi parcheggiati",
    "notices": "avvisi di pagamento",
    "remote_contents": "contenuti remoti, con i documenti",
    "due": "controlli, solleciti e scadenze in programma",
    "reminder_days": "solleciti contati al giorno",
    "subscriptions": "righe del registro degli iscritti",
}
# A trial does not take messages off the queues, nor read what only the requests lead to.
TRIED: Final = ("messages", "parked", "notices", "remote_contents")
ELSEWHERE: Final = (
    "Non si cancella da qui ciò che è su IO, nei sistemi dell'ente, nei file di `postino send` e nelle copie "
    "che lo storage account conserva da sé: vedi docs/privacy.md."
)
AGAIN: Final = "Ripeti il comando: ciò che è già cancellato resta cancellato."


def erase(
    file: CodeFile = None,
    omocodia: Omocodia = False,
    force: Annotated[
        bool, typer.Option("--force", help="Anche se un messaggio è in dubbio, che poi non si chiarisce più.")
    ] = False,
    execute: Execute = False,
    as_json: AsJson = False,
) -> None:
    """Cancella tutto ciò che Postino conserva di una persona, dato il suo codice fiscale.

    Il codice fiscale si scrive quando il comando lo chiede, o sta in un file: mai sulla riga di comando. I
    messaggi non ancora partiti non partono più. Del resto rimane il request_id, senza dati, perché la stessa
    richiesta non parta una seconda volta.

    Di norma le altre forme omocodiche sono di altre persone: il comando dice se ce ne sono, e le lascia.

    Per esempio: postino erase --file codice.txt --execute
    """
    person = person_of(file, with_all_forms=omocodia)

    async def work(stores: Operator) -> tuple[Found, Result | None]:
        documents = stores.documents()
        erasure, name = Erasure(person, stores, documents), f"erasure-{secrets.token_hex(4)}"
        await stores.audit.record("erase" if execute else "search_person", name, forced=str(force))
        found = await erasure.find()
        erasure.check(found, force=force)
        if not execute:
            return found, None
        await _check_documents(found, erasure)
        result = await erasure.carry_out(found, force=force)
        await stores.audit.record(
            "erased", name, **{key: str(count) for key, count in _facts(result).items()}
        )
        return found, result

    try:
        found, result = ask(work, is_long=True)
    except Obstacle as obstacle:
        _tell(obstacle)
    except LostRace:
        fail(ATTENTION, "Un messaggio è cambiato proprio adesso.", AGAIN)
    except KeyboardInterrupt:
        fail(INTERRUPTED, "Interrotto: forse resta qualcosa.", AGAIN)
    if as_json:
        print_json(_document(found, result))
    else:
        _print_for_people(found, result)
    _conclude(found, result)


async def _check_documents(found: Found, erasure: Erasure) -> None:
    if not found.contents and not any(entry.remote_content_id for entry in found.entries):
        return
    try:
        await erasure.check_documents()
    except Unanswered as error:
        if error.status not in REFUSED:
            raise
        fail(
            WRONG,
            "Ci sono documenti da cancellare, e manca il ruolo per farlo sul contenitore documents: "
            "Storage Blob Data Contributor. Non è stato cancellato niente.",
        )


def _tell(obstacle: Obstacle) -> NoReturn:
    names = [f"  postino in-doubt show {name}" for name in obstacle.request_ids]
    match obstacle:
        case Doubtful():
            lines = (
                "Non si sa se questi messaggi sono arrivati a IO, e cancellandoli non si saprà più:",
                *names,
                "Prima decidi con `postino in-doubt settle`, oppure ripeti con --force.",
            )
        case BeingSent():
            lines = (
                "Un messaggio è in invio proprio adesso: fra tre minuti si sa com'è finito, poi ripeti.",
                *obstacle.request_ids,
            )
    fail(ATTENTION, *lines)


def _facts(result: Result) -> dict[str, int]:
    return {**result.removed, "hidden": result.hidden, "left": result.left}


def _document(found: Found, result: Result | None) -> dict[str, Any]:
    return {
        "action": "erase",
        "executed": result is not None,
        "complete": result is not None and not result.hidden and not result.left,
        "found": _counts(found),
        "removed": result.removed if result else None,
        "hidden": result.hidden if result else None,
        "left": result.left if result else None,
        "other_forms": found.other_forms,
        "unreadable": found.unreadable,
    }


def _counts(found: Found) -> dict[str, int]:
    groups = (found.entries, found.parked, found.notices, found.contents)
    return {name: len(group) for name, group in zip(TRIED, groups, strict=True)}


def _print_for_people(found: Found, result: Result | None) -> None:
    counts = result.removed if result else _counts(found)
    heading = "cancellati" if result else "da cancellare"
    print_table(("che cosa", heading), ((LABELS[name], number(count)) for name, count in counts.items()))
    print_doubts(found.other_forms, found.unreadable)
    print_note(ELSEWHERE)


def _conclude(found: Found, result: Result | None) -> None:
    """End with a code that says whether anything is left to do."""
    if result is None:
        if not any(_counts(found).values()):
            fail(NOT_FOUND, "Niente sotto questo codice. Le copie in coda si cercano solo con --execute.")
        print_note("Prova, nessuna modifica. Ripeti con --execute per farlo davvero.")
        return
    if result.left:
        fail(ATTENTION, "Nel frattempo è arrivato altro della stessa persona.", AGAIN)
    if result.hidden:
        hidden = counted(result.hidden, "messaggio", "messaggi")
        fail(
            ATTENTION,
            f"Fatto, ma {hidden} in coda non si possono leggere adesso, perché rimandati o in lavorazione.",
            "Ripeti il comando fra dieci minuti.",
        )
    print_note("Fatto: sotto questo codice non c'è più niente.")
