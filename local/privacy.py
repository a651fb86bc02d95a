"""`python -m local.privacy`: writes the tables of docs/privacy.md, what is stored where, from the code.

Tables, columns, queues and the container come from the code. A store or column that is not described here
fails the test.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Final

from io_api import rate_limiter
from storage import (
    audit,
    campaigns,
    counters,
    documents,
    due_index,
    key_checks,
    ledger,
    notices,
    parked,
    queues,
    reminder_days,
    remote_contents,
    subscriptions,
)
from storage.ledger import Entry
from storage.parked import ParkedMessage
from storage.remote_contents import KeptContent

FILE: Final = Path(__file__).parents[1] / "docs/privacy.md"
SEALED, HASHED, CLEAR = "cifrato", "impronta con chiave", "in chiaro"
KEY: Final = {SEALED: "`ENCRYPTION_KEYS`", HASHED: "la chiave degli indici", CLEAR: "—"}
KEYS: Final = ("PartitionKey", "RowKey")
# The fields of a row's dataclass that are no columns, with what stands for them in the table.
COLUMN_OF: Final = {"sealed_body": "body0, …", "body": "body0, …", "sealed": "content0, …"}
NO_COLUMNS: Final = frozenset({"row", "etag"})
APP, OPERATORS = "l'app", "gli operatori"


@dataclass(frozen=True)
class Store:
    """What a table keeps, and for how long. Columns without personal data are `technical`."""

    what: str
    kept: str
    sealed: tuple[str, ...] = ()
    hashed: tuple[str, ...] = ()
    technical: tuple[str, ...] = ()

    @property
    def columns(self) -> frozenset[str]:
        """Every described column."""
        return frozenset((*self.sealed, *self.hashed, *self.technical))


def _columns(row: type, *others: str) -> tuple[str, ...]:
    """Return the columns of a row's dataclass, without those of `others`, which have a line of their own."""
    names = [field.name for field in fields(row) if field.name not in NO_COLUMNS]
    return tuple(name for one in names if (name := COLUMN_OF.get(one, one)) not in others)


_ROW: Final = "con la riga"
TABLES: Final[Mapping[str, Store]] = {
    ledger.TABLE: Store(
        "il registro: una riga per richiesta; alla fine o dopo una cancellazione solo `state`, `campaign` e "
        "`buried_at`",
        "la riga per `LEDGER_RETENTION_DAYS`, il testo finché serve a inviare o a sollecitare (al più "
        "`CONTENT_RETENTION_DAYS`), ciò che resta poi per `TOMBSTONE_RETENTION_DAYS`",
        sealed=("sealed_fiscal_code", "body0, …"),
        hashed=("recipient", "content_digest", "notice"),
        technical=(
            *KEYS,
            *_columns(Entry, "sealed_fiscal_code", "body0, …", "recipient", "content_digest", "notice"),
            *("buried_at", "told_at"),
        ),
    ),
    parked.TABLE: Store(
        "i messaggi parcheggiati, con il corpo come è arrivato",
        "finché un operatore decide, al più `PARKED_RETENTION_DAYS`",
        sealed=("body0, …",),
        hashed=("RowKey",),
        technical=("PartitionKey", *_columns(ParkedMessage, "body0, …")),
    ),
    notices.TABLE: Store(
        "quali richieste portano un avviso pagoPA, e se è pagato",
        _ROW,
        hashed=("PartitionKey",),
        technical=("RowKey", "request_id", "paid_at", "told_at"),
    ),
    remote_contents.TABLE: Store(
        "ciò che IO prende quando il cittadino apre il messaggio: testi, nomi dei documenti e versioni",
        "`DOCUMENT_RETENTION_DAYS`; senza, con la riga",
        sealed=("content0, …",),
        hashed=("recipient", "PartitionKey (document-…)"),
        technical=("PartitionKey", "RowKey", *_columns(KeptContent, "content0, …", "recipient")),
    ),
    reminder_days.TABLE: Store(
        "quanti solleciti ha avuto una persona in un giorno",
        _ROW,
        hashed=("PartitionKey",),
        technical=("RowKey", "reminder"),
    ),
    due_index.TABLE: Store(
        "quando chiedere a IO lo stato di un messaggio",
        "finché il messaggio è seguito",
        technical=(*KEYS, "watermark", "swept_at", "lease_until"),
    ),
    due_index.REMINDERS_TABLE: Store(
        "quando decidere di un sollecito",
        "finché possono venire solleciti",
        technical=(*KEYS, "watermark", "swept_at", "lease_until"),
    ),
    due_index.ENDS_TABLE: Store(
        "quando finisce ciò che è conservato, e dove è arrivato il giro di recupero",
        "fino alla fine, e poi tolto",
        hashed=("RowKey (…@notice:…)",),
        technical=(
            *(*KEYS, "watermark", "swept_at", "lease_until"),
            *("periods", "began_at", "table", "partition", "key"),
        ),
    ),
    campaigns.TABLE: Store(
        "solleciti fermi, distribuzione e segreto di una campagna, da cui si calcolano i request_id",
        "finché la campagna si può rilanciare",
        sealed=("sealed",),
        technical=(*KEYS, "at", "by", "spread", "bounds"),
    ),
    subscriptions.TABLE: Store(
        "il registro degli iscritti: chi ha attivato un servizio su IO, e da quando",
        "finché non è cancellato; senza `SUBSCRIPTIONS_FEED` non c'è",
        hashed=("RowKey",),
        technical=("PartitionKey", "subscribed", "through", "refused_at", "ask_at"),
    ),
    audit.TABLE: Store(
        "le azioni degli operatori, senza dati dei cittadini",
        "`AUDIT_RETENTION_DAYS`, almeno sei mesi (Garante, 27 novembre 2008)",
        technical=(
            *(*KEYS, "at", "actor", "mark", "action", "target", "digest", "number", "since", "legacy"),
            "i dettagli dell'azione",
        ),
    ),
    counters.TABLE: Store(
        "i conti per campagna e servizio; una somma piccola può riguardare una persona sola",
        "non si cancella",
        technical=(
            *(*KEYS, "campaign", "service", "numbers", "first_at", "last_at", "accepted_at", "written"),
            *("rebuilt_at", "at"),
        ),
    ),
    key_checks.TABLE: Store(
        "quali chiavi hanno cifrato qualcosa, la chiave degli indici, a che punto è una rotazione",
        "finché la chiave serve; la chiave degli indici sempre",
        sealed=("sealed",),
        technical=(
            *(*KEYS, "target", "began_at", "not_before", "passes", "is_clean", "table", "partition"),
            *("resealed", "transactions", "ended_at"),
        ),
    ),
    rate_limiter.TABLE: Store(
        "il ritmo verso IO, le pause e le interruzioni: nessun dato di cittadini",
        "sempre, riscritto",
        technical=(*KEYS, "le misure del ritmo"),
    ),
}
_SECONDS: Final = "secondi, finché non è presa; se IO o lo storage non rispondono, finché rispondono"
_REFERENCE: Final = "riferimenti: solo il request_id"
QUEUES: Final[Mapping[str, tuple[str, str, str]]] = {
    queues.MESSAGE_REQUESTS: ("richieste: codice fiscale, testo, avviso", CLEAR, _SECONDS),
    queues.MESSAGE_REQUESTS_BULK: ("richieste di una campagna", CLEAR, _SECONDS),
    queues.MESSAGE_SENDS: (_REFERENCE, CLEAR, _SECONDS),
    queues.MESSAGE_SENDS_BULK: (_REFERENCE, CLEAR, _SECONDS),
    queues.MESSAGE_SETTLED: ("pagamenti: numero d'avviso o request_id", CLEAR, _SECONDS),
    queues.MESSAGE_OUTCOMES: ("esiti: request_id, stato, motivo", CLEAR, "finché l'ente li prende"),
}
_POISON: Final = "ciò che non si è potuto trattare, come è arrivato"
WRITERS: Final = {
    queues.MESSAGE_REQUESTS: "i sistemi dell'ente",
    queues.MESSAGE_REQUESTS_BULK: "i sistemi dell'ente",
    queues.MESSAGE_SETTLED: "il creditore",
}
READERS: Final = {queues.MESSAGE_OUTCOMES: "i sistemi dell'ente"}


