"""Remote content: a text and PDF attachments that IO fetches from the institution at each opening.

Sources: the sender's API of IO ("Remote Content - Server implementation": details, attachments, precondition)
and IO's guide, Sending a message with attachments.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, Field, ValidationInfo, field_validator

from contract.fields import PERSONAL, STRICT, Rule, utf16_units
from contract.fiscal_code import contains_fiscal_code
from contract.text import Markdown, with_subject
from contract.violations import broken

MOST_ATTACHMENTS = 10
_NAME_LENGTH = utf16_units(5, 127)
_BLOB_CHARACTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-/")
_BLOB = "must be 1 to 512 characters of A-Z a-z 0-9 . _ - /, in parts that are not empty nor end with a dot"


def _name_rules(name: str) -> list[str]:
    rules = _NAME_LENGTH.broken_by(name)
    if not name.endswith(".pdf"):
        rules.append("must end in .pdf, the only type that IO shows")
    if not name.isprintable() or {*name} & {*"/\\"}:
        rules.append("must have no slash and only characters that can be printed")
    return rules


def _blob_rules(blob: str) -> list[str]:
    parts = blob.split("/")
    fits = 1 <= len(blob) <= 512 and {*blob} <= _BLOB_CHARACTERS
    rules = [] if fits and not any(not part or part.endswith(".") for part in parts) else [_BLOB]
    return rules + ([PERSONAL] if contains_fiscal_code(blob) else [])


class Attachment(BaseModel):
    """A PDF document in the blob container `documents`."""

    model_config = STRICT

    name: Annotated[str, Rule(_name_rules, _NAME_LENGTH.schema | {"pattern": r"\.pdf$"})] = Field(
        repr=False,
        description="File name that the citizen sees: 5 to 127 UTF-16 code units, ending in .pdf. The app "
        "shows the first 35.",
    )
    blob: Annotated[str, Rule(_blob_rules, {"pattern": "^[A-Za-z0-9._/-]{1,512}$"})] = Field(
        repr=False,
        description="Name of the blob in the container documents, without a fiscal code: names of blobs "
        "are in addresses and in the logs of the storage account.",
    )


class Precondition(BaseModel):
    """The text that the citizen must accept before the message opens."""

    model_config = STRICT

    title: Annotated[str, utf16_units(1, 120)] = Field(repr=False, description="Title: 1 to 120 characters.")
    markdown: Annotated[str, utf16_units(1, 10_000)] = Field(
        repr=False, description="Text in IO's markdown: 1 to 10000 UTF-16 code units."
    )
    has_precondition: Literal["ALWAYS", "ONCE"] = Field(
        default="ALWAYS", description="Whether the app shows it at each opening or only at the first."
    )


class RemoteContent(BaseModel):
    """What IO fetches from Postino when the citizen opens the message. Postino fills third_party_data in."""

    model_config = STRICT

    subject: Annotated[str, utf16_units(10, 120)] | None = Field(
        default=None, repr=False, description="Title shown instead of content.subject after the opening."
    )
    markdown: Markdown | None = Field(
        default=None,
        validate_default=True,
        repr=False,
        description="Text shown instead of content.markdown, which IO still requires and sends by e-mail. "
        "Given with subject or not at all.",
    )
    precondition: Precondition | None = Field(
        default=None, repr=False, description="Text to accept before the opening, if any."
    )
    attachments: tuple[Attachment, ...] = Field(
        default=(),
        max_length=MOST_ATTACHMENTS,
        strict=False,
        validate_default=True,
        repr=False,
        description=f"PDF documents, at most {MOST_ATTACHMENTS}.",
    )

    _together = field_validator("markdown")(with_subject)

    @field_validator("attachments")
    @classmethod
    def _something_to_fetch(
        cls, attachments: tuple[Attachment, ...], info: ValidationInfo
    ) -> tuple[Attachment, ...]:
        if not attachments and "markdown" in info.data and info.data["markdown"] is None:
            raise broken(["must name a document when there is no subject and markdown"])
        return attachments

    @property
    def has_precondition(self) -> Literal["ALWAYS", "ONCE", "NEVER"]:
        """When the app shows the precondition, in the words of IO's third_party_data."""
        return self.precondition.has_precondition if self.precondition else "NEVER"
