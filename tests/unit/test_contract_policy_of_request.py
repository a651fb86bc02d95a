"""The reminder policy: the request's own, or the service's as far as IO reports reading and payment."""

import pytest

from contract.policy_of_request import policy_for
from contract.reminders import ReminderPolicy, Reminders, UnpaidReminders, UnreadReminders
from tests.samples import a_request, payment

UNREAD, UNPAID = UnreadReminders(after_days=5), UnpaidReminders(days_before_due=[2])
OF_SERVICE = ReminderPolicy(unread=UNREAD, unpaid=UNPAID, when_unavailable="remind", on_io_days="remind")
PAYABLE = payment() | {"due_date": "2026-12-31T22:59:59Z"}


def test_request_without_a_word_gets_the_service_policy() -> None:
    """A request without reminders gets the service's policy."""
    request = a_request(feature_level_type="ADVANCED", content=PAYABLE)
    assert policy_for(request, OF_SERVICE) == OF_SERVICE


def test_request_replaces_all_reminders_of_the_service() -> None:
    """A request's reminders replace those of the service; the settings towards IO stay the service's."""
    reminders = {"unread": {"after_days": 9}, "feature_level_type": "ADVANCED"}
    request = a_request(feature_level_type="ADVANCED", content=PAYABLE, reminders=reminders)
    assert policy_for(request, OF_SERVICE) == ReminderPolicy(
        unread=UnreadReminders(after_days=9),
        feature_level_type="ADVANCED",
        when_unavailable="remind",
        on_io_days="remind",
    )


def test_empty_reminders_are_for_nobody() -> None:
    """A request with empty reminders has none, whatever the settings say."""
    request = a_request(feature_level_type="ADVANCED", content=PAYABLE, reminders={})
    policy = policy_for(request, OF_SERVICE)
    assert (policy.unread, policy.unpaid) == (None, None)
    assert request.reminders == Reminders()


@pytest.mark.parametrize(
    ("level", "content", "kinds"),
    [
        ("STANDARD", PAYABLE, (None, None)),
        ("ADVANCED", payment(), (UNREAD, None)),
        ("ADVANCED", {name: PAYABLE[name] for name in ("subject", "markdown", "due_date")}, (UNREAD, None)),
    ],
    ids=["standard", "no due date", "no payment"],
)
def test_default_that_the_message_does_not_allow_falls_away(
    level: str, content: dict[str, object], kinds: tuple[object, object]
) -> None:
    """A service's policy applies to a message only as far as IO reports its reading or payment."""
    policy = policy_for(a_request(feature_level_type=level, content=content), OF_SERVICE)
    assert (policy.unread, policy.unpaid) == kinds
