"""The settlement: what a creditor puts on `message-settled` to say that a notice has been paid."""

from pydantic import BaseModel, Field, ValidationError, ValidationInfo, field_validator

from contract.body import load_object
from contract.fields import STRICT, Instant, NoticeNumber, RequestId, usable_request_id
from contract.violations import InvalidRequest, broken, violations_of


class Settlement(BaseModel):
    """A notice was paid, on whatever channel: it is not followed as a payment any longer.

    It is named by the request that carried it or by its own number, in which case every request that
    carried it is meant.
    """

    model_config = STRICT

    request_id: RequestId | None = Field(
        default=None, description="The request that carried the notice; or else notice_number."
    )
    notice_number: NoticeNumber | None = Field(
        default=None,
        validate_default=True,
        repr=False,
        description="pagoPA notice number (numero avviso): 18 digits, the first 0 to 3; or else request_id. "
        "One that no request carried is no mistake.",
    )
    paid_at: Instant | None = Field(
        default=None, description="When it was paid; when this is taken from the queue, if absent."
    )

    @field_validator("notice_number")
    @classmethod
    def _one_of_two(cls, notice_number: str | None, info: ValidationInfo) -> str | None:
        # A request_id that breaks its own rule is not in the data, and is reported by itself.
        by_request = info.data.get("request_id", "wrong") is not None
        if notice_number is None and not by_request:
            raise broken(["is required when there is no request_id"])
        if notice_number is not None and info.data.get("request_id") is not None:
            raise broken(["must be left out when there is a request_id"])
        return notice_number

    def to_json(self) -> str:
        """Return the body that `parse_settlement` reads back as an equal settlement."""
        return self.model_dump_json(exclude_none=True)


def parse_settlement(body: str | bytes) -> Settlement:
    """Read a queue message: JSON, or base64 of JSON.

    Raises InvalidRequest, and nothing else, with every violation at once.
    """
    document = load_object(body)
    try:
        return Settlement.model_validate(document)
    except ValidationError as error:
        violations = violations_of(error)
    raise InvalidRequest(violations, request_id=usable_request_id(document))
