"""The reminders of a request: each violation names its field, and absent reminders leave the default."""

import copy
import json
import traceback
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from contract.fiscal_code import FISCAL_CODE_PATTERN, contains_fiscal_code
from contract.reminders import Reminders
from contract.request import MessageRequest, parse_request
from contract.schemas import schemas
from contract.violations import InvalidRequest
from tests.unit.test_contract_request import JSON_VALUES, UNHURRIED, paths, refusal

REQUEST = schemas()["message-request.schema.json"]
SIMPLEST, FULL, REMINDED = REQUEST["examples"]
EMOJI = "🙂"
TEXT = {"subject": "Promemoria per te", "markdown": "Ti abbiamo scritto: leggi il messaggio con calma. " * 2}


def changed(path: str, value: Any) -> dict[str, Any]:
    document: dict[str, Any] = copy.deepcopy(REMINDED)
    *parents, name = path.split(".")
    place = document
    for parent in parents:
        place = place[parent]
    place[name] = value
    return document


def read(document: dict[str, Any]) -> MessageRequest:
    return parse_request(json.dumps(document))


def violations(document: dict[str, Any]) -> list[tuple[str, str]]:
    with pytest.raises(InvalidRequest) as raised:
        read(document)
    return [(violation.field, violation.rule) for violation in raised.value.violations]


@pytest.mark.parametrize(
    ("path", "value", "rule"),
    [
        ("unread.after_days", 0, "must be at least 1"),
        ("unread.after_days", 31, "must be at most 30"),
        ("unread.after_days", "7", "must be a whole number, is a string"),
        ("unread.times", 0, "must be at least 1"),
        ("unread.times", 4, "must be at most 3"),
        ("unread.days_between", 0, "must be at least 1"),
        ("unread.days_between", 16, "must be at most 15"),
        ("unread.every", 3, "is not a known field"),
        ("unread.subject", "Sette c", "must have 10 to 120 UTF-16 code units, has 7"),
        ("unread.subject", EMOJI * 61, "must have 10 to 120 UTF-16 code units, has 122"),
        ("unread.subject", "Promemoria per RSSMRA80A01H501U", "must not contain a fiscal code"),
        ("unread.markdown", "a" * 79, "must have 80 to 10000 UTF-16 code units, has 79"),
        ("unread.markdown", "a" * 10_001, "must have 80 to 10000 UTF-16 code units, has 10001"),
        ("unread.markdown", "---\n" + "a" * 80, "starts with a line '---'"),
        ("unread.markdown", None, "is given with subject or not at all"),
        ("unread.translations.it_IT", TEXT, "is the language of content"),
        ("unread.translations.en_GB.subject", "short", "must have 10 to 120 UTF-16 code units, has 5"),
        ("unread.translations.en_GB.subject", "For rssmra80a01h501u", "must not contain a fiscal code"),
        ("unpaid.days_before_due", 7, "must be an array, is a number"),
        ("unpaid.days_before_due", [], "must have at least 1 values, has 0"),
        ("unpaid.days_before_due", [6, 5, 4, 3, 2, 1], "must have at most 5 values, has 6"),
        ("unpaid.days_before_due", [7, 1, 7], "must not name a day twice"),
        ("unpaid.markdown", TEXT["markdown"], "is given with subject or not at all"),
        ("unpaid.translations", {"en_GB": TEXT}, "need subject and markdown"),
        ("feature_level_type", "PREMIUM", "must be 'STANDARD' or 'ADVANCED'"),
        ("when_unavailable", "remind", "is not a known field"),
    ],
)
def test_violation_names_the_field_and_the_rule(path: str, value: Any, rule: str) -> None:
    """One wrong value is the only violation, with its field and a rule that says what the field must be."""
    ((field, said),) = violations(changed(f"reminders.{path}", value))
    assert field == f"reminders.{path}"
    assert said.startswith(rule)


@pytest.mark.parametrize(("day", "rule"), [(-1, "must be at least 0"), (61, "must be at most 60")])
def test_day_out_of_range_is_named_by_its_place(day: int, rule: str) -> None:
    """Each day of the list is validated by itself."""
    document = changed("reminders.unpaid.days_before_due", [7, day])
    assert violations(document) == [("reminders.unpaid.days_before_due.1", rule)]


