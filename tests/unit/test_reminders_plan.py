"""The plan: the reminders that a message may have, with their days and ids."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from contract.fields import RequestId
from contract.fiscal_code import contains_fiscal_code
from contract.policy_of_request import policy_for
from contract.reminders import ReminderPolicy, UnpaidReminders, UnreadReminders
from contract.request import MessageRequest
from reminders.calendar import is_allowed_day, local_day, next_allowed
from reminders.plan import Kind, Over, Planned, plan
from tests.samples import a_request, payment

ACCEPTED = datetime(2026, 5, 4, 9, 30, tzinfo=UTC)  # a Monday, 11:30 in Italy
DUE = "2026-06-30T21:59:59Z"  # a Tuesday


def premium(due_date: str | None = DUE, **changes: Any) -> MessageRequest:
    content = payment(invalid_after_due_date=changes.pop("void", False))
    content |= {"due_date": due_date} if due_date else {}
    return a_request(feature_level_type="ADVANCED", content=content, **changes)


def planned(
    request: MessageRequest, accepted_at: datetime = ACCEPTED, *, on_io_days: str = "remind", **asked: Any
) -> tuple[Planned, ...]:
    policy = ReminderPolicy.model_validate(asked | {"on_io_days": on_io_days})
    return plan(request, accepted_at, policy_for(request, policy))


def when(reminders: tuple[Planned, ...]) -> dict[str, str]:
    return {reminder.name: f"{reminder.at:%Y-%m-%dT%H:%M}" for reminder in reminders}


def test_unread_comes_after_days_and_again() -> None:
    """Reminders to read come at the hour of the message, as often and as far apart as the policy says."""
    asked = UnreadReminders(after_days=3, times=3, days_between=2)
    assert when(planned(premium(), unread=asked)) == {
        "unread-1": "2026-05-07T09:30",
        "unread-2": "2026-05-09T09:30",
        "unread-3": "2026-05-11T09:30",
    }


def test_unread_moves_past_sunday_and_night() -> None:
    """A reminder to read on a day off or at night moves to the next opening, and the next counts from it."""
    asked = UnreadReminders(after_days=6, times=2, days_between=4)
    assert when(planned(premium(), unread=asked)) == {
        "unread-1": "2026-05-11T06:00",
        "unread-2": "2026-05-15T06:00",
    }
    in_the_night = datetime(2026, 5, 4, 23, 30, tzinfo=UTC)
    assert when(planned(premium(), in_the_night, unread=asked))["unread-1"] == "2026-05-11T06:00"


def test_unpaid_comes_on_the_days_asked_in_the_morning() -> None:
    """Reminders to pay are counted back from the due date in Italy, the last day included."""
    asked = UnpaidReminders(days_before_due=[8, 1, 0])
    assert when(planned(premium(), unpaid=asked)) == {
        "unpaid-8": "2026-06-22T08:00",
        "unpaid-1": "2026-06-29T08:00",
        "unpaid-0": "2026-06-30T08:00",
    }


def test_unpaid_on_a_day_off_comes_earlier() -> None:
    """A reminder to pay on a day off moves to the working day before, even on the last day."""
    on_sunday = premium("2026-06-28T21:59:59Z")
    after_holiday = premium("2026-06-03T21:59:59Z")  # the second of June is a holiday
    asked = UnpaidReminders(days_before_due=[5, 0])
    assert when(planned(on_sunday, unpaid=asked)) == {
        "unpaid-5": "2026-06-23T08:00",
        "unpaid-0": "2026-06-27T08:00",
    }
    asked = UnpaidReminders(days_before_due=[1])
    assert when(planned(after_holiday, unpaid=asked)) == {"unpaid-1": "2026-06-01T08:00"}


def test_last_day_that_ends_in_the_morning_is_the_day_before() -> None:
    """If payment ends in the morning of the last day, its reminder comes the day before."""
    asked = UnpaidReminders(days_before_due=[0])
    assert when(planned(premium("2026-06-30T08:00:00Z"), unpaid=asked)) == {"unpaid-0": "2026-06-29T08:00"}


def test_two_that_fall_on_one_day_are_one() -> None:
    """Two reminders that move to one day become one, that of the later day."""
    asked = UnpaidReminders(days_before_due=[1, 0])
    assert when(planned(premium("2026-06-28T21:59:59Z"), unpaid=asked)) == {"unpaid-0": "2026-06-27T08:00"}


def test_days_before_the_message_are_not_planned() -> None:
    """No reminder is planned before the message's acceptance, nor on the same day."""
    asked = UnpaidReminders(days_before_due=[8, 5, 1])
    accepted = datetime(2026, 6, 25, 6, 0, tzinfo=UTC)
    assert when(planned(premium(), accepted, unpaid=asked)) == {"unpaid-1": "2026-06-29T08:00"}


