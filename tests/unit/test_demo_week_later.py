"""Whenever the demo runs, its reminders are due on the day to which it advances."""

from datetime import UTC, datetime, timedelta

from contract.policy_of_request import policy_for
from contract.reminders import ReminderPolicy
from contract.request import MessageRequest
from local.demo.sample import new_sample
from reminders.calendar import next_allowed
from reminders.plan import plan

YEAR = [datetime(2026, 6, 1, tzinfo=UTC) + timedelta(hours=hours) for hours in range(0, 366 * 24, 11)]
# The times at which midnight in Italy comes during the demo.
LAST_MINUTES = [datetime(2026, 12, day, 22, 59, 30, tzinfo=UTC) for day in range(1, 32)]


# The time that the demo takes until IO accepts the message.
TAKES = [timedelta(0), timedelta(seconds=90)]


def test_the_reminders_are_due_and_allowed_on_the_day_to_which_the_demo_goes_on() -> None:
    for now in YEAR + LAST_MINUTES:
        sample = new_sample(now)
        for case in sample.followed:
            for body in case.bodies:
                request = MessageRequest.model_validate_json(body)
                policy = policy_for(request, ReminderPolicy())
                for takes in TAKES:
                    [planned] = plan(request, now + takes, policy)
                    assert planned.at <= sample.remind_at < planned.until
                    assert next_allowed(sample.remind_at, planned.avoided) == sample.remind_at
