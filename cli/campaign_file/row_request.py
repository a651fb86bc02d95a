"""Turns a row into a request: its values read, the template rendered, everything checked by the contract."""

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from itertools import pairwise
from typing import Any, Final

from cli.campaign_file.cells import Row, Unreadable, text_of
from cli.campaign_file.columns import (
    AMOUNT,
    ATTACHMENT_NAME,
    BLOB,
    FISCAL_CODE,
    NOT_BEFORE,
    NOTICE_NUMBER,
    PRIORITY,
    REQUEST_ID,
    Column,
    Columns,
)
from cli.campaign_file.findings import Finding, Place
from cli.campaign_file.italian import WrongValue
from cli.campaign_file.spread import Spread, hash_of
from cli.campaign_file.template import Empty, EmptyField, Template, WrongFilter
from contract.request import MessageRequest, parse_request
from contract.violations import InvalidRequest, Violation
from report.italian import ROME
from storage.campaign_secrets import CampaignSecret

_PAYMENT: Final = "content.payment_data"
_OPTIONS: Final = {
    "service": Place("--service"),
    "campaign": Place("--campaign"),
    "request_id": Place("request_id"),
}


@dataclass
class RowResult:
    """A row with its values by path, its findings, and its request unless an error prevents it."""

    row: Row
    values: dict[str, Any] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    request: MessageRequest | None = None
    wrong: set[str] = field(default_factory=set)

    @property
    def fiscal_code(self) -> str:
        """The recipient's fiscal code as it will be sent; "" if there is none."""
        return str(self.values.get(FISCAL_CODE.path, ""))


