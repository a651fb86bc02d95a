"""The reminder policy of one message: the wishes of its request, or else the settings of its service."""

from collections.abc import Mapping

from contract.reminders import ReminderPolicy
from contract.request import MessageRequest


def may_remind(request: MessageRequest, policies: Mapping[str, ReminderPolicy]) -> bool:
    """Return whether this message may have reminders. `policies` holds each service's policy by name."""
    policy = policy_for(request, policies.get(request.service, ReminderPolicy()))
    return bool(policy.unread or policy.unpaid)


def policy_for(request: MessageRequest, of_service: ReminderPolicy) -> ReminderPolicy:
    """Return the policy of a request. The request's own reminders replace all of the service's.

    The service alone decides how to treat hidden read statuses and IO's own reminders. A service's default
    that the message does not allow is dropped; a request that asks for such a reminder is invalid.
    """
    asked = of_service if request.reminders is None else request.reminders
    return of_service.model_copy(
        update={
            "unread": asked.unread if reports_reading(request) else None,
            "unpaid": asked.unpaid if reports_payment(request) else None,
            "feature_level_type": asked.feature_level_type,
        }
    )


def reports_reading(request: MessageRequest) -> bool:
    """Return whether IO reports that the message was read: only for a Premium message."""
    return request.feature_level_type == "ADVANCED"


def reports_payment(request: MessageRequest) -> bool:
    """Return whether IO reports the payment and the message has a day to count from.

    Both are true of a Premium payment with a due date. IO itself may send reminders of these messages too.
    """
    content = request.content
    return reports_reading(request) and content.payment_data is not None and content.due_date is not None
