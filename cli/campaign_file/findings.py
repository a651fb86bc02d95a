"""What is wrong in a campaign's file or template, and where."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Final, Self

from cli.rules_it import FILE_RULES, Level, contract_rule, level_of

# Shown of each rule; the count goes on. A column wrong throughout must fill neither memory nor screen.
MOST_SHOWN: Final = 100
# A mistake of the template is in every row.
MOST_ALIKE: Final = 5
_REASONS: Final[dict[type[OSError], str]] = {
    FileNotFoundError: "non c'è, o non c'è la sua cartella",
    PermissionError: "manca il permesso",
    IsADirectoryError: "è una cartella",
}


@dataclass(frozen=True)
class Place:
    """A column of the file, a part of the template, or an option of the command."""

    name: str
    letter: str | None = None

    def __str__(self) -> str:
        return f"{self.letter} {self.name}" if self.letter else self.name


@dataclass(frozen=True)
class Finding:
    """A broken rule. `row` is the row as the spreadsheet numbers it; `more` counts the same in other rows."""

    code: str
    sentence: str
    place: Place | None = None
    row: int | None = None
    more: int = 0

    @classmethod
    def of(cls, code: str, place: Place | None = None, row: int | None = None, **details: object) -> Self:
        """Build the finding of a rule of the file."""
        return cls(code, FILE_RULES[code].sentence.format(**details), place, row)

    @classmethod
    def of_contract(cls, rule: str, place: Place | None, row: int | None) -> Self:
        """Build the finding of a rule of the contract, given its English sentence."""
        code, sentence = contract_rule(rule)
        return cls(code, sentence, place, row)

    @property
    def level(self) -> Level:
        """Whether the rule is an error or a warning."""
        return level_of(self.code)

    def document(self) -> dict[str, Any]:
        """Return the finding for JSON."""
        place, letter = (self.place.name, self.place.letter) if self.place else (None, None)
        found = {"row": self.row, "column": letter, "place": place, "code": self.code, "level": self.level}
        return {**found, "sentence": self.sentence, "more_rows": self.more}


class Unusable(Exception):
    """The file or the template cannot be used at all: `findings` say why."""

    def __init__(self, findings: Iterable[Finding]) -> None:
        self.findings = tuple(findings)
        super().__init__("; ".join(finding.code for finding in self.findings))

    @classmethod
    def because(
        cls, code: str, place: Place | None = None, row: int | None = None, **details: object
    ) -> Self:
        """Build the error with one finding."""
        return cls([Finding.of(code, place, row, **details)])


def reason_of(error: OSError) -> str:
    """Return in Italian why a file cannot be opened."""
    return _REASONS.get(type(error)) or f"errore {error.errno} del sistema"


def _position(finding: Finding) -> tuple[int, int, str]:
    letter = finding.place.letter or "" if finding.place else ""
    return finding.row or 0, len(letter), letter


@dataclass
class Findings:
    """Collects findings in bounded memory. A mistake of the template is shown for a few rows."""

    counts: Counter[str] = field(default_factory=Counter)
    _shown: dict[str, list[Finding]] = field(default_factory=dict)
    _alike: dict[tuple[str, str], list[int]] = field(default_factory=dict)

    def add(self, findings: Iterable[Finding]) -> None:
        """Add findings."""
        for finding in findings:
            self.counts[finding.code] += 1
            self._keep(finding)

    def __iter__(self) -> Iterator[Finding]:
        kept = [finding for findings in self._shown.values() for finding in findings]
        return iter(sorted(kept, key=_position))

    def blocking(self, accepted: Iterable[str] = ()) -> int:
        """Count the errors and the warnings that are not accepted."""
        return sum(self.counts[code] for code in self.blocking_codes(accepted))

    def blocking_codes(self, accepted: Iterable[str] = ()) -> list[str]:
        """Return the codes of the errors, and of the warnings that are not accepted."""
        taken = {code for code in accepted if level_of(code) == "warning"}
        return [code for code in self.counts if code not in taken]

    def _keep(self, finding: Finding) -> None:
        shown = self._shown.setdefault(finding.code, [])
        alike = self._alike.setdefault((finding.code, str(finding.place)), [])
        is_of_template = finding.place is not None and finding.place.letter is None
        if is_of_template and len(alike) == MOST_ALIKE:
            shown[alike[-1]] = replace(shown[alike[-1]], more=shown[alike[-1]].more + 1)
        elif len(shown) < MOST_SHOWN:
            alike.append(len(shown))
            shown.append(finding)
