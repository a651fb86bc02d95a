"""The Italian sentences: none of the contract's rules lacks one."""

import ast
import copy
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cli.rules_it import FILE_RULES, WARNINGS, contract_rule, in_italian, level_of
from contract.reference import parse_reference
from contract.request import parse_request
from contract.schemas import schemas
from contract.settlement import parse_settlement
from contract.violations import InvalidRequest
from poison.park import NO_REFERENCE
from tests.english import english_in
from tests.samples import BLOB, FISCAL_CODE, remote_content

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
    assert english_in(sentence) == []


SIMPLEST, FULL, REMINDED = schemas()["message-request.schema.json"]["examples"]
DOCUMENTED = FULL | {
    "in_reply_to": "TARI:2026:000001",
    "remote_content": remote_content(BLOB, precondition={"title": "Leggi", "markdown": "Prima."}),
}
SETTLEMENT = schemas()["message-settled.schema.json"]["examples"][0]
REFERENCE = {
    "reference": 1,
    "request_id": "r-1",
    "language": "en_GB",
    "result": {"owner": "0" * 32, "what": "ACCEPTED"},
}
WRONG: tuple[Any, ...] = (
    *(None, True, -7, 7, 10**12, 0.5, "", "x", "a/b..", "x" * 20_000, FISCAL_CODE, "2026-02-30T10:00:00Z"),
    *("2026-01-01T10:00:00", "1999-01-01T10:00:00Z", "STANDARD", "---\nx\n---\n", "---\n", "r-1"),
    *([], [7], ["x"] * 20, [1, 1], {}, {"it_IT": 1, "x": 2}, {"unread": {}, "unpaid": {}}),
)


def _paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of every value of a document, and of a field that nobody knows."""
    if isinstance(value, dict | list):
        for name in value if isinstance(value, dict) else range(len(value)):
            yield (*path, name)
            yield from _paths(value[name], (*path, name))
    if isinstance(value, dict):
        yield (*path, "nobody_knows")


def _changed(document: Any, path: tuple[Any, ...], value: Any) -> str:
    changed = copy.deepcopy(document)
    parent = changed
    for name in path[:-1]:
        parent = parent[name]
    parent[path[-1]] = value
    return json.dumps(changed)


def _broken(parse: Callable[[str], object], body: str) -> set[str]:
    try:
        parse(body)
    except InvalidRequest as error:
        return {violation.rule for violation in error.violations}
    return set()


@pytest.mark.parametrize(
    ("document", "parse"),
    [
        *(
            (document, lambda body: parse_request(body, services=["tributi"]))
            for document in (SIMPLEST, FULL)
        ),
        (REMINDED, parse_request),
        (DOCUMENTED, parse_request),
        (SETTLEMENT, parse_settlement),
        (REFERENCE, parse_reference),
    ],
    ids=["simplest", "full", "reminded", "documented", "settlement", "reference"],
)
def test_broken_rule_is_told_in_italian(document: Any, parse: Callable[[str], object]) -> None:
    """Whatever is wrong in any field, the sentence with its numbers and names is Italian."""
    rules = {
        rule
        for path in _paths(document)
        for value in WRONG
        for rule in _broken(parse, _changed(document, path, value))
    }
    assert len(rules) > 5
    assert {rule: found for rule in rules if (found := english_in(in_italian(rule)))} == {}
    assert [rule for rule in rules if contract_rule(rule)[0] == "regola"] == []


@pytest.mark.parametrize(
    "body",
    ["", "[]", "{", '{"a": 1, "a": 2}', '{"a": NaN}', "[" * 100_000, '{"a": "\\ud800"}', b"\xff", '{"a" 1}'],
)
def test_unreadable_body_is_told_in_italian(body: Any) -> None:
    """A body that is no JSON object is told in Italian, and where it cannot be read."""
    (rule,) = _broken(parse_request, body)
    assert english_in(in_italian(rule)) == []


def test_rule_of_the_poison_queues_has_an_italian_sentence() -> None:
    """The rule for a body that only a poison queue can hold is told in Italian."""
    assert contract_rule(NO_REFERENCE.rule)[0] == "rimando"


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