def test_io_days_are_left_to_io() -> None:
    """A reminder to pay moves to the day after one of IO's days, or before it if that is a day off."""
    asked = UnpaidReminders(days_before_due=[13, 10, 7, 4])
    assert when(planned(premium(), unpaid=asked, on_io_days="avoid")) == {
        "unpaid-13": "2026-06-18T08:00",
        "unpaid-10": "2026-06-19T08:00",  # the 20th is IO's, the 21st a Sunday: earlier then
        "unpaid-7": "2026-06-24T08:00",
        "unpaid-4": "2026-06-27T08:00",
    }
    assert when(planned(premium(), unpaid=asked)) == {
        "unpaid-13": "2026-06-17T08:00",
        "unpaid-10": "2026-06-20T08:00",
        "unpaid-7": "2026-06-23T08:00",
        "unpaid-4": "2026-06-26T08:00",
    }


def test_unread_keeps_off_io_days_and_off_the_other_reminders() -> None:
    """A reminder to read avoids IO's days and keeps its distance from the reminders to pay."""
    accepted = datetime(2026, 6, 14, 9, 30, tzinfo=UTC)
    unread, unpaid = UnreadReminders(after_days=3, days_between=2), UnpaidReminders(days_before_due=[11])
    assert when(planned(premium(), accepted, unread=unread, on_io_days="avoid")) == {
        "unread-1": "2026-06-18T06:00"  # the 17th is IO's
    }
    assert when(planned(premium(), accepted, unread=unread, unpaid=unpaid)) == {
        "unread-1": "2026-06-17T09:30",
        "unpaid-11": "2026-06-19T08:00",
    }
    close = unread.model_copy(update={"days_between": 3})
    assert when(planned(premium(), accepted, unread=close, unpaid=unpaid)) == {
        "unpaid-11": "2026-06-19T08:00",
        "unread-1": "2026-06-22T06:00",
    }


def test_void_notice_is_not_reminded_of_after_its_due_date() -> None:
    """A notice that is void after its due date has no reminders after it, not even to read."""
    asked = UnreadReminders(after_days=7, times=3, days_between=15)
    due = "2026-05-20T21:59:59Z"
    (only,) = planned(premium(due, void=True), unread=asked)
    assert (only.name, only.until, only.over) == ("unread-1", datetime.fromisoformat(due), Over.NOT_PAYABLE)
    assert len(planned(premium(due), unread=asked)) == 3


def test_each_reminder_ends_when_the_next_of_its_kind_begins() -> None:
    """A reminder ends when the next of its kind begins, and the last one when its subject ends."""
    unread, unpaid = UnreadReminders(after_days=3, times=2), UnpaidReminders(days_before_due=[8, 1])
    ends = {it.name: (it.until, it.over) for it in planned(premium(), unread=unread, unpaid=unpaid)}
    assert ends == {
        "unread-1": (datetime(2026, 5, 11, 6, 0, tzinfo=UTC), Over.SUPERSEDED),
        "unread-2": (ACCEPTED + timedelta(days=60), Over.NOT_FOLLOWED),
        "unpaid-8": (datetime(2026, 6, 29, 8, 0, tzinfo=UTC), Over.SUPERSEDED),
        "unpaid-1": (datetime.fromisoformat(DUE), Over.PAST_DUE),
    }
    (last,) = planned(premium(void=True), unpaid=UnpaidReminders(days_before_due=[1]))
    assert (last.until, last.over) == (datetime.fromisoformat(DUE), Over.NOT_PAYABLE)


