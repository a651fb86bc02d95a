"""The reference: the message that Postino's own queues carry instead of a request, without personal data."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field, ValidationError

from contract.body import load_object
from contract.fields import STRICT, Language, RequestId, Traceparent, matching
from contract.violations import InvalidRequest, violations_of

Owner = Annotated[str, matching("^[0-9a-f]{32}$", "must be 32 hexadecimal digits")]


class AttemptResult(BaseModel):
    """The result of an attempt to send that could not be written to the ledger."""

    model_config = STRICT

    owner: Owner = Field(description="The ledger's id of the attempt.")
    what: Literal["ACCEPTED", "REFUSED", "DEFERRED", "IN_DOUBT"] = Field(description="The resulting state.")
    reason: str | None = Field(default=None, description="The reason, as in the ledger's history.")
    http_status: int | None = Field(default=None, description="HTTP status of IO's answer.")
    message_id: str | None = Field(default=None, description="IO's id of an accepted message.")


class Reference(BaseModel):
    """A pointer to a stored request."""

    model_config = STRICT

    reference: Literal[1] = Field(default=1, description="Format version. No request has this field.")
    request_id: RequestId = Field(description="The sender's key of the stored request.")
    sequence: int = Field(default=0, ge=0, description="Number of the deferred copy; older copies are stale.")
    language: Language | None = Field(default=None, description="Translation to send; null means Italian.")
    traceparent: Traceparent | None = Field(default=None, description="W3C trace context.")
    result: AttemptResult | None = Field(default=None, description="The result that the ledger still lacks.")

    def to_json(self) -> str:
        """Return the body that `parse_reference` reads back as an equal reference."""
        return self.model_dump_json(exclude_none=True)


def parse_reference(body: str | bytes) -> Reference | None:
    """Read a queue message that may be a reference.

    Returns None for anything without the field "reference": `parse_request` must judge that body. Raises
    InvalidRequest for a malformed reference.
    """
    try:
        document = load_object(body)
    except InvalidRequest:
        return None
    if "reference" not in document:
        return None
    try:
        return Reference.model_validate(document)
    except ValidationError as error:
        violations = violations_of(error)
    raise InvalidRequest(violations)
