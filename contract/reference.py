"""The reference: what Postino's own queues carry in place of a request, to hold no personal data."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field, ValidationError

from contract.body import load_object
from contract.fields import STRICT, Language, RequestId, Traceparent, matching
from contract.violations import InvalidRequest, violations_of

Owner = Annotated[str, matching("^[0-9a-f]{32}$", "must be 32 hexadecimal digits")]


class AttemptResult(BaseModel):
    """How an attempt to send ended, when the ledger could not be told."""

    model_config = STRICT

    owner: Owner = Field(description="The attempt, as the ledger names it.")
    what: Literal["ACCEPTED", "REFUSED", "DEFERRED", "IN_DOUBT"] = Field(description="The state it ends in.")
    reason: str | None = Field(default=None, description="As in the ledger's history.")
    http_status: int | None = Field(default=None, description="Of IO's answer.")
    message_id: str | None = Field(default=None, description="IO's id, when accepted.")


class Reference(BaseModel):
    """Points at a stored request."""

    model_config = STRICT

    reference: Literal[1] = Field(default=1, description="Version; no request has this field.")
    request_id: RequestId = Field(description="The sender's key of the stored request.")
    sequence: int = Field(default=0, ge=0, description="Which deferred copy this is: older ones are stale.")
    language: Language | None = Field(default=None, description="Translation to send; null is Italian.")
    traceparent: Traceparent | None = Field(default=None, description="W3C trace context.")
    result: AttemptResult | None = Field(default=None, description="What the ledger is still to be told.")

    def to_json(self) -> str:
        """Return the body that `parse_reference` reads back as an equal reference."""
        return self.model_dump_json(exclude_none=True)


def parse_reference(body: str | bytes) -> Reference | None:
    """Read a queue message that may be a reference.

    Returns None for anything without the field "reference", which `parse_request` is to judge. Raises
    InvalidRequest for a reference that is malformed.
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
