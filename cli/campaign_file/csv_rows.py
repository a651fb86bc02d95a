"""The rows of a CSV in the encodings and with the separators that spreadsheets write in Italy."""

import codecs
import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Final, TextIO

from cli.campaign_file.cells import Row, trimmed
from cli.campaign_file.findings import Place, Unusable

_BOMS: Final = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_SEPARATORS: Final = ";,\t"
_CHUNK: Final = 64 * 1024
# Beyond this a quote was left open: Excel's own limit for a cell is 32,767 characters.
_LONGEST_CELL: Final = 32_767


def csv_rows(path: Path) -> Iterator[Row]:
    """Yield every row, blank ones too. A line break within quotes does not begin a row. Raises Unusable."""
    with path.open(encoding=_encoding(path), newline="") as file:
        csv.field_size_limit(_LONGEST_CELL)
        reader = csv.reader(file, delimiter=_separator(file), strict=True)
        number = 0
        try:
            for number, cells in enumerate(reader, start=1):
                yield Row(number, tuple(map(trimmed, cells)))
        except csv.Error:
            raise Unusable.because("virgolette", row=number + 1) from None


def _encoding(path: Path) -> str:
    """Return the encoding: by its mark, otherwise UTF-8 if the whole file is, otherwise Windows-1252."""
    with path.open("rb") as file:
        start = file.read(4)
    for mark, encoding in _BOMS.items():
        if start.startswith(mark):
            return encoding if _decodes(path, encoding) else _refuse(path)
    found = (encoding for encoding in ("utf-8", "cp1252") if _decodes(path, encoding))
    return next(found, None) or _refuse(path)


def _refuse(path: Path) -> str:
    raise Unusable.because("file-codifica", Place(path.name))


def _decodes(path: Path, encoding: str) -> bool:
    """Return whether the whole file is text in this encoding. No text has a NUL."""
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                if "\0" in decoder.decode(chunk):
                    return False
        return "\0" not in decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False


def _separator(file: TextIO) -> str:
    """Return the separator. A first line "sep=;" decides, and is skipped: spreadsheets do not show it."""
    text = file.readline(_CHUNK)
    if text.lower().startswith("sep=") and text[4:5]:
        return text[4]
    while not text.strip() and (line := file.readline(_CHUNK)):
        text += line
    file.seek(0)
    return max(_SEPARATORS, key=_outside_quotes(text).count)


def _outside_quotes(text: str) -> str:
    return "".join(text.split('"')[::2])
