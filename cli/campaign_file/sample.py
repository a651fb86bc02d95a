"""A row of invented values, by which a template is tried without the data of any citizen."""

from collections.abc import Iterator, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Final

from cli.campaign_file.cells import Row, Value, text_of
from cli.campaign_file.columns import (
    AMOUNT,
    ATTACHMENT_NAME,
    BLOB,
    DUE_DATE,
    EXPIRES_AT,
    FISCAL_CODE,
    NOT_BEFORE,
    NOTICE_NUMBER,
    PAYEE,
    PRIORITY,
    REQUEST_ID,
    Column,
    Columns,
    template_key,
)
from cli.campaign_file.italian import END_OF_DAY, START_OF_DAY
from cli.campaign_file.row_request import RowRequests
from cli.campaign_file.template import Template
from report.italian import with_comma

# The citizen of IO's documentation. A trial replaces it by the test recipient's.
SPECIMEN: Final = "AAAAAA00A00A000A"
# The check digits of the first sixteen are 03 (pagoPA, SACI: modulo 93), so no creditor can have issued it.
NOTICE: Final = "300000000000000000"
CENTS: Final = 1_000
_PEOPLE: Final = {"nome": "Maria", "cognome": "Esempio", "nominativo": "Maria Esempio"}


def sample_columns(template: Template) -> Columns:
    """Return the columns of a file with just what the template uses. Raises Unusable."""
    keys = {template_key(FISCAL_CODE.name): FISCAL_CODE.name, **template.names}
    payment = {template_key(field.name): field.name for field in (AMOUNT, NOTICE_NUMBER)}
    if payment.keys() & keys.keys():
        keys |= payment
    return Columns.of(Row(1, [*keys.values()]))


def sample_row(
    columns: Columns, template: Template, *, today: date, cents: int = CENTS, payee: str | None = None
) -> Row:
    """Return a row of invented values. `payee`: the creditor, an organization, as the file names it."""
    cells: list[Value] = [None] * columns.width
    for column in columns.all:
        cells[column.index] = _cell(column, template, today, cents, payee)
    return Row(columns.header_row + 1, cells)


def rounded_up(cents: int) -> int:
    """Return the lowest amount of two significant digits that is not below `cents`.

    It is nobody's amount. A limit of IO that has two such digits itself refuses it exactly when it refuses
    `cents`.
    """
    unit: int = 10 ** max(0, len(str(cents)) - 2)
    return -(-cents // unit) * unit


def invented(row_requests: RowRequests, row: Row) -> Iterator[str]:
    """Yield each column that the citizen would see, with its value in the row."""
    for column in row_requests.columns.all:
        if column.key in row_requests.template.names or column.field in (AMOUNT, NOTICE_NUMBER, DUE_DATE):
            yield f"{column.header} {text_of(row.cell(column.index))}"


def _cell(column: Column, template: Template, today: date, cents: int, payee: str | None) -> Value:
    if column.field is None:
        return _text(column.key, template.filters.get(column.key, frozenset()), today)
    of_field: Mapping[str, Value] = {
        FISCAL_CODE.path: SPECIMEN,
        AMOUNT.path: with_comma(f"{Decimal(cents) / 100:.2f}"),
        NOTICE_NUMBER.path: NOTICE,
        DUE_DATE.path: _end_of(today),
        REQUEST_ID.path: "prova",
        PAYEE.path: payee,
        NOT_BEFORE.path: datetime.combine(date(today.year, 1, 1), START_OF_DAY),
        EXPIRES_AT.path: _end_of(today),
        PRIORITY.path: "urgente",
        BLOB.path: None,
        ATTACHMENT_NAME.path: None,
    }
    return of_field[column.field.path]


def _text(key: str, filters: frozenset[str], today: date) -> Value:
    if "euro" in filters:
        return "10,00"
    if filters & {"data", "data_lunga", "ora"}:
        return _end_of(today)
    if key == "anno":
        return str(today.year)
    return _PEOPLE.get(key, f"esempio-{key}")


def _end_of(today: date) -> datetime:
    # The same all year, so that the same text is the same trial.
    return datetime.combine(date(today.year, 12, 31), END_OF_DAY)
