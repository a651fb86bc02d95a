"""The mistakes of the settings, as operators read them."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.settings_it import setting_in_italian
from settings import NEW_KEY, PLAINER_MESSAGES, STORAGE_FORMS, STORAGE_RULES
from tests.english import english_in

ROOT = Path(__file__).parents[2]
FILLED = {"STORAGE_FORMS": STORAGE_FORMS, "NEW_KEY": NEW_KEY, "NEW_API_KEY": NEW_KEY}
WITH_A_TEXT = {"is no NCRONTAB schedule: 7"}  # with the text of an NcrontabError


def _text(node: ast.expr) -> str | None:
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(_part(part) for part in node.values)
    return None


def _part(node: ast.expr) -> str:
    if isinstance(node, ast.Constant):
        return str(node.value)
    assert isinstance(node, ast.FormattedValue)
    name = node.value.id if isinstance(node.value, ast.Name) else ""
    return FILLED.get(name, "'7'" if name == "error" else "7")


def _mistakes() -> Iterator[str]:
    for file, error, before in (
        ("settings.py", "ValueError", ""),
        ("storage/address.py", "ValueError", ""),
        ("ncrontab.py", "NcrontabError", "is no NCRONTAB schedule: "),
    ):
        for node in ast.walk(ast.parse((ROOT / file).read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == error and node.args:
                text = _text(node.args[0])
                if text and text != "must be 7":
                    yield f"{before}{text}".replace("schedule: '7'", 'schedule: "7"')
    yield from (f"must be {rule}" for _, rule in STORAGE_RULES.values())
    yield from PLAINER_MESSAGES.values()
    yield f"missing; {NEW_KEY}"


MISTAKES = sorted(set(_mistakes()) - WITH_A_TEXT)


def test_mistakes_are_found() -> None:
    """The search finds the mistakes of every module that reads a setting."""
    assert len(MISTAKES) > 40


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistake_has_an_italian_sentence(mistake: str) -> None:
    """Each mistake of a setting is told in Italian, after the name of the setting."""
    line = setting_in_italian(f"IO_API_KEY: {mistake}")
    name, _, said = line.partition(": ")
    assert name == "IO_API_KEY"
    assert said != mistake
    assert english_in(re.sub(r"python -c '.*'", "", said)) == []


@pytest.mark.parametrize(
    ("mistake", "said"),
    [
        ("Input should be greater than or equal to 30", "dev'essere almeno 30"),
        (
            "Input should be a valid integer, unable to parse string as an integer",
            "dev'essere un numero intero",
        ),
        (
            "must be 1 to 64 characters of A-Z a-z 0-9 . _ -",
            "deve avere da 1 a 64 caratteri tra A-Z a-z 0-9 . _ -",
        ),
        ("must not name a day twice", "non deve ripetere un giorno"),
        ("manca; già in italiano", "manca; già in italiano"),
    ],
)
def test_rules_of_values_and_of_the_contract_are_told_too(mistake: str, said: str) -> None:
    """The rules of pydantic and of the contract, which settings share with requests, are Italian too."""
    assert setting_in_italian(f"REMINDERS.unread: {mistake}") == f"REMINDERS.unread: {said}"
