"""The settlement: a creditor puts it on `message-settled` to report that a notice was paid."""

from pydantic import BaseModel, Field, ValidationError, ValidationInfo, field_validator

from contract.body import load_object
from contract.fields import STRICT, Instant, NoticeNumber, RequestId, usable_request_id
from contract.violations import InvalidRequest, broken, violations_of


class Settlement(BaseModel):
    """A notice was paid, on any channel: Postino stops following its payment.

    A settlement names the request that carried the notice, or the notice number. The number stands for
    every request that carried the notice.
    """

    model_config = STRICT

    request_id: RequestId | None = Field(
        default=None, description="The request that carried the notice. Give this or notice_number."
    )
    notice_number: NoticeNumber | None = Field(
        default=None,
        validate_default=True,
        repr=False,
        description="pagoPA notice number (numero avviso): 18 digits, the first 0 to 3. Give this or "
        "request_id. A number that no request carried is no error.",
    )
    paid_at: Instant | None = Field(
        default=None,
        description="When the notice was paid. If absent, when Postino takes this message from the queue.",
    )

    @field_validator("notice_number")
    @classmethod
    def _one_of_two(cls, notice_number: str | None, info: ValidationInfo) -> str | None:
        # An invalid request_id is missing from `data`, and has a violation of its own.
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
