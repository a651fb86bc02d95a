"""The text that the citizen reads: a subject and a markdown within IO's limits."""

from typing import Annotated

from pydantic import BaseModel, Field, ValidationInfo

from contract.fields import STRICT, Rule, utf16_units
from contract.fiscal_code import contains_fiscal_code
from contract.front_matter import front_matter_rules
from contract.violations import broken

_SUBJECT_LENGTH = utf16_units(10, 120)
_MARKDOWN_LENGTH = utf16_units(80, 10_000)


def _markdown_rules(markdown: str) -> list[str]:
    return _MARKDOWN_LENGTH.broken_by(markdown) + front_matter_rules(markdown)


def _subject_rules(subject: str) -> list[str]:
    personal = ["must not contain a fiscal code: everyone who sees the phone reads the subject"]
    return _SUBJECT_LENGTH.broken_by(subject) + (personal if contains_fiscal_code(subject) else [])


Subject = Annotated[str, Rule(_subject_rules, _SUBJECT_LENGTH.schema)]
Markdown = Annotated[str, Rule(_markdown_rules, _MARKDOWN_LENGTH.schema)]


def with_subject(markdown: str | None, info: ValidationInfo) -> str | None:
    """Validate an optional markdown: it is given with the subject before it, or not at all."""
    if "subject" in info.data and (info.data["subject"] is None) != (markdown is None):
        raise broken(["is given with subject or not at all"])
    return markdown


class Text(BaseModel):
    """The text that the citizen reads, in one language."""

    model_config = STRICT

    subject: Subject = Field(
        repr=False,
        description="Title: 10 to 120 UTF-16 code units (an emoji counts two). No personal data, above "
        "all no fiscal code: everyone who sees the phone reads the title.",
    )
    markdown: Markdown = Field(
        repr=False,
        description="Text in IO's markdown: 80 to 10000 UTF-16 code units (an emoji counts two), "
        "including the optional front matter with the buttons (CTA) at its start.",
    )
