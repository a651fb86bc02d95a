"""Whom to remind of one message: what its request asks, or else what its service's settings say."""

from collections.abc import Mapping

from contract.reminders import ReminderPolicy
from contract.request import MessageRequest


def may_remind(request: MessageRequest, policies: Mapping[str, ReminderPolicy]) -> bool:
    """Whether anybody may be reminded of this message; `policies` are those of the services by name."""
    policy = policy_for(request, policies.get(request.service, ReminderPolicy()))
    return bool(policy.unread or policy.unpaid)


def policy_for(request: MessageRequest, of_service: ReminderPolicy) -> ReminderPolicy:
    """The policy of a request: its own reminders replace all of the service's.

    How to deal with what IO hides and does stays the service's matter. A default that the message does not
    allow falls away, where a request that asks for it is invalid.
    """
    asked = of_service if request.reminders is None else request.reminders
    return of_service.model_copy(
        update={
            "unread": asked.unread if tells_reading(request) else None,
            "unpaid": asked.unpaid if tells_paying(request) else None,
            "feature_level_type": asked.feature_level_type,
        }
    )


def tells_reading(request: MessageRequest) -> bool:
    """Whether IO tells who has read the message: a Premium one."""
    return request.feature_level_type == "ADVANCED"


def tells_paying(request: MessageRequest) -> bool:
    """Whether IO tells who has paid, and there is a day to count from: a Premium payment with a due date.

    These are also the messages of which IO itself may remind.
    """
    content = request.content
    return tells_reading(request) and content.payment_data is not None and content.due_date is not None
