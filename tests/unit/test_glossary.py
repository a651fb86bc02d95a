"""The glossary: one row a word, and no retired word in the names of the code."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
ROWS = re.findall(r"^\| \*\*(.+?)\*\* \|(.+)\|(.+)\|$", (PROJECT / "docs/glossary.md").read_text(), re.M)
CODE = "benchmarks check_status cli contract expire follow_subscriptions io_api local measure_backlog"
CODE += " poison reminders remote_content report rotate_keys send_message show_status storage telemetry tests"
# Each with the word that took its place.
RETIRED = {
    "turn": "permit, lease or action",
    "turns": "rate limiter",
    "gate": "backoff",
    "desk": "context",
    "handover": "dispatch",
    "drain": "process_due",
    "stops": "suspensions",
    "dossier": "timeline",
    "rung": "poll time",
    "rungs": "poll times",
    "road": "app",
    "untold": "unpublished",
}
# The platform's own words, in what stands in for the platform.
OF_THE_PLATFORM = {"drain": ("local/host", "tests/integration"), "gate": ("tests/integration",)}


def names(source: str) -> Iterator[str]:
    """Yield each part of each name that a module defines, uses or imports; names of tests are sentences."""
    for node in ast.walk(ast.parse(source)):
        for value in vars(node).values():
            is_name = isinstance(value, str) and not isinstance(node, ast.Constant)
            if is_name and not value.startswith("test_"):
                yield from (part.lower() for part in re.split(r"[_.]|(?<=[a-z])(?=[A-Z])", value))


def retired_in(file: str, source: str) -> set[str]:
    """The retired words that a file uses, and may not use at its place."""
    used = {file.rpartition("/")[2].removesuffix(".py"), *names(source)} & set(RETIRED)
    return {word for word in used if not file.startswith(OF_THE_PLATFORM.get(word, ()) or ("-",))}


def test_word_has_one_row() -> None:
    """No word of the glossary is explained twice."""
    words = [word.strip() for row in ROWS for word in row[0].split(",")]
    assert len(words) > 40
    assert sorted(words) == sorted(set(words))


def test_word_has_a_meaning_and_its_term_elsewhere() -> None:
    """Each row says what the word means, and which term of IO, Azure or the field it corresponds to."""
    assert [row for row in ROWS if not row[1].strip() or not row[2].strip()] == []


def test_retired_word_is_in_no_name() -> None:
    """No module, class, function or variable is named by a word that the glossary has given up."""
    files = [file for folder in CODE.split() for file in (PROJECT / folder).rglob("*.py")]
    assert len(files) > 300
    found = {str(file.relative_to(PROJECT)): file.read_text() for file in files}
    assert {file: words for file, text in found.items() if (words := retired_in(file, text))} == {}


@pytest.mark.parametrize("source", ["class OutOfTurn: ...", "from storage.drain import go", "handover = 1"])
def test_retired_word_is_found(source: str) -> None:
    """A retired word is found in a class, an import and a variable."""
    assert retired_in("storage/x.py", source)
