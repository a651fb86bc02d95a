"""Requests as an institution's system writes them, each with its expected end."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import count
from typing import Any

from contract.settlement import Settlement
from local.demo.document import Document, a_pdf
from local.demo.texts import IDENTITY_CARD, NURSERY, PARKING_PERMIT, WASTE_TAX, Text

# The expected outcomes of a message, by state and reason.
DELIVERED = ("accepted", "processed")
READ = (*DELIVERED, "read")
PAID = (*READ, "paid")
SETTLED = (*READ, "paid (settled_upstream)")
IN_DOUBT = ("in_doubt (connection_lost)",)
INVALID = ("parked (invalid)",)

# A citizen's script, in the words of the IO simulator.
type Citizen = Mapping[str, object]

IDLE: Citizen = {"reads_after_seconds": None, "pays_after_seconds": None}

_REFERENCE = "Rif. "


@dataclass(frozen=True)
class Case:
    """One request and its end.

    `kind` groups cases for people. The `bodies` go on the queue at once, the `late` ones when IO has accepted
    the message. `settlement` is what the creditor then reports of the notice. A reminder has no body, because
    Postino makes it. `a_week_later` are the `expected` outcomes that come only then. `not_reminded` are the
    reasons why the citizen gets no reminder. `subject` is what IO must hold if it gets the message.
    `violations` are the fields for which an invalid request is parked. `request_id` is None for the one body
    that has none. `document` is the PDF that the citizen opens.
    """

    kind: str
    request_id: str | None
    fiscal_code: str = field(repr=False)
    citizen: Citizen = field(repr=False)
    bodies: tuple[str, ...] = field(repr=False)
    expected: tuple[str, ...]
    subject: str
    late: tuple[str, ...] = field(default=(), repr=False)
    a_week_later: tuple[str, ...] = ()
    not_reminded: tuple[str, ...] = ()
    settlement: str | None = None
    violations: frozenset[str] = frozenset()
    document: Document | None = None

    @property
    def at_first(self) -> tuple[str, ...]:
        """The outcomes expected before the week is over."""
        return self.expected[: len(self.expected) - len(self.a_week_later)]

    @property
    def end(self) -> tuple[str, ...]:
        """The end for people: the outcomes, and the reasons that only the ledger holds."""
        opened = (f"opened ({len(self.document.content)} bytes)",) if self.document else ()
        return (*self.expected, *opened, *(f"not reminded ({reason})" for reason in self.not_reminded))

    @property
    def is_reminder(self) -> bool:
        """Whether Postino makes the request."""
        return not self.bodies

    @property
    def reaches_io(self) -> bool:
        """Whether IO must hold the message, once."""
        return self.expected[0] == "accepted" or self.expected == IN_DOUBT


@dataclass(frozen=True)
class Row:
    """`times` cases of one kind.

    `language` is the one that the recipients prefer. `fields` are the special fields of the request, by path.
    `a_week_later` are outcomes that come after the `expected` ones.
    """

    kind: str
    times: int
    text: Text
    expected: tuple[str, ...] = DELIVERED
    citizen: Citizen = field(default_factory=lambda: IDLE)
    language: str = "it_IT"
    fields: Mapping[str, object] = field(default_factory=dict)
    settled: bool = False
    a_week_later: tuple[str, ...] = ()
    not_reminded: tuple[str, ...] = ()


class CaseMaker:
    """Makes cases, each with its own number. Dates are relative to `now` (UTC)."""

    def __init__(self, now: datetime) -> None:
        self._numbers = count(1)
        self._due_date = f"{now + timedelta(days=30):%Y-%m-%d}T23:59:59+02:00"

    def of(self, row: Row) -> list[Case]:
        """Return the cases of a row."""
        return [self._case(row, next(self._numbers)) for _ in range(row.times)]

    def in_base64(self) -> Case:
        """Return a case with a Base64 body, the default of many queue bindings."""
        [case] = self.of(Row("body in base64", 1, IDENTITY_CARD))
        return replace(case, bodies=tuple(base64.b64encode(body.encode()).decode() for body in case.bodies))

    def repeated(self) -> list[Case]:
        """Return requests that come twice at the same moment, and once more later."""
        cases = self.of(Row("same request, three times", 2, NURSERY))
        return [replace(case, bodies=case.bodies * 2, late=case.bodies) for case in cases]

    def other_content(self) -> Case:
        """Return a case whose request_id comes again with another text."""
        row = Row("same id, other content", 1, PARKING_PERMIT, (*DELIVERED, "parked (conflict)"))
        [case] = self.of(row)
        other = json.loads(case.bodies[0])
        other["content"]["subject"] = IDENTITY_CARD.subject
        return replace(case, late=(json.dumps(other),))

    def reminded(self, row: Row, name: str, subject: str) -> list[Case]:
        """Return a request and the reminder `name` for it, which has the `subject`."""
        [case] = self.of(row)
        reminder = Case(
            kind=f"- its reminder {name}",
            request_id=f"{case.request_id}:{name}",
            fiscal_code=case.fiscal_code,
            citizen=case.citizen,
            bodies=(),
            expected=DELIVERED,
            a_week_later=DELIVERED,
            subject=subject,
        )
        return [case, reminder]

    def with_document(self, row: Row) -> Case:
        """Return a case whose message has a document, and a text that IO fetches with it."""
        [case] = self.of(row)
        document = Document(
            f"demo/{case.request_id}.pdf", "ricevuta-tari.pdf", a_pdf(f"Ricevuta {case.request_id}")
        )
        request = json.loads(case.bodies[0])
        request["remote_content"] = {
            **{name: request["content"][name] for name in ("subject", "markdown")},
            "attachments": [{"name": document.name, "blob": document.blob}],
        }
        return replace(case, bodies=(json.dumps(request, ensure_ascii=False),), document=document)

    def invalid(self) -> list[Case]:
        """Return requests that IO would refuse, or that are malformed. Each breaks a different rule."""
        mistakes: dict[str, object] = {
            "fiscal_code": "AAAAAA00A00A",
            "service": "biblioteca",
            "priority": "high",
            "content.subject": "TARI",
            "content.markdown": "Paga.",
            "content.payment_data.amount": 120.50,
            "content.payment_data.notice_number": "3010",
        }
        rows = [
            Row("invalid", 1, WASTE_TAX, INVALID, fields={path: value}) for path, value in mistakes.items()
        ]
        cases = [replace(case, violations=frozenset(row.fields)) for row in rows for case in self.of(row)]
        [case] = self.of(Row("malformed", 1, IDENTITY_CARD, INVALID))
        malformed = replace(
            case, request_id=None, bodies=(case.bodies[0][:-20],), violations=frozenset({"body"})
        )
        return [*cases, malformed]

    def _case(self, row: Row, number: int) -> Case:
        request_id = f"{row.text.code}-{number:04d}"
        # An invented code, on the pattern of PagoPA's specimen.
        fiscal_code = f"AAAAAA00A00A{number:03d}A"
        notice_number = f"3010{number:014d}"
        request = self._request(row.text, request_id, fiscal_code, notice_number)
        for path, value in row.fields.items():
            _set(request, path, value)
        subject, _ = row.text.translations.get(row.language, (row.text.subject, ""))
        return Case(
            kind=row.kind,
            request_id=request_id,
            fiscal_code=fiscal_code,
            citizen={**row.citizen, "preferred_languages": [row.language]},
            bodies=(json.dumps(request, ensure_ascii=False),),
            expected=(*row.expected, *row.a_week_later),
            a_week_later=row.a_week_later,
            not_reminded=row.not_reminded,
            subject=subject,
            settlement=Settlement(notice_number=notice_number).to_json() if row.settled else None,
        )

    def _request(self, text: Text, request_id: str, fiscal_code: str, notice_number: str) -> dict[str, Any]:
        content: dict[str, object] = {"subject": text.subject, "markdown": _signed(text.markdown, request_id)}
        if text.has_due_date:
            content["due_date"] = self._due_date
        if text.has_payment:
            content["payment_data"] = {"amount": 12_050, "notice_number": notice_number}
        translations = {
            language: {"subject": subject, "markdown": _signed(markdown, request_id)}
            for language, (subject, markdown) in text.translations.items()
        }
        return {
            "request_id": request_id,
            "service": text.service,
            "fiscal_code": fiscal_code,
            "content": content,
            "translations": translations,
            "campaign": "demo",
        }


def reference_in(markdown: str) -> str | None:
    """Return the request_id at the end of a message's text. Postino's own texts have none."""
    _, found, reference = markdown.rpartition(_REFERENCE)
    return reference if found else None


def _signed(markdown: str, request_id: str) -> str:
    return f"{markdown}\n\n{_REFERENCE}{request_id}"


def _set(document: dict[str, Any], path: str, value: object) -> None:
    *parents, name = path.split(".")
    for parent in parents:
        document = document[parent]
    document[name] = value
