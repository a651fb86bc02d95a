"""The request: an upstream system puts it on `message-requests` to send one message to one person."""

import json
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, Field, ValidationError, ValidationInfo, field_validator

from contract.body import load_object
from contract.fields import (
    PERSONAL,
    STRICT,
    Campaign,
    FeatureLevelType,
    FiscalCode,
    Instant,
    Language,
    NoticeNumber,
    RequestId,
    ServiceName,
    Traceparent,
    fields_with_own_fiscal_code,
    matching,
    usable_request_id,
)
from contract.reminders import Reminders
from contract.remote_content import RemoteContent
from contract.text import Text
from contract.violations import InvalidRequest, Violation, broken, broken_below, violations_of


class Payee(BaseModel):
    """The creditor, if not the institution that owns the service. Needs a separate scope on IO."""

    model_config = STRICT

    fiscal_code: Annotated[
        str, matching("^[0-9]{11}$", "must be an organization's fiscal code: 11 digits")
    ] = Field(description="Fiscal code of the organization: 11 digits.")


class PaymentData(BaseModel):
    """The pagoPA notice that the citizen can pay from the message."""

    model_config = STRICT

    amount: int = Field(ge=1, le=9_999_999_999, repr=False, description="Amount in euro cents.")
    notice_number: NoticeNumber = Field(
        repr=False, description="pagoPA notice number (numero avviso): 18 digits, the first 0 to 3."
    )
    invalid_after_due_date: bool = Field(
        default=False, description="Whether the notice cannot be paid after content.due_date."
    )
    payee: Payee | None = Field(default=None, description="The creditor, if not the service's institution.")


class Content(Text):
    """The message, with IO's own field names. Subject and markdown are the Italian text."""

    payment_data: PaymentData | None = Field(
        default=None, repr=False, description="The pagoPA notice to pay, if any."
    )
    due_date: Instant | None = Field(
        default=None,
        validate_default=True,
        description="Instant of the due date, with Z or an offset. IO gets it in UTC and whole seconds. "
        "For a day, use 23:59:59 in Italy. Required when payment_data.invalid_after_due_date is true.",
    )
    require_secure_channels: bool | None = Field(
        default=None,
        description="Whether to keep the content out of e-mail and push notifications. When absent, the "
        "service's own setting applies.",
    )

    @field_validator("due_date")
    @classmethod
    def _present_when_it_ends_the_payment(
        cls, due_date: datetime | None, info: ValidationInfo
    ) -> datetime | None:
        payment: PaymentData | None = info.data.get("payment_data")
        if payment is not None and payment.invalid_after_due_date and due_date is None:
            raise broken(["is required when content.payment_data.invalid_after_due_date is true"])
        return due_date


