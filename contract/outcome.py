"""The outcome: the CloudEvents 1.0 event on `message-outcomes` that reports what became of a request."""

from datetime import datetime
from enum import StrEnum
from typing import Literal, Self

from pydantic import BaseModel, Field, model_validator

from contract.fields import STRICT, Campaign, FeatureLevelType, Instant, RequestId, ServiceName, Traceparent
from contract.fiscal_code import contains_fiscal_code
from contract.violations import Violation

_TYPE_PREFIX = "it.postino.message."


class State(StrEnum):
    """The states that an outcome can report."""

    ACCEPTED = "accepted"
    PROCESSED = "processed"
    REJECTED = "rejected"
    FAILED = "failed"
    SKIPPED = "skipped"
    REFUSED = "refused"
    EXPIRED = "expired"
    IN_DOUBT = "in_doubt"
    PARKED = "parked"
    READ = "read"
    READ_UNAVAILABLE = "read_unavailable"
    UNCONFIRMED = "unconfirmed"
    PAID = "paid"
    REMINDED = "reminded"


class OutcomeData(BaseModel):
    """The facts of an outcome. Fields without a value are absent."""

    model_config = STRICT

    request_id: RequestId | None = Field(
        default=None, description="The sender's key. Absent when the body had no usable key."
    )
    service: ServiceName | None = Field(default=None, description="Name of the configured IO service.")
    campaign: Campaign | None = Field(default=None, description="The request's campaign label.")
    feature_level_type: FeatureLevelType | None = Field(default=None, description="STANDARD or ADVANCED.")
    state: State = Field(description="The state that the message reached: the last part of the event's type.")
    message_id: str | None = Field(default=None, description="IO's id of the message.")
    status: Literal["ACCEPTED", "THROTTLED", "PROCESSED", "REJECTED", "FAILED"] | None = Field(
        default=None, description="IO's own status of the message."
    )
    read_status: Literal["READ", "UNREAD", "UNAVAILABLE"] | None = Field(
        default=None, description="IO's own value. UNAVAILABLE does not mean UNREAD."
    )
    payment_status: Literal["PAID", "NOT_PAID"] | None = Field(
        default=None,
        description="IO's own value. NOT_PAID does not mean that the notice can be paid. The value is also "
        "PAID if the creditor reported the payment on message-settled.",
    )
    reason: str | None = Field(default=None, description="The reason, as a word or a sentence.")
    reminder: RequestId | None = Field(default=None, description="The request_id of the reminder.")
    http_status: int | None = Field(default=None, ge=100, le=599, description="HTTP status of IO's answer.")
    violations: tuple[Violation, ...] | None = Field(
        default=None, description="The rules broken by a request that was refused before sending."
    )
    attempts: int | None = Field(default=None, ge=0, description="Number of attempts to send.")
    parked_id: str | None = Field(default=None, description="Id for `postino parked show`.")


class Outcome(BaseModel):
    """A CloudEvents 1.0 event in structured JSON. Delivered at least once: drop repetitions of an `id`."""

    model_config = STRICT

    specversion: Literal["1.0"] = Field(default="1.0", description="Version of CloudEvents.")
    id: str = Field(description="Id of the event: the same for every delivery of the same outcome.")
    source: str = Field(description='"/postino/" and the service, or "/postino" when the service is unknown.')
    type: str = Field(
        pattern=rf"^it\.postino\.message\.({'|'.join(State)})$",
        description=f'"{_TYPE_PREFIX}" and the state.',
    )
    subject: RequestId | None = Field(default=None, description="The request_id, when known.")
    time: Instant = Field(description="When it happened; of what IO reports, when Postino read it.")
    datacontenttype: Literal["application/json"] = Field(
        default="application/json", description="Media type of data."
    )
    traceparent: Traceparent | None = Field(default=None, description="W3C trace context, when known.")
    data: OutcomeData = Field(description="The facts, without personal data.")

    @classmethod
    def of(
        cls, data: OutcomeData, *, time: datetime, sequence: int = 0, traceparent: str | None = None
    ) -> Self:
        """Return the event for `data`. `sequence` distinguishes outcomes of one request in the same state.

        Raises ValueError when `data` has neither request_id nor parked_id, or holds a fiscal code.
        """
        about = data.parked_id or data.request_id
        if about is None:
            raise ValueError("an outcome needs a request_id or a parked_id: give the parked_id of the body")
        return cls(
            id=f"{about}/{sequence}/{data.state}",
            source=f"/postino/{data.service}" if data.service else "/postino",
            type=f"{_TYPE_PREFIX}{data.state}",
            subject=data.request_id,
            time=time,
            traceparent=traceparent,
            data=data,
        )

    @model_validator(mode="after")
    def _without_fiscal_codes(self) -> Self:
        # Skip traceparent: no value can hold a fiscal code, but one random value in 100,000 looks like one.
        fields = self.model_dump(mode="json", exclude={"traceparent", "data"}) | self.data.model_dump(
            mode="json"
        )
        personal = [name for name, value in fields.items() if contains_fiscal_code(str(value))]
        if personal:
            raise ValueError(f"mask the fiscal code in {', '.join(personal)} with mask_fiscal_codes")
        return self

    def to_json(self) -> str:
        """Return the body of the queue message."""
        return self.model_dump_json(exclude_none=True)
