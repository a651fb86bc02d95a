"""The explanations of states and reasons for an operator."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

from cli.corrections import ACTION
from cli.pauses import PAUSE, RESUME
from contract.fields import FeatureLevelType
from contract.outcome import OutcomeData
from io_api import account
from io_api.answers import GET_MESSAGE, GET_PROFILE, SUBMIT_MESSAGE
from io_api.errors import Misconfigured
from io_api.suspensions import EVERY
from report import meanings
from report.meanings import (
    ACTIONS,
    ADVICE,
    CHAIN,
    FACTS,
    LEVELS,
    NO_REMINDER,
    OPERATIONS,
    PAYMENTS,
    READINGS,
    REASONS,
    RESULTS,
    STATES,
    STATUSES,
    named,
    why,
)
from storage import audit
from storage.ledger import SIGHTINGS, State
from storage.queues import QUEUES
from tests.english import english_in

ROOT = Path(__file__).parents[2]
WRITERS = ("io_api", "send_message", "poison", "check_status", "storage")
AUDITED = ("stores.audit.record", "run_bulk_action")
TABLES = [name for name, value in vars(meanings).items() if name.isupper() and isinstance(value, dict)]
# Reasons that stay inside: of an answer to the operator's own command, or of a log.
INSIDE = {"invalid_configuration", "configurations_not_allowed", "configuration_not_found"}


def test_every_state_has_a_meaning() -> None:
    """Each state of the ledger has a meaning, and nothing else has."""
    assert set(STATES) == set(State)


def test_every_refusal_of_a_key_has_an_advice() -> None:
    """Each reason for which a key is suspended has advice, and nothing else has."""
    rows = (*GET_PROFILE, *SUBMIT_MESSAGE, *GET_MESSAGE)
    assert set(ADVICE) == {row.reason for row in rows if row.error is Misconfigured}


def test_every_kind_of_call_has_a_name() -> None:
    """Each kind of call that a circuit can suspend has a name in words."""
    assert set(OPERATIONS) == {EVERY, *account.FAILURES}


def test_words_of_io_have_meanings() -> None:
    """Each word of IO for delivery, reading, payment and level has a meaning, and nothing else has."""
    for name, known in (("status", STATUSES), ("read_status", READINGS), ("payment_status", PAYMENTS)):
        (literal, _) = get_args(OutcomeData.model_fields[name].annotation)
        assert set(get_args(literal)) == set(known)
    assert set(LEVELS) == set(get_args(FeatureLevelType))


def test_every_queue_has_a_meaning() -> None:
    """Each queue has a meaning, and nothing else has."""
    assert set(meanings.QUEUES) == set(QUEUES)


def _reasons() -> Iterator[str]:
    """Every reason that the program writes: of errors, of steps, and of IO's answers."""
    yield from (row.reason for row in (*GET_PROFILE, *SUBMIT_MESSAGE, *GET_MESSAGE))
    for folder in WRITERS:
        for file in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text())):
                if isinstance(node, ast.Call):
                    yield from _reasons_in(node)


def _reasons_in(call: ast.Call) -> Iterator[str]:
    said = [word.value for word in call.keywords if word.arg == "reason"]
    if getattr(call.func, "id", "") in ("Step", "Verdict"):
        said += call.args[1:2] if getattr(call.func, "id", "") == "Step" else call.args[:1]
    for node in said:
        texts = node.values if isinstance(node, ast.BoolOp) else [node]
        texts = [
            part
            for text in texts
            for part in ([text.body, text.orelse] if isinstance(text, ast.IfExp) else [text])
        ]
        yield from (str(text.value) for text in texts if isinstance(text, ast.Constant) and text.value)


WRITTEN = sorted(set(_reasons()) - INSIDE)


def test_reasons_are_found() -> None:
    """The search finds reasons of each kind."""
    assert {"timeout", "not_claimed", "conflict", "invalid_message", "document_not_pdf"} <= set(WRITTEN)


@pytest.mark.parametrize("reason", WRITTEN)
def test_every_reason_has_a_meaning(reason: str) -> None:
    """Each reason that a history or a parked message can have is explained."""
    assert reason in REASONS


def _actions() -> Iterator[str]:
    """Every constant that the command gives to the audit or to a bulk action."""
    for file in (ROOT / "cli").glob("*.py"):
        tree = ast.parse(file.read_text())
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in AUDITED:
                yield from (str(one.value) for one in ast.walk(node.args[0]) if isinstance(one, ast.Constant))


def test_every_action_of_the_audit_has_a_meaning() -> None:
    """Each action that the audit records is explained."""
    found = {*_actions(), PAUSE, RESUME, ACTION}
    assert {"reveal", "erase", "search_person", "redrive", "send"} <= found
    assert found == set(ACTIONS)


def test_every_fault_of_the_audit_has_a_meaning() -> None:
    """Each reason for which the chain of the audit is not whole is explained."""
    assert set(CHAIN) == set(audit.REASONS)


def test_every_line_that_is_no_state_has_a_meaning() -> None:
    """Each history word that is not a state has a meaning."""
    assert set(FACTS) >= set(SIGHTINGS) - set(State)


def test_every_reason_not_to_remind_has_a_meaning() -> None:
    """Each reason for which a reminder is given up is explained."""
    reasons = set()
    for file in (ROOT / "reminders").glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            given = node.value if isinstance(node, ast.Yield) else None
            if isinstance(given, ast.Constant):
                reasons.add(given.value)
    assert {"campaign_stopped", "paid", "read"} <= reasons <= set(NO_REMINDER)


@pytest.mark.parametrize("table", TABLES)
def test_meanings_are_italian(table: str) -> None:
    """No meaning has an English word."""
    found = {word: english_in(text) for word, text in getattr(meanings, table).items() if english_in(text)}
    assert found == {}


def test_word_stands_beside_its_meaning() -> None:
    """A word without a meaning stands alone; a reason means what it does in its own line of the history."""
    assert named(STATES, "PROCESSED") == "consegnata (PROCESSED)"
    assert named(STATES, "NEW") == "NEW"
    assert named(STATES, None) is None
    assert why("NOT_REMINDED", "paid") == "IO dice che è pagata (paid)"
    assert why("SKIPPED", "paid") == "l'avviso è stato pagato nel frattempo (paid)"
    assert "si aspettano 24 ore" in str(why("DEFERRED", "document_missing"))


def test_every_result_of_a_command_has_a_meaning() -> None:
    """Each result that a bulk action can have is explained."""
    results = set()
    for name in ("parked", "in_doubt"):
        for node in ast.walk(ast.parse((ROOT / f"cli/{name}.py").read_text())):
            if isinstance(node, ast.AsyncFunctionDef) and node.name == "act":
                constants = [one for one in ast.walk(node) if isinstance(one, ast.Return)]
                results |= {
                    text.value
                    for one in constants
                    for text in ast.walk(one)
                    if isinstance(text, ast.Constant) and isinstance(text.value, str)
                }
    assert results == set(RESULTS)
