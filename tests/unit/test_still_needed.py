"""A message that has expired, or a reminder stopped, read or paid while it waited, is not sent."""

from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

import pytest

from contract.reminders import ReminderPolicy, UnpaidReminders, UnreadReminders
from io_api.rate_budget import Priority
from storage.queues import MESSAGE_REQUESTS, MESSAGE_SENDS
from tests.fake_app import FakeApp
from tests.fakes import seen
from tests.samples import a_body, payment

POLICY = ReminderPolicy(unread=UnreadReminders(after_days=3), unpaid=UnpaidReminders(days_before_due=[1]))
PREMIUM: dict[str, Any] = {"feature_level_type": "ADVANCED", "campaign": "tari", "content": payment()}


class Waiting:
    """Makes `happens` run while a message of the app waits for its permit."""

    def __init__(self, app: FakeApp, happens: Callable[[], Awaitable[None]]) -> None:
        before = app.io.permit_to_send

        @asynccontextmanager
        async def permit_to_send(service: str, *, priority: Priority = Priority.SEND) -> Any:
            async with before(service, priority=priority) as permit:
                await happens()
                yield permit

        app.io.permit_to_send = permit_to_send  # type: ignore[method-assign]


def _end(app: FakeApp, request_id: str = "r-1") -> tuple[str, str | None]:
    entry = app.entry(request_id)
    return entry.state, entry.last_step.get("reason")


@pytest.mark.parametrize(("seconds", "end"), [(59, "ACCEPTED"), (60, "EXPIRED"), (100, "EXPIRED")])
async def test_message_that_expires_while_it_waits_for_its_permit(seconds: int, end: str) -> None:
    """The deadline is checked again just before the claim, and not only at the delivery."""
    app = FakeApp()

    async def happens() -> None:
        app.clock.advance(seconds=seconds)

    Waiting(app, happens)
    await app.check(a_body(expires_at=(app.clock() + timedelta(seconds=60)).isoformat()))
    await app.run()
    assert _end(app)[0] == end
    assert len(app.io.sent) == (end == "ACCEPTED")


async def _reminder() -> tuple[FakeApp, str]:
    """Return an app whose reminder to read waits on message-sends, and the reminder's reference."""
    app = FakeApp()
    app.policies = {"default": POLICY}
    await app.accepted(**PREMIUM)
    app.io.status = seen("PROCESSED", "UNREAD", "NOT_PAID")
    await app.follow()
    while MESSAGE_REQUESTS not in app.queues.messages:
        await _decide_next(app)
    for body in app.queues.take(MESSAGE_REQUESTS):
        await app.check(body)
    app.io.sent.clear()
    (reference,) = app.queues.take(MESSAGE_SENDS)
    return app, reference


@pytest.mark.parametrize(
    ("answer", "reason"),
    [(("READ", "NOT_PAID"), "read"), (("UNREAD", "PAID"), "paid"), (("UNREAD", "NOT_PAID"), None)],
)
async def test_reminder_of_what_was_read_or_paid_meanwhile(
    answer: tuple[str, str], reason: str | None
) -> None:
    """A reminder that waited is skipped if its first message was read or paid meanwhile."""
    app, reference = await _reminder()
    app.io.status = seen("PROCESSED", *answer)
    app.clock.now = max(app.clock(), app.due_entries()[0].due_at)
    await app.follow()
    await app.send(reference)
    assert _end(app, "r-1:unread-1") == (("SKIPPED", reason) if reason else ("ACCEPTED", None))
    assert len(app.io.sent) == (reason is None)


async def test_reminder_of_a_campaign_that_was_stopped_meanwhile() -> None:
    """Stopping a campaign's reminders also stops those that are decided and not yet sent."""
    app, reference = await _reminder()
    await app.campaigns.stop("tari", by="rossi@pc")
    await app.send(reference)
    assert (_end(app, "r-1:unread-1"), app.io.sent) == (("SKIPPED", "campaign_stopped"), [])


async def test_needless_reminder_is_no_sign_that_the_citizen_turned_away() -> None:
    """A reminder that was stopped does not count as a recipient who cannot be contacted."""
    app, reference = await _reminder()
    await app.campaigns.stop("tari", by="rossi@pc")
    await app.send(reference)
    await app.campaigns.resume("tari")
    app.queues.messages.clear()
    await _decide_all(app)
    reasons = {line.get("reason") for line in app.entry().history if line["what"] == "NOT_REMINDED"}
    assert "recipient_turned_away" not in reasons


async def test_stopped_campaign_holds_no_first_message_back() -> None:
    """Stopping a campaign's reminders does not stop its first messages."""
    app = FakeApp()
    await app.campaigns.stop("tari", by="rossi@pc")
    await app.check(a_body(**PREMIUM))
    await app.run()
    assert _end(app)[0] == "ACCEPTED"


def _next_decision(app: FakeApp) -> datetime:
    rows = [key for key in app.reminders_table.rows_by_key if key[0] != "control"]
    bucket, key = min(rows, key=lambda row: (row[0][:12], row[1]))
    return datetime.fromisoformat(f"{bucket[:8]}T{bucket[8:12]}{key[:2]}Z")


async def _decide_all(app: FakeApp) -> None:
    while any(key[0] != "control" for key in app.reminders_table.rows_by_key):
        await _decide_next(app)


async def _decide_next(app: FakeApp) -> None:
    app.clock.now = max(_next_decision(app), app.clock() + timedelta(minutes=15))
    await app.remind()
