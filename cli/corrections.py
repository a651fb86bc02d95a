"""`postino remote-content correct` and `versions`: replaces what citizens see of a message already sent."""

from dataclasses import dataclass
from typing import Annotated, Any, Final, NoReturn

import typer

from cli.connection import Operator, ask, clock
from cli.masked_body import for_people, length_of
from cli.printing import NOT_FOUND, WRONG, AsJson, checked, fail, print_json, print_note, print_table
from cli.rules_it import in_italian
from cli.selection import Execute, grouped
from cli.show import RULE
from cli.wanted_correction import Correction, changes, corrected
from contract.fields import RequestId
from contract.remote_content import RemoteContent
from contract.violations import InvalidRequest
from io_api.errors import IoError
from report.italian import counted
from report.meanings import REASONS, STATES, named
from send_message.documents import SEARCHED, read_document
from storage.ledger import Entry, State
from storage.remote_contents import KeptContent
from storage.table import Changed

ACTION: Final = "correct_remote_content"
NEVER_OPENED: Final = frozenset({State.SKIPPED, State.EXPIRED, State.REJECTED, State.FAILED})
COLUMNS: Final = {
    "version": "versione",
    "since": "dal",
    "blobs": "documenti",
    "undeclared": "senza PDF/A",
}
# The rest of a content may hold personal data.
SHOWN: Final = ".blob"

RequestIdArgument = Annotated[
    str,
    typer.Argument(
        metavar="REQUEST_ID", callback=checked(RequestId, RULE), help="La chiave scelta da chi invia."
    ),
]
Version = Annotated[
    int | None, typer.Option(min=1, help="Solo se questa è ancora la versione, come l'ha detta la prova.")
]


@dataclass(frozen=True)
class _Planned:
    """A correction that is valid, and not yet made. `undeclared` is as in KeptContent."""

    kept: KeptContent
    content: RemoteContent
    changes: dict[str, tuple[Any, Any]]
    undeclared: int | None


@grouped
def correct(
    request_id: RequestIdArgument,
    correction: Correction,
    version: Version = None,
    execute: Execute = False,
    as_json: AsJson = False,
) -> None:
    """Sostituisce il testo o i documenti di un messaggio già inviato: IO li prende da qui a ogni apertura.

    La versione di prima resta, e la mostra `postino remote-content versions`. Il documento nuovo si carica
    prima nel contenitore documents.

    Per esempio: postino remote-content correct TARI-2026-000123 --attachment 1=tari/2026/000123-corretto.pdf
    --execute
    """

    async def work(stores: Operator) -> dict[str, Any]:
        entry, kept = await _found(stores, request_id)
        if version not in (None, kept.version):
            _changed(request_id)
        planned = await _plan(stores, entry, kept, correction)
        if execute:
            named = ",".join(planned.changes)
            await stores.audit.record(ACTION, request_id, version=str(kept.version), fields=named)
            await _correct(stores, request_id, planned)
        return {
            "action": "correct",
            "executed": execute,
            "request_id": request_id,
            "version": kept.version + execute,
            "undeclared": planned.undeclared,
            "changes": [_fact(field, *values) for field, values in planned.changes.items()],
        }

    document = ask(work)
    if as_json:
        print_json(document)
    else:
        _print_for_people(document)


def versions(request_id: RequestIdArgument, as_json: AsJson = False) -> None:
    """Elenca le versioni di ciò che IO prende per un messaggio; l'ultima è quella che i cittadini vedono.

    Per esempio: postino remote-content versions TARI-2026-000123
    """

    async def work(stores: Operator) -> list[dict[str, Any]]:
        _, kept = await _found(stores, request_id)
        found = [one async for one in stores.remote_contents.versions(kept.remote_content_id)]
        return [_version(one, stores.remote_contents.content_of(one)) for one in found]

    found = ask(work)
    if as_json:
        print_json(found)
    else:
        rows = [{**one, "blobs": " ".join(one["blobs"])} for one in found]
        print_table(COLUMNS.values(), ([row[name] for name in COLUMNS] for row in rows))


