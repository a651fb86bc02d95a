"""The violations of a request: each names the field and the rule, and never shows a value."""

import json
from collections.abc import Iterable, Mapping
from itertools import accumulate
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from contract.fiscal_code import FISCAL_CODE_SHAPE, MASK

_LONGEST_NAME = 64
_MOST_VIOLATIONS = 50
_MOST_CHARACTERS = 20_000  # all of them share one column, as ASCII JSON, which holds 32 K
_BROKEN_RULES = "broken_rules"
_BROKEN_RULES_BELOW = "broken_rules_below"
_RULES = {
    "missing": "is required",
    "extra_forbidden": "is not a known field: remove it or correct its name",
    "string_type": "must be a string, is {found}",
    "int_type": "must be a whole number, is {found}",
    "bool_type": "must be true or false, is {found}",
    "model_type": "must be an object, is {found}",
    "dict_type": "must be an object, is {found}",
    "list_type": "must be an array, is {found}",
    "tuple_type": "must be an array, is {found}",
    "too_short": "must have at least {min_length} values, has {actual_length}",
    "too_long": "must have at most {max_length} values, has {actual_length}",
    "literal_error": "must be {expected}",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
}


class Violation(BaseModel):
    """A field of a request and the rule that it breaks."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    field: str = Field(description='Path of the field, for example "content.payment_data.amount".')
    rule: str = Field(description="The rule that the field breaks: an English sentence without its subject.")


class InvalidRequest(Exception):
    """The body can never be sent as a request: park it, do not retry it.

    `request_id` is the sender's key, when the body had a usable one.
    """

    def __init__(self, violations: Iterable[Violation], request_id: str | None = None) -> None:
        self.violations = tuple(violations)
        self.request_id = request_id
        super().__init__("\n".join(f"{violation.field}: {violation.rule}" for violation in self.violations))


def broken(rules: list[str]) -> PydanticCustomError:
    """Return the error for a validator to raise: one violation for each of the broken `rules`."""
    return PydanticCustomError(_BROKEN_RULES, "breaks a rule", {"rules": rules})


def broken_below(rules: Mapping[str, list[str]]) -> PydanticCustomError:
    """Return the error for `rules` that fields below the validated one break, by field name."""
    return PydanticCustomError(_BROKEN_RULES_BELOW, "breaks rules below", {"rules": rules})


def violations_of(error: ValidationError) -> list[Violation]:
    """Translate pydantic's errors into violations, as many as an outcome on a queue has room for."""
    found = [violation for detail in error.errors(include_url=False) for violation in _violations(detail)]
    sizes = accumulate(len(json.dumps(one.model_dump())) for one in found[:_MOST_VIOLATIONS])
    room = sum(size <= _MOST_CHARACTERS for size in sizes)
    if room == len(found):
        return found
    return [*found[:room], Violation(field="body", rule=f"breaks {len(found) - room} more rules")]


def shown_name(name: str) -> str:
    """Return a name that the sender chose, in a form that an error text may show."""
    printable = "".join(character if character.isprintable() else "?" for character in name)
    masked = FISCAL_CODE_SHAPE.sub(MASK, printable)
    return masked if len(masked) <= _LONGEST_NAME else masked[:_LONGEST_NAME] + "..."


def kind_of(value: object) -> str:
    """Return JSON's word for the type of `value`."""
    match value:
        case None:
            return "null"
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case str():
            return "a string"
        case list():
            return "an array"
        case _:
            return "an object"


def _violations(detail: ErrorDetails) -> list[Violation]:
    path = _path(detail["loc"])
    if detail["type"] != _BROKEN_RULES_BELOW:
        return [Violation(field=path, rule=rule) for rule in _rules(detail)]
    below: Mapping[str, list[str]] = detail["ctx"]["rules"]
    return [Violation(field=f"{path}.{name}", rule=rule) for name, rules in below.items() for rule in rules]


def _path(location: tuple[int | str, ...]) -> str:
    return ".".join(shown_name(str(part)) for part in location if part != "[key]")


def _rules(detail: ErrorDetails) -> list[str]:
    context: Mapping[str, Any] = detail.get("ctx", {})
    if detail["type"] == _BROKEN_RULES:
        return list(context["rules"])
    return [_RULES[detail["type"]].format(found=kind_of(detail["input"]), **context)]
