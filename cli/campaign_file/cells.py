"""The rows and cells of a spreadsheet, whatever its format."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from enum import StrEnum
from typing import Final

from report.italian import with_comma


class Unreadable(StrEnum):
    """A cell without a value, by the code of the rule that it breaks."""

    ERROR = "cella-errore"
    FORMULA = "formula-senza-valore"


type Value = str | int | float | bool | datetime | date | time | Unreadable | None

_SPACES: Final = re.compile(r"[\s\u00a0\u200b\u2007\u202f\ufeff]+")


@dataclass(frozen=True, slots=True)
class Row:
    """A row, with the number that the spreadsheet shows beside it. A cell without content is None."""

    number: int
    cells: Sequence[Value]

    @property
    def is_blank(self) -> bool:
        """Whether no cell has content."""
        return all(value is None for value in self.cells)

    def cell(self, index: int) -> Value:
        """Return a cell; None beyond the end of the row."""
        return self.cells[index] if index < len(self.cells) else None


def letter_of(index: int) -> str:
    """Return the letters of a column, given its index from 0: A, B, ..., Z, AA."""
    letters = ""
    while index >= 0:
        index, rest = divmod(index, 26)
        letters = chr(ord("A") + rest) + letters
        index -= 1
    return letters


def trimmed(text: str) -> str | None:
    """Return a text without white space at its ends, of any kind; None if nothing is left."""
    return text.strip("\u200b\ufeff \t\r\n\u00a0\u2007\u202f") or None


def without_spaces(text: str) -> str:
    """Return a text without white space of any kind."""
    return _SPACES.sub("", text)


def text_of(value: object) -> str:
    """Return a value as Italians write it."""
    match value:
        case bool():
            return "sì" if value else "no"
        case datetime():
            return (
                f"{value:%d/%m/%Y}"
                if value.time() in (time(), time(23, 59, 59))
                else f"{value:%d/%m/%Y %H:%M}"
            )
        case date():
            return f"{value:%d/%m/%Y}"
        case time():
            return f"{value:%H:%M}"
        case Decimal():
            return with_comma(f"{value:,.2f}")
        case float():
            return with_comma(format(value, ".15g"))
        case _:
            return str(value)
