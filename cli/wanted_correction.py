"""What an operator wants to correct in the remote content of a message."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final

import typer
from pydantic import ValidationError

from cli.printing import WRONG, fail
from cli.wanted_configuration import read_text
from contract.fields import fields_with_own_fiscal_code
from contract.remote_content import RemoteContent
from contract.violations import InvalidRequest, Violation, violations_of
from report.italian import counted

FLAGS: Final = (
    "IO ha saputo all'invio se ci sono documenti, testo e precondizione, e non lo si può cambiare: "
    "si sostituisce solo ciò che c'è."
)

Subject = Annotated[str | None, typer.Option(help="Il titolo nuovo.")]
Markdown = Annotated[str | None, typer.Option(metavar="FILE", help="Il file con il testo nuovo.")]
Attachment = Annotated[
    list[str] | None,
    typer.Option(
        metavar="N=BLOB", help="Il documento numero N diventa questo blob del contenitore documents."
    ),
]
Name = Annotated[
    list[str] | None, typer.Option(metavar="N=NOME", help="Il nome nuovo, in .pdf, del documento numero N.")
]
PreconditionTitle = Annotated[str | None, typer.Option(help="Il titolo nuovo della precondizione.")]
PreconditionMarkdown = Annotated[
    str | None, typer.Option(metavar="FILE", help="Il file con il testo nuovo della precondizione.")
]


@dataclass(frozen=True)
class Correction:
    """The options of a correction. None: as it is."""

    subject: Subject = None
    markdown: Markdown = None
    attachment: Attachment = None
    name: Name = None
    precondition_title: PreconditionTitle = None
    precondition_markdown: PreconditionMarkdown = None


def corrected(content: RemoteContent, correction: Correction, fiscal_code: str) -> RemoteContent:
    """Return the corrected content. The command ends if a flag of the message would have to change.

    fiscal_code: the recipient's, which no name of a blob may contain. Raises InvalidRequest.
    """
    document: dict[str, Any] = content.model_dump(mode="json")
    _replace(document, {"subject": correction.subject, "markdown": _text(correction.markdown, "--markdown")})
    precondition = {
        "title": correction.precondition_title,
        "markdown": _text(correction.precondition_markdown, "--precondition-markdown"),
    }
    if any(text is not None for text in precondition.values()):
        _replace(document["precondition"] or dict.fromkeys(precondition), precondition)
    for option, field in (("attachment", "blob"), ("name", "name")):
        for number, value in _numbered(option, getattr(correction, option) or ()).items():
            if not 1 <= number <= len(document["attachments"]):
                there = counted(len(document["attachments"]), "documento", "documenti")
                fail(WRONG, f"--{option}: il messaggio ha {there}. {FLAGS}")
            document["attachments"][number - 1][field] = value
    return _validated(document, fiscal_code)


def _replace(document: dict[str, Any], texts: Mapping[str, str | None]) -> None:
    for name, text in texts.items():
        if text is not None and document[name] is None:
            fail(WRONG, FLAGS)
        document[name] = document[name] if text is None else text


def _text(path: str | None, option: str) -> str | None:
    return None if path is None else read_text(path, option)


def _numbered(option: str, values: Iterable[str]) -> dict[int, str]:
    """Return the values by the number of the document that each names."""
    found: dict[int, str] = {}
    for value in values:
        number, _, text = value.partition("=")
        if not re.fullmatch(r"[1-9][0-9]?", number, re.ASCII) or not text or int(number) in found:
            fail(WRONG, f"--{option} si scrive N=VALORE, una volta per documento: 1 è il primo.")
        found[int(number)] = text
    return found


def _validated(document: dict[str, Any], fiscal_code: str) -> RemoteContent:
    whole = {"fiscal_code": fiscal_code, "remote_content": document}
    personal = fields_with_own_fiscal_code(whole)
    try:
        content = RemoteContent.model_validate_json(json.dumps(document))
    except ValidationError as error:
        raise InvalidRequest(map(_as_numbered, violations_of(error))) from None
    if personal:
        rule = "must not contain the recipient's fiscal code"
        named = (Violation(field=name.removeprefix("remote_content."), rule=rule) for name in personal)
        raise InvalidRequest(map(_as_numbered, named))
    return content


def _as_numbered(violation: Violation) -> Violation:
    """Return the violation with documents numbered from 1, as the options number them."""
    field = re.sub(r"^attachments\.(\d+)", lambda found: f"attachments.{int(found[1]) + 1}", violation.field)
    return violation.model_copy(update={"field": field})


def changes(before: RemoteContent, after: RemoteContent) -> dict[str, tuple[Any, Any]]:
    """Return the fields that differ, dotted and numbered from 1, each with both values."""
    old, new = _fields(before), _fields(after)
    return {name: (old[name], new[name]) for name in new if old[name] != new[name]}


def _fields(content: RemoteContent) -> dict[str, Any]:
    found: dict[str, Any] = {"subject": content.subject, "markdown": content.markdown}
    precondition = content.precondition
    found |= {f"precondition.{name}": getattr(precondition, name, None) for name in ("title", "markdown")}
    for number, attachment in enumerate(content.attachments, start=1):
        found |= {f"attachments.{number}.{name}": getattr(attachment, name) for name in ("name", "blob")}
    return found
