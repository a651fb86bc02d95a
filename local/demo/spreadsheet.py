"""The spreadsheet of the demo's second act: twenty notices of the TARI, at first with two mistakes."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Final

from cli.campaign_file.italian import check_character
from local.demo.cases import IDLE, Citizen

CAMPAIGN: Final = "TARI dal foglio"
SERVICE: Final = "tributi"
ROWS: Final = 20
PAYERS, READERS = 11, 15
"""Eleven citizens read and pay, then four only read; three leave it unread, and two are not on IO."""
ON_IO: Final = 18
MISTAKES: Final = {7: {"numero_avviso": "3,01E+17"}, 13: {"importo": "1.234"}}
"""What a spreadsheet does to a number, and an amount with two meanings, by row of the file."""
TEMPLATE: Final = """---
oggetto: "Avviso di pagamento TARI {{ anno }}"
tipo: premium
---
Gentile {{ nome }}, l'avviso di pagamento della **TARI {{ anno }}** è pronto: {{ importo | euro }} entro il
{{ scadenza | data_lunga }}. Puoi pagarlo da qui, oppure chiedere allo sportello dei tributi.
"""
_HEAD: Final = ("codice_fiscale", "nome", "anno", "importo", "numero_avviso", "scadenza")
_NAMES: Final = ("Anna", "Bruno", "Carla", "Dario", "Elena")


@dataclass(frozen=True)
class Line:
    """A line of the spreadsheet, and how its citizen behaves."""

    cells: Mapping[str, str]
    citizen: Citizen

    @property
    def fiscal_code(self) -> str:
        """The citizen's fiscal code."""
        return self.cells["codice_fiscale"]


def new_lines(today: date) -> list[Line]:
    """Return the right lines. Their due date is in two months."""
    return [_line(number, today + timedelta(days=60)) for number in range(ROWS)]


def with_mistakes(lines: Sequence[Line]) -> list[Line]:
    """Return the lines with the mistakes of MISTAKES. Row 1 holds the headings."""
    rows = enumerate(lines, start=2)
    return [replace(line, cells={**line.cells, **MISTAKES.get(row, {})}) for row, line in rows]


def write(path: Path, lines: Sequence[Line]) -> None:
    """Write a CSV as a spreadsheet in Italy saves it: semicolons, and the encoding of Windows."""
    with path.open("w", encoding="cp1252", newline="") as file:
        rows = csv.DictWriter(file, _HEAD, delimiter=";")
        rows.writeheader()
        rows.writerows(line.cells for line in lines)


def _line(number: int, due: date) -> Line:
    code = f"BBBBBB80A01H{501 + number}"
    notice = f"3010000000{number:06d}"
    cells = {
        "codice_fiscale": code + check_character(code),
        "nome": _NAMES[number % len(_NAMES)],
        "anno": str(due.year),
        "importo": f"{100 + number},50",
        "numero_avviso": f"{notice}{int(notice) % 93:02d}",
        "scadenza": f"{due:%d/%m/%Y}",
    }
    return Line(cells, _citizen(number))


def _citizen(number: int) -> Citizen:
    if number < PAYERS:
        return {**IDLE, "reads_after_seconds": 2, "pays_after_seconds": 4}
    if number < READERS:
        return {**IDLE, "reads_after_seconds": 2}
    return IDLE if number < ON_IO else {"on_io": False}
