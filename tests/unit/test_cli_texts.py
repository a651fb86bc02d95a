"""The texts in the modules of the command, those too that no sample brings out."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.rules_it import FILE_RULES
from tests.english import english_in

CLI = Path(__file__).parents[2] / "cli"
MODULES = sorted(CLI.rglob("*.py"))
PRINTERS = {
    "fail",
    "print_note",
    "echo",
    "BadParameter",
    "Option",
    "Argument",
    "print_table",
    "SettingsError",
}
ROLES = ("Storage Table Data Contributor", "Storage Blob Data Reader")


def _called(node: ast.Call) -> str:
    return str(getattr(node.func, "id", getattr(node.func, "attr", "")))


def _printed(source: str) -> Iterator[str]:
    """Every text that a module gives to a function that prints, and those of its tables of texts."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and _called(node) in PRINTERS:
            yield from _texts(node)
        elif isinstance(node, ast.AnnAssign | ast.Assign) and isinstance(node.value, ast.Dict):
            for value in node.value.values:
                yield from _texts(value)


def _texts(node: ast.AST) -> Iterator[str]:
    for part in ast.walk(node):
        if isinstance(part, ast.JoinedStr):
            yield "".join(str(one.value) if isinstance(one, ast.Constant) else "" for one in part.values)
        elif isinstance(part, ast.Constant) and isinstance(part.value, str) and " " in part.value.strip():
            yield part.value


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(CLI)))
def test_texts_of_a_module_are_italian(module: Path) -> None:
    """No text that a module prints has an English word."""
    found = set()
    for text in _printed(module.read_text()):
        for role in ROLES:
            text = text.replace(role, "")
        found |= {text for _ in english_in(text)}
    assert found == set()


def test_texts_are_found() -> None:
    """The search finds errors, options and tables."""
    texts = [text for module in MODULES for text in _printed(module.read_text())]
    assert len(texts) > 300
    assert "Nessun messaggio parcheggiato." in texts
    assert "Solo da questa coda." in texts


def test_rules_of_a_campaign_file_are_italian() -> None:
    """No rule of a campaign's file or template has an English word."""
    assert {code: found for code, rule in FILE_RULES.items() if (found := english_in(rule.sentence))} == {}
