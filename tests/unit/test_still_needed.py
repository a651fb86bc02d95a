"""What is over, stopped, read or paid by the time it could leave is not sent."""

from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

import pytest

from contract.reminders import ReminderPolicy, UnpaidReminders, UnreadReminders
from storage.queues import MESSAGE_REQUESTS, MESSAGE_SENDS
from tests.fakes import seen
from tests.road import Road
from tests.samples import a_body, payment

POLICY = ReminderPolicy(unread=UnreadReminders(after_days=3), unpaid=UnpaidReminders(days_before_due=[1]))
PREMIUM: dict[str, Any] = {"feature_level_type": "ADVANCED", "campaign": "tari", "content": payment()}


class Waiting:
    """A road on which something happens while a message waits for its turn."""

    def __init__(self, road: Road, happens: Callable[[], Awaitable[None]]) -> None:
        before = road.io.turn_to_send

        @asynccontextmanager
        async def turn_to_send(service: str) -> Any:
            async with before(service) as turn:
                await happens()
                yield turn

        road.io.turn_to_send = turn_to_send  # type: ignore[method-assign]


def _end(road: Road, request_id: str = "r-1") -> tuple[str, str | None]:
    entry = road.entry(request_id)
    return entry.state, entry.last_step.get("reason")


@pytest.mark.parametrize(("seconds", "end"), [(59, "ACCEPTED"), (60, "EXPIRED"), (100, "EXPIRED")])
async def test_message_that_expires_while_it_waits_for_its_turn(seconds: int, end: str) -> None:
    """The deadline is looked at again just before the claim, not only when the queue delivers."""
    road = Road()

    async def happens() -> None:
        road.clock.advance(seconds=seconds)

    Waiting(road, happens)
    await road.check(a_body(expires_at=(road.clock() + timedelta(seconds=60)).isoformat()))
    await road.run()
    assert _end(road)[0] == end
    assert len(road.io.sent) == (end == "ACCEPTED")


async def _reminder() -> tuple[Road, str]:
    """A reminder to read that was decided on, and waits on message-sends; nothing was sent since."""
    road = Road()
    road.policies = {"default": POLICY}
    await road.accepted(**PREMIUM)
    road.io.status = seen("PROCESSED", "UNREAD", "NOT_PAID")
    await road.follow()
    while MESSAGE_REQUESTS not in road.queues.messages:
        await _decide_next(road)
    for body in road.queues.take(MESSAGE_REQUESTS):
        await road.check(body)
    road.io.sent.clear()
    (reference,) = road.queues.take(MESSAGE_SENDS)
    return road, reference


@pytest.mark.parametrize(
    ("answer", "reason"),
    [(("READ", "NOT_PAID"), "read"), (("UNREAD", "PAID"), "paid"), (("UNREAD", "NOT_PAID"), None)],
)
async def test_reminder_of_what_was_read_or_paid_meanwhile(
    answer: tuple[str, str], reason: str | None
) -> None:
    """A reminder that a pause held back is not sent when its first message has been seen read or paid."""
    road, reference = await _reminder()
    road.io.status = seen("PROCESSED", *answer)
    road.clock.now = max(road.clock(), road.due_entries()[0].due_at)
    await road.follow()
    await road.send(reference)
    assert _end(road, "r-1:unread-1") == (("SKIPPED", reason) if reason else ("ACCEPTED", None))
    assert len(road.io.sent) == (reason is None)


async def test_reminder_of_a_campaign_that_was_stopped_meanwhile() -> None:
    """Stopping a campaign's reminders counts for those that were decided on and have not left."""
    road, reference = await _reminder()
    await road.campaigns.stop("tari", by="rossi@pc")
    await road.send(reference)
    assert (_end(road, "r-1:unread-1"), road.io.sent) == (("SKIPPED", "campaign_stopped"), [])


async def test_needless_reminder_is_no_sign_that_the_citizen_turned_away() -> None:
    """A reminder that was stopped leaves those to come as they were."""
    road, reference = await _reminder()
    await road.campaigns.stop("tari", by="rossi@pc")
    await road.send(reference)
    await road.campaigns.resume("tari")
    road.queues.messages.clear()
    await _decide_all(road)
    reasons = {line.get("reason") for line in road.entry().history if line["what"] == "NOT_REMINDED"}
    assert "recipient_turned_away" not in reasons


async def test_stopped_campaign_holds_no_first_message_back() -> None:
    """What an operator stops is the reminders of a campaign."""
    road = Road()
    await road.campaigns.stop("tari", by="rossi@pc")
    await road.check(a_body(**PREMIUM))
    await road.run()
    assert _end(road)[0] == "ACCEPTED"


def _next_decision(road: Road) -> datetime:
    rows = [key for key in road.reminders_table.rows_by_key if key[0] != "control"]
    bucket, key = min(rows, key=lambda row: (row[0][:12], row[1]))
    return datetime.fromisoformat(f"{bucket[:8]}T{bucket[8:12]}{key[:2]}Z")


async def _decide_all(road: Road) -> None:
    while any(key[0] != "control" for key in road.reminders_table.rows_by_key):
        await _decide_next(road)


async def _decide_next(road: Road) -> None:
    road.clock.now = max(_next_decision(road), road.clock() + timedelta(minutes=15))
    await road.remind()
