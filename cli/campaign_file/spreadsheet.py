"""Opens a campaign's file, CSV or XLSX, and yields its rows one by one."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from cli.campaign_file.cells import Row
from cli.campaign_file.csv_rows import csv_rows
from cli.campaign_file.findings import Place, Unusable, reason_of

# A campaign is a few megabytes. Excel itself ends at 1,048,576 rows.
MOST_BYTES: Final = 100 * 1024 * 1024
MOST_ROWS: Final = 200_000
MOST_COLUMNS: Final = 200

_ZIP, _OLE = b"PK\x03\x04", b"\xd0\xcf\x11\xe0"
_OLD: Final = "è un XLS di vecchio formato o un file protetto da password: salvalo come XLSX, senza password"


def rows_of(path: Path, sheet: str | None = None) -> Iterator[Row]:
    """Yield the rows that are not blank, with the spreadsheet's own row numbers. Raises Unusable."""
    number = 0
    for row in _all_rows(path, sheet):
        if row.number > 1_048_576 or len(row.cells) > MOST_COLUMNS:
            raise Unusable.because("file-troppo-grande", why=f"al più {MOST_COLUMNS} colonne", row=row.number)
        if row.is_blank:
            continue
        number += 1
        if number > MOST_ROWS:
            raise Unusable.because("file-troppo-grande", why=f"al più {MOST_ROWS} righe", row=row.number)
        yield row


def _all_rows(path: Path, sheet: str | None) -> Iterator[Row]:
    place = Place(path.name)
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            start = file.read(4)
    except OSError as error:
        raise Unusable.because("file-formato", place, why=reason_of(error)) from None
    if size > MOST_BYTES:
        raise Unusable.because("file-troppo-grande", place, why=f"al più {MOST_BYTES // 1024 // 1024} MB")
    if start == _OLE:
        raise Unusable.because("file-formato", place, why=_OLD)
    if start == _ZIP:
        # What reads an XLSX takes a tenth of a command's start, and most commands read none.
        from cli.campaign_file.xlsx_rows import xlsx_rows

        return xlsx_rows(path, sheet)
    if sheet is not None:
        raise Unusable.because("foglio-mancante", place, name=sheet, names="nessun foglio, perché è un CSV")
    return csv_rows(path)