class MessageRequest(BaseModel):
    """One message to one person. Postino sends a `request_id` only once, for ever."""

    model_config = STRICT

    request_id: RequestId = Field(
        description="The sender's own key. The same request_id is always the same message. 1 to 128 "
        "characters of A-Z a-z 0-9 . _ : - and no fiscal code, because the key travels in logs and events."
    )
    service: ServiceName = Field(
        default="default", validate_default=True, description="Name of a configured IO service."
    )
    fiscal_code: FiscalCode = Field(repr=False, description="The recipient's fiscal code, in upper case.")
    feature_level_type: FeatureLevelType = Field(
        default="STANDARD", description="ADVANCED is IO's Premium message, which is charged for."
    )
    content: Content = Field(repr=False, description="The message, in Italian.")
    translations: dict[Language, Text] = Field(
        default={},
        repr=False,
        description="The same text in other languages. Postino sends the first of the recipient's preferred "
        "languages that is here, otherwise the Italian text of content.",
    )
    remote_content: RemoteContent | None = Field(
        default=None,
        repr=False,
        description="Text and PDF documents that IO fetches from Postino at each opening. Needs "
        "feature_level_type ADVANCED, and a service with a configuration of remote contents.",
    )
    campaign: Campaign | None = Field(
        default=None,
        description="Label to follow many requests together. No fiscal code is allowed in it.",
    )
    in_reply_to: RequestId | None = Field(
        default=None, description="The request_id of an earlier message that this message follows up."
    )
    reminders: Reminders | None = Field(
        default=None,
        repr=False,
        description="The reminders of this message, instead of those in the service's settings; {} for none. "
        "Needs feature_level_type ADVANCED; unpaid also needs a payment with a due date.",
    )
    priority: Literal["bulk"] | None = Field(
        default=None,
        description="bulk: gives way to every request that does not say it. Put bulk requests on "
        "message-requests-bulk; on message-requests each is moved there.",
    )
    not_before: Instant | None = Field(default=None, description="Do not send before this instant.")
    expires_at: Instant | None = Field(
        default=None, description="Do not send from this instant on. Must be after not_before."
    )
    traceparent: Traceparent | None = Field(
        default=None, description="W3C trace context of the sender. Every step continues it."
    )

    @field_validator("service")
    @classmethod
    def _configured(cls, service: str, info: ValidationInfo) -> str:
        if info.context is not None and service not in info.context:
            known = ", ".join(sorted(info.context)) or "none"
            raise broken([f"is not a configured IO service: name one of them ({known}) or configure it"])
        return service

    @field_validator("in_reply_to")
    @classmethod
    def _another(cls, in_reply_to: str | None, info: ValidationInfo) -> str | None:
        if in_reply_to is not None and in_reply_to == info.data.get("request_id"):
            raise broken(["must be the request_id of another request"])
        return in_reply_to

    @field_validator("reminders")
    @classmethod
    def _possible(cls, reminders: Reminders | None, info: ValidationInfo) -> Reminders | None:
        asked = {name: getattr(reminders, name, None) for name in ("unread", "unpaid")}
        needs = {"unread": _unmet_by_level(info), "unpaid": _unmet_by_level(info) + _unmet_by_payment(info)}
        unmet = {name: rules for name, rules in needs.items() if asked[name] and rules}
        if unmet:
            raise broken_below(unmet)
        return reminders

    @field_validator("remote_content")
    @classmethod
    def _premium(cls, remote_content: RemoteContent | None, info: ValidationInfo) -> RemoteContent | None:
        if remote_content is not None and info.data.get("feature_level_type") == "STANDARD":
            raise broken(["needs feature_level_type ADVANCED: IO takes no remote content without it"])
        return remote_content

    @field_validator("expires_at")
    @classmethod
    def _after_not_before(cls, expires_at: datetime | None, info: ValidationInfo) -> datetime | None:
        not_before: datetime | None = info.data.get("not_before")
        if expires_at is not None and not_before is not None and expires_at <= not_before:
            raise broken(["must be after not_before"])
        return expires_at

    def language_for(self, preferred_languages: Sequence[str]) -> Language | None:
        """Return the translation to send to a profile with these `preferred_languages`, in its order.

        None means the Italian text of `content`: the profile prefers Italian, or no translation matches.
        """
        for preferred in preferred_languages:
            if preferred == "it_IT":
                return None
            for language in self.translations:
                if language == preferred:
                    return language
        return None

    def content_in(self, language: Language | None) -> Content:
        """Return the content with the text of that translation; unchanged for None."""
        if language is None:
            return self.content
        text = self.translations[language]
        return self.content.model_copy(update={"subject": text.subject, "markdown": text.markdown})

    def to_json(self) -> str:
        """Return the body that `parse_request` reads back as an equal request."""
        return self.model_dump_json(exclude_none=True)

    def canonical_bytes(self) -> bytes:
        """Return bytes that are equal for two requests if, and only if, they ask for the same message.

        The order of fields, defaults written or left out, the zone in which an instant is written, the
        priority and the trace context make no difference.
        """
        meaning = self.model_dump(mode="json", exclude_none=True, exclude={"traceparent", "priority"})
        return json.dumps(meaning, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()


def _unmet_by_level(info: ValidationInfo) -> list[str]:
    # An invalid field is missing from `data`, and has a violation of its own.
    if info.data.get("feature_level_type") != "STANDARD":
        return []
    return ["needs feature_level_type ADVANCED: of other messages IO does not tell who has read or paid"]


def _unmet_by_payment(info: ValidationInfo) -> list[str]:
    content: Content | None = info.data.get("content")
    wanted = ("payment_data", "due_date") if content else ()
    return [f"needs content.{name}" for name in wanted if getattr(content, name) is None]


def parse_request(body: str | bytes, *, services: Collection[str] | None = None) -> MessageRequest:
    """Read a queue message: JSON, or base64 of JSON. `services` holds the names of the configured services.

    Raises InvalidRequest, and nothing else, with every violation at once.
    """
    document = load_object(body)
    personal = [Violation(field=name, rule=PERSONAL) for name in fields_with_own_fiscal_code(document)]
    violations: list[Violation] = []
    try:
        request = MessageRequest.model_validate(document, context=services)
    except ValidationError as error:
        violations = violations_of(error)
    violations += [one for one in personal if one not in violations]
    if not violations:
        return request
    raise InvalidRequest(violations, request_id=usable_request_id(document))
