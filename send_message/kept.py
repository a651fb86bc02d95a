"""What is kept of a message once IO has accepted it."""

from collections.abc import Mapping
from typing import Any

from contract.reminder_policy import may_remind
from contract.reminders import ReminderPolicy
from contract.request import MessageRequest
from storage.ledger import Entry


def after_acceptance(
    entry: Entry,
    request: MessageRequest,
    message_id: str | None,
    reminders: Mapping[str, ReminderPolicy],
) -> dict[str, Any]:
    """The body, encrypted as it is, while reminders may be made of it; otherwise nothing.

    Without IO's id nobody can ask whether the message was read, so that nobody is reminded.
    """
    kept = message_id is not None and may_remind(request, reminders)
    return {"may_remind": kept, "body": entry.body if kept else {}}
