"""`postino find`: the messages of one person, for the question why nothing came."""

import secrets
from typing import Any, Final

import typer

from cli.connection import Operator, ask
from cli.person import CodeFile, Omocodia, person_of, print_doubts
from cli.printing import NOT_FOUND, AsJson, fail, print_json, print_table
from report.italian import shown
from report.meanings import REASONS, STATES, named
from storage.erasure import Erasure, Found
from storage.ledger import Entry
from storage.parked import ParkedMessage

MESSAGE: Final = ("request_id", "state", "updated_at", "service", "campaign")
PARKED: Final = ("parked_id", "request_id", "reason", "last_at")


def find(file: CodeFile = None, omocodia: Omocodia = False, as_json: AsJson = False) -> None:
    """Elenca i messaggi di una persona, dato il suo codice fiscale: per chi dice che non gli è arrivato.

    Il codice fiscale si scrive quando il comando lo chiede, o sta in un file: mai sulla riga di comando.
    Resta scritto che qualcuno ha cercato una persona, non quale.

    Per esempio: postino find --file codice.txt
    """
    person = person_of(file, with_all_forms=omocodia)

    async def work(stores: Operator) -> Found:
        await stores.audit.record("search_person", f"search-{secrets.token_hex(4)}")
        return await Erasure(person, stores, stores.documents()).find()

    found = ask(work)
    document = _document(found)
    if as_json:
        print_json(document)
    else:
        _print_for_people(document)
    if not document["messages"] and not document["parked"]:
        fail(NOT_FOUND, "Niente sotto questo codice. Se è ancora in coda, lo dice `postino status`.")


def _document(found: Found) -> dict[str, Any]:
    entries = sorted(found.entries, key=lambda entry: entry.created_at)
    known = {entry.request_id for entry in entries}
    others = [message for message in found.parked if message.request_id not in known]
    return {
        "messages": [_facts(entry, MESSAGE) for entry in entries],
        "parked": [_facts(message, PARKED) for message in others],
        "other_forms": found.other_forms,
        "unreadable": found.unreadable,
    }


def _facts(found: Entry | ParkedMessage, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: getattr(found, name) for name in names}


def _print_for_people(document: dict[str, Any]) -> None:
    if document["messages"]:
        print_table(("REQUEST_ID", "com'è", "dal", "campagna"), map(_row, document["messages"]))
        typer.echo("\nTutto di un messaggio: postino show REQUEST_ID")
    for one in document["parked"]:
        typer.echo(
            f"Mai entrato nel registro, parcheggiato il {shown(one['last_at'])}: "
            f"{named(REASONS, one['reason'])}\n  postino parked show {one['parked_id']}"
        )
    print_doubts(document["other_forms"], document["unreadable"])


def _row(one: dict[str, Any]) -> tuple[Any, ...]:
    return one["request_id"], named(STATES, one["state"]), shown(one["updated_at"]), one["campaign"]
