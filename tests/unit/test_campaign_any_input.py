"""Whatever a file contains, the check ends with findings and no other error."""

import tempfile
from datetime import date, datetime, time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cli.campaign_file.cells import Row, Unreadable, Value
from cli.campaign_file.columns import FIELDS, Columns
from cli.campaign_file.findings import Unusable
from cli.campaign_file.linter import Linter
from cli.campaign_file.row_request import RowRequests
from cli.campaign_file.spreadsheet import rows_of
from cli.campaign_file.template import Template
from contract.request import MessageRequest
from tests.campaigns import SECRET, SERVICES, TEMPLATE, write_template
from tests.fakes import FakeClock

AVAILABLE = [field.name for field in FIELDS if field.is_available]
HEADER = Row(1, (*AVAILABLE, "nome", "anno", "note"))
BODY = TEMPLATE + "{% if note %}{{ note | euro }} {{ note | data }}{% endif %} {{ id | oppure('senza') }}"
ODD_TEXTS = [
    "1.234,56",
    "31/12/2026",
    "29/03/2026 02:30",
    "3,01E+17",
    "RSSMRA80A01H501U",
    "{{ x }}",
    "---",
]
ENDS: list[Value] = [
    *(date.min, date.max),
    *(datetime.combine(day, at) for day in (date.min, date.max) for at in (time(0, 30), time(23, 30))),
    *("01/01/0001", "31/12/9999"),
]
VALUES: st.SearchStrategy[Value] = st.one_of(
    st.none(),
    st.text(),
    st.sampled_from(ODD_TEXTS),
    st.integers(),
    st.floats(),
    st.booleans(),
    st.dates(),
    st.datetimes(),
    st.times(),
    st.sampled_from([*Unreadable, time.max, *ENDS]),
)


def _requests() -> RowRequests:
    with tempfile.TemporaryDirectory() as folder:
        template = Template.load(write_template(Path(folder) / "a.md", BODY))
    columns = Columns.of(HEADER)
    return RowRequests(
        columns=columns, template=template, service="default", services=SERVICES, secret=SECRET
    )


REQUESTS = _requests()


@settings(max_examples=500)
@given(st.lists(VALUES, min_size=len(HEADER.cells), max_size=len(HEADER.cells) + 2))
def test_any_row(cells: list[Value]) -> None:
    """A row is a request that the contract takes, or has findings."""
    result = REQUESTS.of(Row(2, cells))
    checked = Linter(requests=REQUESTS, now=FakeClock().now).check(iter([result]))
    assert isinstance(result.request, MessageRequest) or checked.findings.blocking()


@pytest.mark.parametrize("value", ENDS, ids=str)
@pytest.mark.parametrize("column", range(len(HEADER.cells)))
def test_ends_of_time(column: int, value: Value) -> None:
    """The first and the last date in any column are read or refused; some programs write them for no date."""
    cells: list[Value] = [None] * len(HEADER.cells)
    cells[column] = value
    checked = Linter(requests=REQUESTS, now=FakeClock().now).check(iter([REQUESTS.of(Row(2, cells))]))
    assert checked.findings.blocking()


@settings(max_examples=200)
@given(st.binary(max_size=300))
def test_any_file(data: bytes) -> None:
    """Any bytes are rows or are refused."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.csv"
        path.write_bytes(data)
        try:
            rows = list(rows_of(path))
        except Unusable:
            return
    assert all(isinstance(row, Row) for row in rows)
