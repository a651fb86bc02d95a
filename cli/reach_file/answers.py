"""The answers about recipients, and the CSV that keeps them row by row, without any fiscal code."""

import csv
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, TextIO

from report.italian import ROME
from report.meanings import REASONS, named
from storage.subscriptions import DAY, midnight

COLUMNS: Final = ("riga", "contattabile", "perché", "risposta")
IMPRINT: Final = "impronta "
_REASON: Final = re.compile(r"\((\w+)\)$")
_FROM_REGISTER: Final = "dal registro degli iscritti, aggiornato al "
_FROM_IO: Final = "chiesto a IO il "
_DAY, _MINUTE = "%d/%m/%Y", "%d/%m/%Y %H:%M"


class Verdict(StrEnum):
    """Whether a recipient can be contacted, as the file says it."""

    YES = "sì"
    NO = "no"
    WRONG = "codice errato"
    UNKNOWN = "non si sa"


class Source(StrEnum):
    """What the answer comes from."""

    REGISTER = "register"
    IO = "io"
    FILE = "file"


@dataclass(frozen=True)
class Answer:
    """The answer about one recipient. `reason` is a word of IO's or of Postino's; "" for a yes.

    at: the instant for which the answer holds; for the register, the end of its last day.
    """

    verdict: Verdict
    reason: str
    source: Source
    at: datetime


class AnswerFile:
    """The CSV of the answers. Each answer is appended as it comes; `finish` puts the rows in order.

    imprint: tells the spreadsheet and the service from any other. Answers of another imprint are not read.
    """

    def __init__(self, path: Path, imprint: str) -> None:
        self.path = path
        self.answers: dict[int, Answer] = {}
        self._imprint = f"{IMPRINT}{imprint}"

    def is_foreign(self) -> bool:
        """Return whether the file exists, and is no file of answers. Raises OSError."""
        if not self.path.exists():
            return False
        with self.path.open(encoding="utf-8-sig", errors="replace") as file:
            first = file.readline()
        return bool(first) and not first.startswith(";".join(COLUMNS[:2]))

    def load(self, since: datetime) -> None:
        """Read the answers that hold for an instant not before `since`. Others are left to be asked again."""
        self.answers = {
            row: one
            for row, one in _read(self.path, self._imprint)
            if one.at >= since and one.verdict in (Verdict.YES, Verdict.NO)
        }

    def begin(self) -> None:
        """Write the file with the answers that were kept. Raises OSError."""
        self._rewrite()

    def add(self, rows: Iterable[int], answer: Answer) -> None:
        """Append the answer about the recipient of these rows. Raises OSError."""
        fresh = dict.fromkeys(rows, answer)
        self.answers |= fresh
        with self.path.open("a", encoding="utf-8", newline="") as file:
            _writer(file).writerows(_lines(fresh))

    def finish(self) -> None:
        """Put the rows in the order of the spreadsheet. Raises OSError."""
        self._rewrite()

    def _rewrite(self) -> None:
        fresh = self.path.with_name(f"{self.path.name}.new")
        fresh.touch(mode=0o600)
        # With its mark, Excel in Italy reads the accents; by the separator, the columns.
        with fresh.open("w", encoding="utf-8-sig", newline="") as file:
            _writer(file).writerows([(*COLUMNS, self._imprint), *_lines(dict(sorted(self.answers.items())))])
        fresh.replace(self.path)


def _writer(file: TextIO) -> Any:
    return csv.writer(file, delimiter=";", lineterminator="\r\n")


def _lines(answers: Mapping[int, Answer]) -> Iterator[tuple[str, ...]]:
    for row, one in answers.items():
        yield str(row), one.verdict, named(REASONS, one.reason or None) or "", _said(one)


def _said(answer: Answer) -> str:
    match answer.source:
        case Source.REGISTER:
            return f"{_FROM_REGISTER}{answer.at - DAY:{_DAY}}"
        case Source.IO:
            return f"{_FROM_IO}{answer.at.astimezone(ROME):{_MINUTE}}"
    return ""


def _read(path: Path, imprint: str) -> Iterator[tuple[int, Answer]]:
    """Yield the answers of a file. A line that was cut off by a crash is left out."""
    try:
        whole, _, _cut_off = path.read_text("utf-8-sig").rpartition("\n")
        lines = [*csv.reader(whole.splitlines(), delimiter=";")]
    except (OSError, ValueError, csv.Error):
        return
    if not lines or lines[0][-1:] != [imprint]:
        return
    for line in lines[1:]:
        try:
            yield _parsed(*line)
        except (TypeError, ValueError):
            continue


def _parsed(row: str, verdict: str, reason: str, said: str) -> tuple[int, Answer]:
    word = _REASON.search(reason)
    source, at = _age(said)
    return int(row), Answer(Verdict(verdict), word[1] if word else "", source, at)


def _age(said: str) -> tuple[Source, datetime]:
    if said.startswith(_FROM_REGISTER):
        day = datetime.strptime(said.removeprefix(_FROM_REGISTER), _DAY).date()  # noqa: DTZ007 - a day in UTC
        return Source.REGISTER, midnight(day + DAY)
    at = datetime.strptime(said.removeprefix(_FROM_IO), _MINUTE)  # noqa: DTZ007 - made aware here
    return Source.IO, at.replace(tzinfo=ROME).astimezone(UTC)
