"""Turns a planned reminder into a request of its own. The request is sent in the same way as any other."""

from datetime import datetime
from typing import Final

import telemetry
from contract.reminders import ReminderPolicy, Reminders
from contract.request import Content, MessageRequest
from contract.text import Text
from reminders.calendar import closing
from reminders.plan import Kind, Planned
from reminders.templates import Texts, default_texts

NO_REMINDERS: Final = Reminders()


def compose(
    request: MessageRequest, planned: Planned, policy: ReminderPolicy, at: datetime
) -> MessageRequest:
    """Return the reminder of `request` that was decided on at the instant `at`.

    The same arguments give the same request, so a repetition after a crash is the same message to the ledger.
    The reminder expires when the day ends, because a later one would arrive at night, or when it is no longer
    needed. A reminder has no reminders of its own.
    """
    italian, translations = _texts(request, planned.kind, policy)
    return MessageRequest(
        request_id=planned.request_id,
        in_reply_to=request.request_id,
        service=request.service,
        campaign=request.campaign,
        priority=request.priority,
        fiscal_code=request.fiscal_code,
        feature_level_type=policy.feature_level_type,
        content=_content(request, planned.kind, italian),
        translations={
            language: Text(subject=text.subject, markdown=text.markdown)
            for language, text in translations.items()
        },
        reminders=NO_REMINDERS,
        expires_at=min(closing(at), planned.until),
        traceparent=telemetry.traceparent(request.traceparent),
    )


def _texts(request: MessageRequest, kind: Kind, policy: ReminderPolicy) -> Texts:
    asked = policy.unread if kind is Kind.UNREAD else policy.unpaid
    if asked is None or asked.subject is None or asked.markdown is None:
        return default_texts(kind, request)
    return Text(subject=asked.subject, markdown=asked.markdown), asked.translations


def _content(request: MessageRequest, kind: Kind, text: Text) -> Content:
    """Return the content. Only a reminder to pay carries the payment, so that the citizen can pay from it."""
    first = request.content
    is_payment = kind is Kind.UNPAID
    return Content(
        subject=text.subject,
        markdown=text.markdown,
        payment_data=first.payment_data if is_payment else None,
        due_date=first.due_date if is_payment else None,
        require_secure_channels=first.require_secure_channels,
    )