def test_reminders_need_a_premium_message() -> None:
    """Reminders need a Premium message, because IO reports reading and payment only for those."""
    fields = [field for field, rule in violations(changed("feature_level_type", "STANDARD")) if "ADV" in rule]
    assert fields == ["reminders.unread", "reminders.unpaid"]


@pytest.mark.parametrize("missing", ["payment_data", "due_date"])
def test_unpaid_needs_a_payment_with_a_due_date(missing: str) -> None:
    """Reminders to pay need a payment and a due date; reminders to read need neither."""
    assert violations(changed(f"content.{missing}", None)) == [
        ("reminders.unpaid", f"needs content.{missing}")
    ]


def test_wrong_field_that_reminders_need_is_told_once() -> None:
    """A wrong field that reminders depend on is one violation, and not a second one at the reminders."""
    wrong_level = changed("feature_level_type", "PREMIUM")
    wrong_content = changed("content.due_date", "tomorrow")
    assert [field for field, _ in violations(wrong_level)] == ["feature_level_type"]
    assert [field for field, _ in violations(wrong_content)] == ["content.due_date"]


@pytest.mark.parametrize("example", [SIMPLEST, FULL], ids=["simplest", "full"])
def test_nothing_said_is_not_nobody(example: dict[str, Any]) -> None:
    """Absent or null reminders mean the service's settings; an empty object means no reminders."""
    assert read(example).reminders is None
    assert read(example | {"reminders": None}) == read(example)
    assert read(example | {"reminders": {}}).reminders == Reminders()


def test_days_are_read_far_to_near() -> None:
    """The order of the days does not change the request."""
    document = changed("reminders.unpaid.days_before_due", [0, 8, 1])
    assert read(document).canonical_bytes() == read(REMINDED).canonical_bytes()
    assert read(document).reminders == read(REMINDED).reminders


def test_least_that_must_be_said_is_enough() -> None:
    """Text, times and interval have defaults."""
    reminders = read(FULL | {"reminders": {"unread": {"after_days": 3}}}).reminders
    assert reminders is not None
    assert reminders.unread is not None
    assert (reminders.unread.times, reminders.unread.days_between, reminders.unread.subject) == (1, 3, None)
    assert (reminders.unpaid, reminders.feature_level_type) == (None, "STANDARD")


def test_repr_hides_the_texts() -> None:
    """The repr of the reminders hides their texts."""
    reminders = read(REMINDED).reminders
    assert "un avviso ti aspetta" not in repr(reminders)
    assert "A maggio" not in repr(reminders)
    assert "Waste tax" not in repr(reminders)


@UNHURRIED
@given(path=st.sampled_from(paths(REMINDED["reminders"])), value=JSON_VALUES)
def test_any_value_is_equal_or_refused(path: str, value: Any) -> None:
    """A valid request with any value in its reminders reads back equal, or is refused at that field."""
    document = changed(f"reminders.{path}", value)
    error = refusal(json.dumps(document))
    if error is None:
        assert parse_request(read(document).to_json()) == read(document)
        Draft202012Validator(REQUEST).validate(document)
    else:
        above = f"reminders.{path}".rpartition(".")[0]
        assert all(violation.field.startswith((above, "body")) for violation in error.violations)


@UNHURRIED
@given(
    code=st.from_regex(FISCAL_CODE_PATTERN.replace("$", r"\Z")),
    path=st.sampled_from(paths(REMINDED["reminders"])),
)
def test_no_error_shows_a_fiscal_code(code: str, path: str) -> None:
    """No text of a refusal, not even its traceback, contains a fiscal code from the reminders."""
    for document in (changed(f"reminders.{path}", f"x {code}"), changed(f"reminders.{path}", {code: 1})):
        error = refusal(json.dumps(document))
        shown = f"{error!r}{error}" + "".join(traceback.format_exception(error)) if error else ""
        assert not contains_fiscal_code(shown)
        assert code not in shown


def test_only_markdown_may_name_a_person() -> None:
    """A fiscal code is accepted in the markdown of a reminder and refused in its subject."""
    text = TEXT | {"markdown": TEXT["markdown"] + "RSSMRA80A01H501U"}
    assert read(changed("reminders.unpaid", {"days_before_due": [1], **text})).reminders is not None
