"""The rows of an XLSX, read one by one, with the types of the cells."""

import warnings
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from itertools import repeat
from pathlib import Path
from typing import Any, Final

from openpyxl import Workbook, load_workbook
from openpyxl.utils.exceptions import InvalidFileException

from cli.campaign_file.cells import Row, Unreadable, Value, trimmed
from cli.campaign_file.findings import Place, Unusable

# A file of 100 KB can unpack to gigabytes; openpyxl keeps all shared strings in memory.
MOST_UNPACKED: Final = 512 * 1024 * 1024
MOST_STRINGS: Final = 128 * 1024 * 1024
_CHUNK: Final = 256 * 1024
# What zipfile and openpyxl raise for parts that are missing or make no sense, and defusedxml for XML bombs.
_DAMAGES: Final = (
    *(zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError, InvalidFileException),
    *(SyntaxError, KeyError, IndexError, ValueError, TypeError, AttributeError),
)
_DAMAGED: Final = "è danneggiato, o non è un XLSX"


def xlsx_rows(path: Path, sheet: str | None = None) -> Iterator[Row]:
    """Yield every row of the named sheet, or of the first. Raises Unusable."""
    try:
        has_formulas = _inspect(path)
        with _worksheet(path, sheet, results=True) as results:
            if not has_formulas:
                yield from _rows(results, repeat(()))
                return
            with _worksheet(path, sheet, results=False) as formulas:
                yield from _rows(results, formulas)
    except _DAMAGES:
        raise Unusable.because("file-formato", Place(path.name), why=_DAMAGED) from None


def _inspect(path: Path) -> bool:
    """Return whether any sheet has formulas. Raises Unusable if the file unpacks to too much."""
    with zipfile.ZipFile(path) as archive:
        parts = archive.infolist()
        strings = sum(part.file_size for part in parts if "sharedstrings" in part.filename.lower())
        if sum(part.file_size for part in parts) > MOST_UNPACKED or strings > MOST_STRINGS:
            why = "il contenuto compresso non entra in memoria"
            raise Unusable.because("file-troppo-grande", Place(path.name), why=why)
        sheets = [part for part in parts if part.filename.startswith("xl/worksheets/")]
        return any(_has_formula(archive, part) for part in sheets)


def _has_formula(archive: zipfile.ZipFile, part: zipfile.ZipInfo) -> bool:
    before = b""
    with archive.open(part) as file:
        while chunk := file.read(_CHUNK):
            if b"<f>" in before + chunk or b"<f " in before + chunk or b"<f/" in before + chunk:
                return True
            before = chunk[-2:]
    return False


@contextmanager
def _worksheet(path: Path, sheet: str | None, *, results: bool) -> Iterator[Iterator[Sequence[Any]]]:
    # openpyxl leaves open a file that it cannot read.
    with path.open("rb") as file, warnings.catch_warnings():
        # openpyxl warns of what it does not read, such as styles, validations and impossible dates.
        warnings.simplefilter("ignore")
        with closing(load_workbook(file, read_only=True, data_only=results, keep_links=False)) as book:
            yield _sheet_of(book, sheet, Place(path.name))


def _sheet_of(book: Workbook, sheet: str | None, place: Place) -> Iterator[Sequence[Any]]:
    names = [one.title for one in book.worksheets]
    if not names or (sheet is not None and sheet not in names):
        there = ", ".join(names) or "nessuno"
        raise Unusable.because("foglio-mancante", place, name=sheet or "1", names=there)
    worksheet: Any = book[sheet or names[0]]
    worksheet.reset_dimensions()  # a program may have written a wrong size
    return iter(worksheet.iter_rows())


def _rows(results: Iterator[Sequence[Any]], formulas: Iterator[Sequence[Any]]) -> Iterator[Row]:
    for number, (cells, sources) in enumerate(zip(results, formulas, strict=False), start=1):
        values = [_value(cell) for cell in cells]
        for index, source in enumerate(sources):
            if source.data_type == "f" and values[index] is None:
                values[index] = Unreadable.FORMULA
        yield Row(number, values)


def _value(cell: Any) -> Value:
    if cell.data_type == "e":
        return Unreadable.ERROR
    value = cell.value
    return trimmed(value) if isinstance(value, str) else value
