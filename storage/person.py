"""One person, by fiscal code, and the bodies that are theirs."""

import json
from dataclasses import dataclass, field
from typing import Any, Self

from contract.body import load_object
from contract.fiscal_code import codes_in, normalized, omocodia_forms
from contract.violations import InvalidRequest


@dataclass(frozen=True)
class Person:
    """A person. `codes` are the forms of the fiscal code that are theirs; `other_forms` may be others'."""

    codes: frozenset[str] = field(repr=False)
    other_forms: frozenset[str] = field(repr=False)

    @classmethod
    def of(cls, fiscal_code: str, *, with_all_forms: bool) -> Self:
        """Build a person. Only the institution knows whether another omocodia form is the same person."""
        forms = omocodia_forms(fiscal_code) | {fiscal_code}
        codes = forms if with_all_forms else frozenset({fiscal_code})
        return cls(codes, forms - codes)

    def owns(self, body: str) -> bool:
        """Return whether a body is a request to this person, or has no usable fiscal code and names theirs.

        A request to somebody else may name the person in its text: it is somebody else's.
        """
        document = document_of(body)
        code = document.get("fiscal_code")
        if isinstance(code, str) and (whole := normalized(code)):
            return whole in self.codes
        text = json.dumps(document, ensure_ascii=False) if document else body
        return any(one in self.codes for one in codes_in(text))


def document_of(body: str) -> dict[str, object]:
    """Return the JSON object of a body, valid or not by the contract; {} if there is none."""
    try:
        return load_object(body)
    except InvalidRequest:
        return {}


def request_id_of(body: str) -> str | None:
    """Return the request_id that a body gives."""
    found = document_of(body).get("request_id")
    return found if isinstance(found, str) else None


def blobs_of(body: str) -> set[str]:
    """Return the documents that a request names, valid or not by the contract."""
    content: Any = document_of(body).get("remote_content")
    attachments: Any = content.get("attachments") if isinstance(content, dict) else None
    named = [one.get("blob") for one in attachments or () if isinstance(one, dict)]
    return {blob for blob in named if isinstance(blob, str)}
