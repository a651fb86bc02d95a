"""Checks a whole campaign before anything leaves: pass 1 of `postino send`."""

from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from hashlib import blake2b
from typing import Final

from cli.campaign_file.cells import Value
from cli.campaign_file.columns import AMOUNT, DUE_DATE, EXPIRES_AT, Column, key_of
from cli.campaign_file.findings import Finding, Findings
from cli.campaign_file.repeats import Repeats
from cli.campaign_file.row_request import RowRequests, RowResult
from cli.campaign_file.template import Template
from cli.campaign_file.text_rules import (
    delicate_word,
    link_codes,
    markdown_codes,
    subject_codes,
    without_placeholders,
)
from contract.request import MessageRequest
from report.italian import euros, moment
from storage.queues import fits

_NAMES: Final = """nome cognome nominativo intestatario contribuente destinatario nomeecognome cognomeenome
nomecognome cognomenome denominazione genitore alunno figlio paziente coniuge
name firstname lastname surname fullname"""
# UTF-8 read as Windows-1252: an accented letter becomes these two signs.
_GARBLED: Final = ("Ã\u00a0", "Ã¨", "Ã©", "Ã¬", "Ã²", "Ã¹", "Ã€", "Ãˆ", "â€", "Â°", "\ufffd")


def fingerprint(request: MessageRequest) -> int:
    """Return eight bytes that tell a request from any other."""
    return int.from_bytes(blake2b(request.canonical_bytes(), digest_size=8).digest())


@dataclass
class Checked:
    """A campaign that was checked. `fingerprints` holds those of its requests, in order, 8 bytes each.

    `highest_cents`: the highest amount; `first`: the request of the first row that has one; `starts`: how
    many requests of a spread campaign begin in each hour; `late`: how many of them began in the past.
    """

    findings: Findings = field(default_factory=Findings)
    rows: int = 0
    payments: int = 0
    cents: int = 0
    highest_cents: int = 0
    first: MessageRequest | None = None
    starts: Counter[datetime] = field(default_factory=Counter)
    late: int = 0
    fingerprints: array[int] = field(default_factory=lambda: array("Q"))
    previews: list[MessageRequest] = field(default_factory=list)

    def take(self, request: MessageRequest, previews: int) -> None:
        """Count a request, and keep it if it is among the first `previews`."""
        self.fingerprints.append(fingerprint(request))
        self.first = self.first or request
        if payment := request.content.payment_data:
            self.payments += 1
            self.cents += payment.amount
            self.highest_cents = max(self.highest_cents, payment.amount)
        if len(self.previews) < previews:
            self.previews.append(request)


@dataclass(frozen=True, kw_only=True)
class Linter:
    """Checks rows. `most_cents` is the highest amount allowed, if any."""

    requests: RowRequests
    now: datetime
    most_cents: int | None = None

    def check(
        self,
        results: Iterator[RowResult],
        *,
        previews: int = 0,
        on_row: Callable[[], None] = lambda: None,
    ) -> Checked:
        """Check the template and every row. Raises Unusable where the file cannot be read on."""
        checked = Checked()
        checked.findings.add(template_findings(self.requests.template))
        repeats = Repeats(self.requests)
        for result in results:
            checked.rows += 1
            checked.findings.add(result.findings)
            checked.findings.add(self._row_findings(result))
            checked.findings.add(repeats.findings(result))
            if result.request:
                checked.take(result.request, previews)
                self._count_start(result.request, checked)
            on_row()
        if not checked.rows:
            checked.findings.add([Finding.of("file-vuoto")])
        return checked

    def _count_start(self, request: MessageRequest, checked: Checked) -> None:
        if self.requests.spread and request.not_before:
            checked.starts[self.requests.spread.hour_of(request.not_before)] += 1
            checked.late += request.not_before < self.now

    def _row_findings(self, result: RowResult) -> Iterator[Finding]:
        number = result.row.number
        for code, path in self._value_codes(result):
            most = euros(self.most_cents or 0)
            yield Finding.of(code, self.requests.place_of(path), number, most=most)
        for column in self._shown_columns:
            for code in _cell_codes(result.row.cell(column.index)):
                yield Finding.of(code, column.place, number)
        if result.request:
            yield from self._request_findings(result.request, result)

    def _value_codes(self, result: RowResult) -> Iterator[tuple[str, str]]:
        due, expires = (result.values.get(field.path) for field in (DUE_DATE, EXPIRES_AT))
        if due and due < self.now:
            yield "scadenza-passata", DUE_DATE.path
        if expires and expires <= self.now:
            yield "termine-passato", EXPIRES_AT.path
        if self.most_cents is not None and result.values.get(AMOUNT.path, 0) > self.most_cents:
            yield "importo-massimo", AMOUNT.path

    @cached_property
    def _shown_columns(self) -> Sequence[Column]:
        return [
            column
            for column in self.requests.columns.all
            if column.key in self.requests.template.names and not column.field
        ]

    def _request_findings(self, request: MessageRequest, result: RowResult) -> Iterator[Finding]:
        names = self._names(result)
        texts = {"content": request.content} | {
            f"translations.{language}": text for language, text in request.translations.items()
        }
        for path, text in texts.items():
            place = self.requests.place_of(f"{path}.subject")
            for code in subject_codes(text.subject, names):
                yield Finding.of(code, place, result.row.number)
            if word := delicate_word(text.subject):
                yield Finding.of("oggetto-salute", place, result.row.number, word=word)
        due, start = request.content.due_date, request.not_before
        if self.requests.spread and due and start and start >= due:
            place = self.requests.place_of(DUE_DATE.path)
            yield Finding.of("distribuzione-scadenza", place, result.row.number, start=moment(start))
        if not fits(request.to_json()):
            yield Finding.of("richiesta-troppo-grande", self.requests.template.place, result.row.number)

    def _names(self, result: RowResult) -> list[str]:
        values = (result.row.cell(column.index) for column in self._name_columns)
        return [value for value in values if isinstance(value, str)]

    @cached_property
    def _name_columns(self) -> Sequence[Column]:
        names = _NAMES.split()
        return [column for column in self.requests.columns.all if key_of(column.header) in names]


def template_findings(template: Template) -> Iterator[Finding]:
    """Yield what the template says in every row: links and markdown, in all its branches."""
    for path, source in template.sources.items():
        text = without_placeholders(source)
        for code in (*link_codes(text), *markdown_codes(text)):
            yield Finding.of(code, template.place_of(path))


def _cell_codes(value: Value) -> Iterator[str]:
    if isinstance(value, str):
        yield from link_codes(value)
        if any(signs in value for signs in _GARBLED):
            yield "testo-storpiato"