async def _found(stores: Operator, request_id: str) -> tuple[Entry, KeptContent]:
    entry = await stores.ledger.get(request_id)
    if entry is None:
        fail(NOT_FOUND, f"Nessuna richiesta con request_id {request_id}: controlla maiuscole e minuscole.")
    fetched = entry.remote_content_id
    if fetched is None:
        fail(WRONG, f"{request_id} non ha un contenuto remoto: un messaggio inviato non si può cambiare.")
    kept = await stores.remote_contents.get(fetched)
    if kept is None:
        fail(WRONG, f"IO non prende nulla per {request_id}: guarda `postino show {request_id}`.")
    return entry, kept


async def _plan(stores: Operator, entry: Entry, kept: KeptContent, correction: Correction) -> _Planned:
    if entry.state in NEVER_OPENED:
        ended = named(STATES, entry.state)
        fail(WRONG, f"{entry.request_id} non è arrivata al cittadino, e nessuno la aprirà: {ended}.")
    before = stores.remote_contents.content_of(kept)
    try:
        after = corrected(before, correction, stores.ledger.fiscal_code_of(entry))
    except InvalidRequest as invalid:
        broken = (f"{one.field}: {in_italian(one.rule)}" for one in invalid.violations)
        fail(WRONG, "Il contenuto corretto non è valido:", *broken)
    found = changes(before, after)
    if not found:
        fail(WRONG, "Non cambierebbe nulla: indica che cosa correggere, per esempio --attachment 1=BLOB.")
    return _Planned(kept, after, found, await _examined(stores, kept, after, found))


async def _examined(
    stores: Operator, kept: KeptContent, after: RemoteContent, found: dict[str, tuple[Any, Any]]
) -> int | None:
    """Read each new document, and return how many documents do not say that they are PDF/A."""
    new = {field: blob for field, (_, blob) in found.items() if field.endswith(SHOWN)}
    if not new:
        return kept.undeclared
    documents = stores.documents()
    declared = []
    for field, blob in new.items():
        try:
            declared.append(await read_document(kept.request_id, blob, documents, SEARCHED))
        except IoError as error:
            _wrong_document(field, error)
    return declared.count(False) if len(new) == len(after.attachments) else None


def _wrong_document(field: str, error: IoError) -> NoReturn:
    reasons = {
        "document_missing": "il contenitore documents non ha questo blob: caricalo prima",
        "documents_unanswered": "lo storage dei blob non risponde o rifiuta l'accesso: serve il ruolo "
        "Storage Blob Data Reader",
    }
    fail(WRONG, f"{field}: {reasons.get(error.reason) or REASONS[error.reason]} ({error.reason}).")


async def _correct(stores: Operator, request_id: str, planned: _Planned) -> None:
    try:
        await stores.remote_contents.correct(
            planned.kept, planned.content, clock(), undeclared=planned.undeclared
        )
    except Changed:
        _changed(request_id)


def _changed(request_id: str) -> NoReturn:
    fail(
        WRONG,
        "Nel frattempo il contenuto è cambiato, e non è stato toccato: "
        f"guarda `postino remote-content versions {request_id}`.",
    )


def _fact(field: str, before: Any, after: Any) -> dict[str, Any]:
    shown = [value if field.endswith(SHOWN) else length_of(value) for value in (before, after)]
    return {"field": field, "before": shown[0], "after": shown[1]}


def _version(kept: KeptContent, content: RemoteContent) -> dict[str, Any]:
    return {
        "version": kept.version,
        "since": kept.since,
        "blobs": [attachment.blob for attachment in content.attachments],
        "undeclared": kept.undeclared,
    }


def _print_for_people(document: dict[str, Any]) -> None:
    rows = ([for_people(value) for value in change.values()] for change in document["changes"])
    print_table(("campo", "era", "diventa"), rows)
    if document["undeclared"]:
        undeclared = counted(document["undeclared"], "documento non dichiara", "documenti non dichiarano")
        print_note(f"{undeclared} di essere PDF/A, come IO raccomanda.")
    if document["executed"]:
        print_note(f"Fatto: da ora i cittadini vedono la versione {document['version']}.")
    else:
        print_note(
            "Prova, nessuna modifica. Ripeti con "
            f"--version {document['version']} --execute per farlo davvero."
        )
