"""The rows of CSV and XLSX files, as spreadsheets write them in Italy."""

import zipfile
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from openpyxl import Workbook

from cli.campaign_file import spreadsheet, xlsx_rows
from cli.campaign_file.cells import Row, Unreadable
from cli.campaign_file.findings import Unusable
from cli.campaign_file.spreadsheet import rows_of
from tests.campaigns import write_csv, write_xlsx

HEADER = ("Città", "Perché")
ROWS = [("Forlì", "è così"), ("Ålesund", "€ 5; sì, «no»")]


def _bytes(tmp_path: Path, data: bytes) -> Path:
    path = tmp_path / "file"
    path.write_bytes(data)
    return path


def _cells(path: Path, sheet: str | None = None) -> list[tuple[Any, ...]]:
    return [tuple(row.cells) for row in rows_of(path, sheet)]


def _code(path: Path, sheet: str | None = None) -> tuple[str, int | None]:
    with pytest.raises(Unusable) as raised:
        list(rows_of(path, sheet))
    (finding,) = raised.value.findings
    assert finding.row or str(finding.place) == path.name
    return finding.code, finding.row


@pytest.mark.parametrize("separator", [";", ",", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_encoding_and_separator_are_recognised(tmp_path: Path, encoding: str, separator: str) -> None:
    """The accents are right in every encoding, with every separator, quoted where it is in the text."""
    path = write_csv(tmp_path / "a.csv", ROWS, HEADER, encoding=encoding, separator=separator)
    assert _cells(path) == [HEADER, *ROWS]


def test_big_endian_with_its_mark(tmp_path: Path) -> None:
    """UTF-16 is read in both orders of bytes."""
    assert _cells(_bytes(tmp_path, "\ufeffà;b\r\n".encode("utf-16-be"))) == [("à", "b")]


@pytest.mark.parametrize(
    "data", ["a;b".encode("utf-16-le"), b"a;\x81\n", b"\xef\xbb\xbfa;\xe0\n", b"\xff\xfea", b"a;\0b\n"]
)
def test_what_is_no_text(tmp_path: Path, data: bytes) -> None:
    """UTF-16 without its mark, bytes of no encoding and NULs are refused."""
    assert _code(_bytes(tmp_path, data)) == ("file-codifica", None)


def test_rows_have_the_numbers_of_the_spreadsheet(tmp_path: Path) -> None:
    """A line break in a cell begins no row, and blank rows and empty columns at the end count for nothing."""
    data = b'a;b;;\r\n"x\r\ny";2;;\r\n;;;\r\n\r\n3; 4 ;;\r\n;;;\r\n'
    assert list(rows_of(_bytes(tmp_path, data))) == [
        Row(1, ("a", "b", None, None)),
        Row(2, ("x\r\ny", "2", None, None)),
        Row(5, ("3", "4", None, None)),
    ]


def test_line_that_names_the_separator_is_no_row(tmp_path: Path) -> None:
    """A first line "sep=," decides; the spreadsheet does not show it, and does not count it."""
    assert list(rows_of(_bytes(tmp_path, b"sep=,\r\na;b,c\r\n"))) == [Row(1, ("a;b", "c"))]


def test_separator_within_quotes_does_not_count(tmp_path: Path) -> None:
    """The separator is the sign that is most frequent in the header outside quotes."""
    assert _cells(_bytes(tmp_path, b'\n"a, b, c";d\n1;2\n')) == [("a, b, c", "d"), ("1", "2")]


@pytest.mark.parametrize("data", [b'a;b\n1;"2\n3;4\n', b'a;b\n"1"x;2\n', b"a;b\n" + b"x" * 40_000])
def test_quotes_out_of_place(tmp_path: Path, data: bytes) -> None:
    """A quote left open or out of place ends the reading, with the row where it is."""
    assert _code(_bytes(tmp_path, data)) == ("virgolette", 2)


@pytest.mark.parametrize("data", [b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", b"PK\x03\x04 nothing"])
def test_other_formats_are_refused(tmp_path: Path, data: bytes) -> None:
    """An XLS, an encrypted XLSX and a damaged one are refused."""
    assert _code(_bytes(tmp_path, data)) == ("file-formato", None)


def test_missing_file(tmp_path: Path) -> None:
    """A file that is not there is told."""
    assert _code(tmp_path / "none.csv") == ("file-formato", None)


def test_empty_file_has_no_rows(tmp_path: Path) -> None:
    """A file without content has no rows."""
    assert _cells(_bytes(tmp_path, b"")) == []
    assert _cells(_bytes(tmp_path, b"\r\n;;\r\n")) == []


def test_cells_of_a_workbook_have_types(tmp_path: Path) -> None:
    """Dates are dates, numbers are numbers, and texts keep their zeros."""
    rows = [(datetime.fromisoformat("2026-12-31"), 19.99, 12, " 007 ", True, None)]
    path = write_xlsx(tmp_path / "a.xlsx", rows, list("abcdef"))
    assert _cells(path)[1] == (datetime.fromisoformat("2026-12-31"), 19.99, 12, "007", True)


def test_sheet_is_the_named_one_or_the_first(tmp_path: Path) -> None:
    """Another sheet is read by its name; a name that is not there is told with those that are."""
    book = Workbook()
    book.create_sheet("Due").append(["in due"])
    book["Sheet"].append(["in uno"])
    book.save(tmp_path / "a.xlsx")
    assert _cells(tmp_path / "a.xlsx") == [("in uno",)]
    assert _cells(tmp_path / "a.xlsx", "Due") == [("in due",)]
    assert _code(tmp_path / "a.xlsx", "Tre") == ("foglio-mancante", None)
    assert _code(write_csv(tmp_path / "a.csv", ROWS), "Due") == ("foglio-mancante", None)


def test_formula_without_its_result_and_error(tmp_path: Path) -> None:
    """A formula that no spreadsheet has computed and an error have no value, and say so."""
    path = write_xlsx(tmp_path / "a.xlsx", [("=1+1", "#N/A", None, "x")], list("abcd"))
    assert _cells(path)[1] == (Unreadable.FORMULA, Unreadable.ERROR, None, "x")


def test_number_that_is_no_date(tmp_path: Path) -> None:
    """A number with the format of a date that no calendar has is an error of the spreadsheet."""
    book = Workbook()
    cell = book.worksheets[0].cell(2, 1, 99_999_999)
    cell.number_format = "dd/mm/yyyy"
    book.worksheets[0].cell(1, 1, "Scadenza")
    book.save(tmp_path / "a.xlsx")
    assert _cells(tmp_path / "a.xlsx")[1] == (Unreadable.ERROR,)


def test_blank_rows_of_a_workbook_count(tmp_path: Path) -> None:
    """The rows of a workbook have its own numbers."""
    path = write_xlsx(tmp_path / "a.xlsx", [(None,), ("x",)], ["a"])
    assert [(row.number, *row.cells) for row in rows_of(path)] == [(1, "a"), (3, "x")]


def test_too_many_rows_or_columns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file beyond the limits is refused where it passes them."""
    monkeypatch.setattr(spreadsheet, "MOST_ROWS", 2)
    assert _code(write_csv(tmp_path / "a.csv", ROWS)) == ("file-troppo-grande", 3)
    assert _code(_bytes(tmp_path, b";" * 300)) == ("file-troppo-grande", 1)
    monkeypatch.setattr(spreadsheet, "MOST_BYTES", 2)
    assert _code(write_csv(tmp_path / "a.csv", ROWS)) == ("file-troppo-grande", None)


def test_workbook_that_unpacks_to_too_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A small file that unpacks to more than fits in memory is refused before it is unpacked."""
    path = write_xlsx(tmp_path / "a.xlsx", ROWS)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/media/image.png", b"\0" * 2_000_000)
    monkeypatch.setattr(xlsx_rows, "MOST_UNPACKED", 1_000_000)
    assert _code(path) == ("file-troppo-grande", None)


def test_entities_of_xml_are_refused(tmp_path: Path) -> None:
    """A workbook with entities, which could grow without end, is refused."""
    path = write_xlsx(tmp_path / "a.xlsx", ROWS)
    bomb = b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><worksheet><sheetData><row><c>&b;</c></row>'
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in parts.items():
            archive.writestr(name, bomb if name == "xl/worksheets/sheet1.xml" else data)
    assert _code(path) == ("file-formato", None)