@pytest.mark.parametrize(
    "due_date",
    ["2000-01-01T00:00:00Z", "2026-05-04T09:30:00Z", "2027-05-06T00:00:00Z", "2099-12-31T23:59:59Z"],
)
def test_due_date_that_is_no_day_to_count_from(due_date: str) -> None:
    """A payment due before its acceptance, or in the far future, has no reminders to pay."""
    unread, unpaid = UnreadReminders(after_days=3), UnpaidReminders(days_before_due=[60, 0])
    assert [*when(planned(premium(due_date), unread=unread, unpaid=unpaid, on_io_days="avoid"))] == [
        "unread-1"
    ]


def test_no_policy_is_no_plan() -> None:
    """Without a policy there are no reminders."""
    assert planned(premium()) == ()


def test_id_is_readable_and_always_the_same() -> None:
    """A reminder's id is the first message's id and the reminder's name, so it is never sent twice."""
    (first,) = planned(premium(request_id="TARI:7"), unread=UnreadReminders(after_days=3))
    assert first.request_id == "TARI:7:unread-1"


@given(request_id=st.from_regex(r"[A-Za-z0-9._:-]{1,128}", fullmatch=True))
def test_id_is_a_request_id(request_id: str) -> None:
    """The ids of reminders differ from the first and are valid request ids, whatever the first id is."""
    assume(not contains_fiscal_code(request_id))  # the request with such an id is refused
    reminders = planned(premium(request_id=request_id), unread=UnreadReminders(after_days=3, times=2))
    ids = [reminder.request_id for reminder in reminders]
    assert len({request_id, *ids}) == 3
    assert [TypeAdapter(RequestId).validate_python(it) for it in ids] == ids


POLICIES = st.builds(
    ReminderPolicy,
    unread=st.none()
    | st.builds(
        UnreadReminders,
        after_days=st.integers(1, 30),
        times=st.integers(1, 3),
        days_between=st.integers(1, 15),
        subject=st.none(),
        markdown=st.none(),
        translations=st.just({}),
    ),
    unpaid=st.none()
    | st.builds(
        UnpaidReminders,
        days_before_due=st.lists(st.integers(0, 60), min_size=1, max_size=5, unique=True),
        subject=st.none(),
        markdown=st.none(),
        translations=st.just({}),
    ),
)


@given(
    policy=POLICIES,
    hours_to_acceptance=st.integers(0, 24 * 1000),
    hours_to_due=st.integers(-100, 24 * 100),
    void=st.booleans(),
)
def test_every_plan_keeps_the_rules(
    policy: ReminderPolicy, hours_to_acceptance: int, hours_to_due: int, void: bool
) -> None:
    """Every plan has at most one reminder a day, at allowed hours, on no IO day, in order, before its end."""
    accepted_at = ACCEPTED + timedelta(hours=hours_to_acceptance)
    due = accepted_at + timedelta(hours=hours_to_due)
    request = premium(due.isoformat(), void=void)
    reminders = plan(request, accepted_at, policy_for(request, policy))
    days = [local_day(it.at) for it in reminders]
    assert days == sorted(set(days))
    assert all(it.at < it.until for it in reminders)
    assert all(next_allowed(it.at) == it.at and is_allowed_day(local_day(it.at)) for it in reminders)
    assert local_day(accepted_at) not in days
    io_days: set[date] = set()
    if policy.on_io_days == "avoid" and due > accepted_at:
        io_days = {local_day(due) - timedelta(days=days) for days in (13, 10, 7, 4)}
    assert not io_days & set(days)
    assert all(it.at < due for it in reminders if it.kind is Kind.UNPAID or void)