def page(text: str) -> str:
    """Return the text of docs/privacy.md with the tables of today."""
    for name, head, rows in (("tabelle", _TABLE_HEAD, _tables()), ("code", _QUEUE_HEAD, _queues())):
        before, begin, rest = text.partition(f"<!-- {name} -->\n")
        _, end, after = rest.partition("<!-- fine -->\n")
        text = f"{before}{begin}{_table(head, rows)}{end}{after}"
    return text


_TABLE_HEAD: Final = ("tabella", "che cosa", "colonne", "come", "chiave", "per quanto")
_QUEUE_HEAD: Final = ("dove", "che cosa", "come", "per quanto", "chi scrive", "chi legge")


def _tables() -> Iterator[tuple[str, ...]]:
    for name, store in sorted(TABLES.items()):
        what = store.what
        for form, columns in ((SEALED, store.sealed), (HASHED, store.hashed), (CLEAR, store.technical)):
            if columns:
                yield (f"`{name}`", what, ", ".join(map(_code, columns)), form, KEY[form], store.kept)
                what = "〃"


def _queues() -> Iterator[tuple[str, ...]]:
    for name in queues.QUEUES:
        what, form, kept = QUEUES.get(name, (_POISON, CLEAR, "secondi, fino al parcheggio"))
        readers = ", ".join(filter(None, (APP, OPERATORS, READERS.get(name))))
        yield (f"coda `{name}`", what, form, kept, WRITERS.get(name, APP), readers)
    yield (
        f"contenitore `{documents.CONTAINER}`",
        "documenti PDF",
        f"{CLEAR} (cifratura di Azure a riposo)",
        "`DOCUMENT_RETENTION_DAYS`; senza, con la riga del loro messaggio; se non è inviato, "
        "finché l'ente li toglie",
        "i sistemi dell'ente",
        f"{APP}, che li serve solo a IO e per il destinatario; {OPERATORS}",
    )


def _code(column: str) -> str:
    return column if " " in column and "…" not in column else f"`{column}`"


def _table(head: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> str:
    lines = (head, ("---",) * len(head), *rows)
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


if __name__ == "__main__":
    FILE.write_text(page(FILE.read_text(encoding="utf-8")), encoding="utf-8")
