"""The recipients of a file: the fiscal codes of its rows, read as `postino send` reads them."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from cli.campaign_file.cells import Row, Unreadable
from cli.campaign_file.columns import FISCAL_CODE, Column, Columns
from cli.campaign_file.findings import Unusable
from cli.campaign_file.italian import WrongValue
from cli.campaign_file.spreadsheet import rows_of
from contract.fiscal_code import FISCAL_CODE_PATTERN


@dataclass(frozen=True)
class Recipients:
    """The rows of each fiscal code, and the rows whose code is missing or wrong."""

    rows_by_code: dict[str, list[int]] = field(default_factory=dict, repr=False)
    wrong: list[int] = field(default_factory=list)

    @classmethod
    def of(cls, path: Path, sheet: str | None, *, on_row: Callable[[], None] = lambda: None) -> Self:
        """Read a CSV or XLSX. Raises Unusable."""
        rows = rows_of(path, sheet)
        header = next(rows, None)
        if header is None:
            raise Unusable.because("file-vuoto")
        column = Columns.of(header).by_path[FISCAL_CODE.path]
        recipients = cls()
        for row in rows:
            recipients._add(row, column)
            on_row()
        if not recipients.rows:
            raise Unusable.because("file-vuoto")
        return recipients

    @property
    def rows(self) -> int:
        """The number of rows."""
        return sum(map(len, self.rows_by_code.values())) + len(self.wrong)

    def _add(self, row: Row, column: Column) -> None:
        if code := _fiscal_code(row, column):
            self.rows_by_code.setdefault(code, []).append(row.number)
        else:
            self.wrong.append(row.number)


def _fiscal_code(row: Row, column: Column) -> str | None:
    value = row.cell(column.index)
    if value is None or isinstance(value, Unreadable):
        return None
    try:
        code, _ = FISCAL_CODE.read(value)
    except WrongValue:
        return None
    return str(code) if re.fullmatch(FISCAL_CODE_PATTERN, str(code)) else None