@dataclass(frozen=True, kw_only=True)
class RowRequests:
    """Makes the requests of a campaign. The same row always gives the same request."""

    columns: Columns
    template: Template
    service: str
    services: Collection[str]
    secret: CampaignSecret
    spread: Spread | None = None

    def of(self, row: Row) -> RowResult:
        """Return the request of a row, or what prevents it."""
        result = RowResult(row)
        result.findings += self._too_wide(row)
        for column in self.columns.by_path.values():
            self._read(column, result)
        rendered = self._rendered(result)
        if rendered is not None:
            self._validate(self._document(result, rendered), result)
        return result

    def hash_of(self, row: Row) -> int:
        """Return the hash by which a spread decides when a row leaves."""
        result = RowResult(row)
        for column in self.columns.by_path.values():
            if column.field in (FISCAL_CODE, NOTICE_NUMBER, REQUEST_ID):
                self._read(column, result)
        return hash_of(self._digest(result))

    def place_of(self, path: str) -> Place:
        """Return where the value of a field of the request comes from."""
        if path == ATTACHMENT_NAME.path and path not in self.columns.by_path:
            path = BLOB.path
        for known, column in self.columns.by_path.items():
            if path == known or known.startswith(f"{path}."):
                return column.place
        return _OPTIONS.get(path) or self.template.place_of(path)

    def _too_wide(self, row: Row) -> Iterator[Finding]:
        for index in range(self.columns.width, len(row.cells)):
            if row.cell(index) is not None:
                yield Finding.of("celle-in-piu", Column(index, "", None).place, row.number)

    def _read(self, column: Column, result: RowResult) -> None:
        value = result.row.cell(column.index)
        if value is None:
            return
        assert column.field
        try:
            if isinstance(value, Unreadable):
                raise WrongValue(value)
            read, warnings = column.field.read(value)
        except WrongValue as error:
            result.wrong.add(column.field.path)
            result.findings.append(Finding.of(error.code, column.place, result.row.number))
            return
        result.findings += [Finding.of(code, column.place, result.row.number) for code in warnings]
        if read is not None or column.field is PRIORITY:
            result.values[column.field.path] = read

    def _rendered(self, result: RowResult) -> dict[str, Any] | None:
        unreadable = list(self._unreadable(result.row))
        result.findings += unreadable
        if unreadable:
            return None
        try:
            return self.template.render(self._fields(result))
        except EmptyField as error:
            # A known field with a wrong value has its own finding already.
            column = self.columns.by_key[error.key]
            if not (column.field and column.field.path in result.wrong):
                result.findings.append(Finding.of("cella-vuota", column.place, result.row.number))
        except WrongFilter as error:
            place = self._place_of_value(error.value, result.row)
            result.findings.append(Finding.of("filtro", place, result.row.number, name=error.name))
        return None

    def _unreadable(self, row: Row) -> Iterator[Finding]:
        for column in self.columns.all:
            value = row.cell(column.index)
            if isinstance(value, Unreadable) and not column.field and column.key in self.template.names:
                yield Finding.of(value, column.place, row.number)

    def _place_of_value(self, value: object, row: Row) -> Place:
        columns = (one for one in self.columns.all if text_of(row.cell(one.index)) == str(value))
        found = next((one for one in columns if one.key in self.template.names), None)
        return found.place if found else self.template.place

    def _fields(self, result: RowResult) -> Mapping[str, object]:
        """Return the row as the template sees it: amounts in euros, instants as local times, other cells."""
        return {
            key: self._field(self.columns.by_key[key], result)
            for key in self.template.names
            if key in self.columns.by_key
        }

    def _field(self, column: Column, result: RowResult) -> object:
        if column.field is None:
            value = result.row.cell(column.index)
            if isinstance(value, bool):
                return value  # as a text it would be true in a condition
            return Empty(column.key) if value is None else text_of(value)
        value = result.values.get(column.field.path)
        if isinstance(value, datetime):
            return value.astimezone(ROME).replace(tzinfo=None)
        if column.field is AMOUNT and isinstance(value, int):
            return Decimal(value) / 100
        return Empty(column.key) if value is None else text_of(value)

    def _document(self, result: RowResult, rendered: Mapping[str, Any]) -> dict[str, Any]:
        defaults = {PRIORITY.path: "bulk", "service": self.service, "campaign": self.secret.campaign}
        values = {**defaults, **rendered, **result.values}
        values[REQUEST_ID.path] = self._request_id(result)
        if self.spread:
            # Of the id alone: the same row leaves at the same time, wherever in the file it stands.
            values[NOT_BEFORE.path] = self.spread.instant_of(self._digest(result))
        if not any(path in result.values for path in (AMOUNT.path, NOTICE_NUMBER.path)):
            values = {path: value for path, value in values.items() if not path.startswith(_PAYMENT)}
        if BLOB.path in values:
            values.setdefault(ATTACHMENT_NAME.path, str(values[BLOB.path]).rpartition("/")[2])
        return _nested(values)

    def _request_id(self, result: RowResult) -> str:
        values = result.values
        return self.secret.request_id(
            values.get(REQUEST_ID.path), result.fiscal_code, values.get(NOTICE_NUMBER.path, "")
        )

    def _digest(self, result: RowResult) -> str:
        return self.secret.digest(self._request_id(result).encode())

    def _validate(self, document: dict[str, Any], result: RowResult) -> None:
        try:
            result.request = parse_request(
                json.dumps(document, default=_wire_text, ensure_ascii=False), services=self.services
            )
        except InvalidRequest as error:
            result.findings += self._findings(error.violations, result)
        if result.wrong:
            result.request = None

    def _findings(self, violations: Collection[Violation], result: RowResult) -> Iterator[Finding]:
        for violation in violations:
            # The cell of this field has a finding already, which says more.
            if violation.field not in result.wrong:
                place = self.place_of(violation.field)
                yield Finding.of_contract(violation.rule, place, result.row.number)


def _nested(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return an object with each value at its path; a number in a path is the next item of an array."""
    document: dict[str, Any] = {}
    for path, value in values.items():
        names = path.split(".")
        at: Any = document
        for name, below in pairwise(names):
            at = _child(at, name, below)
        at[names[-1]] = value
    return document


def _child(at: Any, name: str, below: str) -> Any:
    if isinstance(at, list):
        at += [{}] * (not at)
        return at[int(name)]
    return at.setdefault(name, [] if below.isdecimal() else {})


def _wire_text(value: object) -> str:
    assert isinstance(value, datetime)
    return value.isoformat()
