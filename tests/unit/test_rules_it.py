"""The Italian sentences: none of the contract's rules lacks one."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.rules_it import FILE_RULES, WARNINGS, contract_rule, level_of

CONTRACT = Path(__file__).parents[2] / "contract"
RULE = re.compile(r"(?:front matter|must|is|has|have|needs?|may|starts|breaks|7)\b.* ")
# Not rules: a title of errors, and texts that become rules with another text before or after them.
NOT_RULES = {"breaks a rule", "breaks rules below", "front matter: 7", "front matter 7", "7: 7"}
IN_FRONT_MATTER = ("7 ", "7.")
AFTER_FRONT_MATTER = ("must not use YAML aliases", "is not valid YAML")


def _sentences(source: str) -> Iterator[str]:
    """Every text of a module that reads as a rule, with 7 for what it is filled with."""
    tree = ast.parse(source)
    filled = [node for node in ast.walk(tree) if isinstance(node, ast.JoinedStr)]
    inside = {id(part) for node in filled for part in ast.walk(node) if part is not node}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            text = "".join(str(p.value) if isinstance(p, ast.Constant) else "7" for p in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inside:
            text = re.sub(r"\{\w+\}", "7", node.value)
        else:
            continue
        if RULE.match(text) and text not in NOT_RULES and "\n" not in text:
            yield text


def _rules() -> Iterator[str]:
    for file in sorted(CONTRACT.glob("*.py")):
        for text in _sentences(file.read_text()):
            if text.startswith(AFTER_FRONT_MATTER):
                yield f"front matter {text.replace('YAML7', 'YAML at its line 7')}"
            elif text.startswith(IN_FRONT_MATTER):
                yield f"front matter: {text}"
            else:
                yield text.replace(": 7 at 7", ": 7 at line 7 column 7")


RULES = sorted(set(_rules()))


def test_rules_of_the_contract_are_found() -> None:
    """The search finds the rules of every module of the contract that has some."""
    assert len(RULES) > 50
    assert "must be a pagoPA notice number: 18 digits, the first 0 to 3" in RULES
    assert "front matter: 7.action must be 7" in RULES


@pytest.mark.parametrize("rule", RULES)
def test_rule_of_the_contract_has_an_italian_sentence(rule: str) -> None:
    """Each sentence of the contract has a code and an Italian sentence of its own."""
    code, sentence = contract_rule(rule)
    assert code not in ("regola", "valore") or rule == "must be 7"
    assert not re.search(r"\b(must|the|is|with)\b", sentence)


def test_values_of_a_rule_are_in_its_italian_sentence() -> None:
    """Numbers and kinds of a broken rule are kept, the kinds in Italian."""
    assert contract_rule("must have 10 to 120 UTF-16 code units, has 7") == (
        "lunghezza",
        "deve avere da 10 a 120 caratteri (un'emoji vale due), ne ha 7",
    )
    assert (
        contract_rule("must be a whole number, is a string")[1] == "deve essere un numero intero, è un testo"
    )
    assert contract_rule("front matter: its top level must have it")[1].endswith(
        "il primo livello deve avere it"
    )


def test_unknown_rule_is_told_as_it_is() -> None:
    """A sentence that no rule has stays as it is."""
    assert contract_rule("walks on water") == ("regola", "walks on water")


def test_code_says_whether_it_can_be_accepted() -> None:
    """Only the warnings of the file can be accepted; the rules of the contract are errors."""
    assert len(FILE_RULES) > 50
    assert {level_of(code) for code in WARNINGS} == {"warning"}
    assert level_of("importo-zero") == level_of("lunghezza") == "error"
