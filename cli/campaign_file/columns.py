"""The columns of a campaign's file: fields of a request, by Italian or English names, or of the template.

Case, accents, spaces and signs make no difference in a name.
"""

import unicodedata
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Self

from cli.campaign_file import italian
from cli.campaign_file.cells import Row, letter_of, text_of
from cli.campaign_file.findings import Finding, Place, Unusable
from cli.campaign_file.italian import END_OF_DAY, START_OF_DAY, Reader, instant_at
from contract.request import MessageRequest


@dataclass(frozen=True)
class Field:
    """A field of a request that a column may hold: its path in the request and its names as a header."""

    path: str
    names: tuple[str, ...]
    read: Reader

    @property
    def name(self) -> str:
        """The field's name for operators."""
        return self.names[0]

    @property
    def is_available(self) -> bool:
        """Whether requests have this field."""
        return self.path.partition(".")[0] in MessageRequest.model_fields


FISCAL_CODE: Final = Field(
    "fiscal_code", ("codice_fiscale", "fiscal_code", "cf", "cod_fiscale"), italian.fiscal_code
)
AMOUNT: Final = Field(
    "content.payment_data.amount", ("importo", "amount", "importo_euro", "importo_da_pagare"), italian.amount
)
NOTICE_NUMBER: Final = Field(
    "content.payment_data.notice_number",
    ("numero_avviso", "notice_number", "codice_avviso", "numero_avviso_pagopa", "nav"),
    italian.notice_number,
)
DUE_DATE: Final = Field(
    "content.due_date", ("scadenza", "due_date", "data_scadenza", "data_di_scadenza"), instant_at(END_OF_DAY)
)
REQUEST_ID: Final = Field("request_id", ("id", "request_id", "id_richiesta"), italian.text)
EXPIRES_AT: Final = Field("expires_at", ("invia_entro", "expires_at"), instant_at(END_OF_DAY))
BLOB: Final = Field("remote_content.attachments.0.blob", ("allegato", "attachment"), italian.text)
ATTACHMENT_NAME: Final = Field(
    "remote_content.attachments.0.name", ("nome_allegato", "attachment_name"), italian.text
)
PAYEE: Final = Field(
    "content.payment_data.payee.fiscal_code",
    ("ente_creditore", "payee", "codice_fiscale_ente_creditore"),
    italian.organization_code,
)
NOT_BEFORE: Final = Field("not_before", ("invia_dal", "not_before"), instant_at(START_OF_DAY))
PRIORITY: Final = Field("priority", ("priorita", "priority"), italian.priority)
FIELDS: Final = (
    FISCAL_CODE,
    AMOUNT,
    NOTICE_NUMBER,
    DUE_DATE,
    REQUEST_ID,
    PAYEE,
    NOT_BEFORE,
    EXPIRES_AT,
    PRIORITY,
    BLOB,
    ATTACHMENT_NAME,
)


def key_of(name: str) -> str:
    """Return what two ways to write a name share: its letters and digits, without case and accents."""
    plain = unicodedata.normalize("NFKD", name).casefold()
    return "".join(filter(str.isalnum, plain))


_FIELD_BY_KEY: Final[Mapping[str, Field]] = {key_of(name): one for one in FIELDS for name in one.names}


def template_key(name: str) -> str:
    """Return the key by which a template finds a column: all names of a field have the same key."""
    found = _FIELD_BY_KEY.get(key_of(name))
    return key_of(found.name) if found else key_of(name)


@dataclass(frozen=True)
class Column:
    """A column of the file. `field` is None for a column of the template."""

    index: int
    header: str
    field: Field | None

    @property
    def key(self) -> str:
        """The key by which a template finds this column."""
        return template_key(self.header)

    @property
    def place(self) -> Place:
        """The column, as findings name it."""
        return Place(self.header, letter_of(self.index))


@dataclass(frozen=True)
class Columns:
    """All columns of a file."""

    all: tuple[Column, ...]
    header_row: int

    @classmethod
    def of(cls, header: Row) -> Self:
        """Read the header row. Raises Unusable with every mistake of the headers."""
        found = [
            Column(index, text_of(value), _FIELD_BY_KEY.get(key_of(text_of(value))))
            for index, value in enumerate(header.cells)
            if value is not None
        ]
        columns = cls(tuple(found), header.number)
        if not found:
            raise Unusable.because("file-vuoto")
        findings = [
            *columns._repeated(),
            *columns._unavailable(),
            *columns._missing(),
            *columns._gaps(header),
        ]
        if findings:
            raise Unusable(findings)
        return columns

    @cached_property
    def by_key(self) -> Mapping[str, Column]:
        """The columns by the key that a template uses."""
        return {column.key: column for column in self.all}

    @cached_property
    def by_path(self) -> Mapping[str, Column]:
        """The columns that hold a field, by its path in the request."""
        return {column.field.path: column for column in self.all if column.field}

    @cached_property
    def width(self) -> int:
        """The number of cells that a row may fill."""
        return max(column.index for column in self.all) + 1

    def check_template(self, keys: Mapping[str, str], place: Place) -> None:
        """Raise Unusable if the template uses fields that no column holds. `keys` has their names."""
        missing = [name for key, name in keys.items() if key not in self.by_key]
        if missing:
            raise Unusable(
                Finding.of("campo-del-modello-mancante", place, name=f"«{name}»") for name in missing
            )

    def unused(self, keys: Collection[str]) -> Sequence[str]:
        """Return the headers of the columns that neither a request nor the template uses."""
        return [column.header for column in self.all if not column.field and column.key not in keys]

    def _repeated(self) -> Iterator[Finding]:
        seen: dict[str, Column] = {}
        for column in self.all:
            other = seen.setdefault(column.key or f"#{column.index}", column)
            if other is not column and column.field and key_of(column.header) != key_of(other.header):
                yield self._finding("campo-ripetuto", column, other=other.place, name=column.field.name)
            elif other is not column:
                yield self._finding("intestazione-ripetuta", column, other=other.place)

    def _unavailable(self) -> Iterator[Finding]:
        for column in self.all:
            if column.field and not column.field.is_available:
                yield self._finding("colonna-non-disponibile", column)

    def _missing(self) -> Iterator[Finding]:
        fields = {column.field for column in self.all}
        if FISCAL_CODE not in fields:
            yield Finding.of("colonna-mancante", row=self.header_row, name=FISCAL_CODE.name)
        for one, other in ((AMOUNT, NOTICE_NUMBER), (NOTICE_NUMBER, AMOUNT)):
            if one in fields and other not in fields:
                yield Finding.of("colonna-mancante", row=self.header_row, name=other.name)
        if ATTACHMENT_NAME in fields and BLOB not in fields:
            yield Finding.of("colonna-mancante", row=self.header_row, name=BLOB.name)

    def _gaps(self, header: Row) -> Iterator[Finding]:
        for index, value in enumerate(header.cells[: self.width]):
            if value is None or not key_of(text_of(value)):
                yield self._finding("intestazione-vuota", Column(index, text_of(value or ""), None))

    def _finding(self, code: str, column: Column, **details: object) -> Finding:
        return Finding.of(code, column.place, self.header_row, **details)
