"""Bulk requests: they have queues of their own, give way in the rate budget, and else are like any other."""

import json
from typing import Any

import pytest

from io_api.errors import InDoubt, RateLimited, Refused
from io_api.rate_budget import Priority
from poison.redrive import redrive
from send_message.resolve_in_doubt import QUARANTINE, resend
from storage.ledger import State
from storage.queues import (
    MESSAGE_REQUESTS,
    MESSAGE_REQUESTS_BULK,
    MESSAGE_SENDS,
    MESSAGE_SENDS_BULK,
    poison,
)
from tests.fake_app import FakeApp
from tests.samples import a_body


def _bulk(**changes: Any) -> str:
    return a_body(priority="bulk", **changes)


async def test_bulk_on_message_requests_is_moved_before_anything_else() -> None:
    """A bulk request on the common queue costs one put there: no ledger row, no call of IO."""
    app = FakeApp()
    await app.check(_bulk())
    assert app.queues.bodies(MESSAGE_REQUESTS_BULK) == [_bulk()]
    assert (app.io.asked, app.ledger_table.rows_by_key) == ([], {})


async def test_bulk_request_goes_by_its_own_queues_and_priorities() -> None:
    """A bulk request is checked and sent from the bulk queues, with the priorities of bulk."""
    app = FakeApp()
    await app.check(_bulk(), queue=MESSAGE_REQUESTS_BULK)
    assert (app.queues.bodies(MESSAGE_SENDS), len(app.queues.bodies(MESSAGE_SENDS_BULK))) == ([], 1)
    await app.run()
    assert app.entry().state is State.ACCEPTED
    assert app.io.priorities == [Priority.BULK_CHECK, Priority.BULK_SEND]


async def test_other_request_keeps_its_priority_on_a_bulk_queue() -> None:
    """A request that does not say bulk is not slowed by the queue that carried it."""
    app = FakeApp()
    await app.check(a_body(), queue=MESSAGE_REQUESTS_BULK)
    await app.run()
    assert app.entry().state is State.ACCEPTED
    assert app.io.priorities == [Priority.CHECK, Priority.SEND]


async def test_deferred_bulk_request_stays_on_its_queue() -> None:
    """A bulk request that IO throttles comes back on the bulk queue."""
    app = FakeApp()
    await app.check(_bulk(), queue=MESSAGE_REQUESTS_BULK)
    app.io.submitted = RateLimited(reason="throttled", status=429)
    (body,) = app.queues.take(MESSAGE_SENDS_BULK)
    await app.send(body, queue=MESSAGE_SENDS_BULK)
    assert (app.queues.bodies(MESSAGE_SENDS), len(app.queues.bodies(MESSAGE_SENDS_BULK))) == ([], 1)


async def test_redriven_and_resent_bulk_requests_stay_bulk() -> None:
    """What an operator sends again gives way as before."""
    app = FakeApp()
    app.io.submitted = Refused(reason="payment_amount_not_allowed", status=400)
    await app.check(_bulk(), queue=MESSAGE_REQUESTS_BULK)
    await app.run()
    (message,) = [one async for one in app.parked.all()]
    assert message.queue == MESSAGE_SENDS_BULK
    await redrive(message, app.stores)
    assert len(app.queues.bodies(MESSAGE_REQUESTS_BULK)) == 1
    app.io.submitted = InDoubt(reason="connection_lost")
    await app.run()
    assert app.entry().state is State.IN_DOUBT
    await resend(app.entry(), app.stores)
    (again,) = app.queues.messages[MESSAGE_SENDS_BULK]
    assert again.visible_at >= app.clock() + QUARANTINE


@pytest.mark.parametrize("queue", [MESSAGE_REQUESTS, MESSAGE_REQUESTS_BULK])
async def test_malformed_body_is_parked_under_its_queue(queue: str) -> None:
    """A body that is no request is parked under the queue that carried it."""
    app = FakeApp()
    await app.check("not json", queue=queue)
    assert app.queues.bodies(poison(queue)) == ["not json"]
    await app.run()
    (message,) = [one async for one in app.parked.all()]
    assert (message.queue, message.reason) == (queue, "invalid")


async def test_priority_is_not_the_message() -> None:
    """The same request with another priority is the same message: sent once, and no conflict."""
    app = FakeApp()
    await app.check(a_body())
    await app.check(_bulk(), queue=MESSAGE_REQUESTS_BULK)
    await app.run()
    assert len(app.io.sent) == 1
    assert [one async for one in app.parked.all()] == []


async def test_other_priorities_are_refused() -> None:
    """A priority other than bulk is refused by field and rule."""
    app = FakeApp()
    await app.check(a_body(priority="urgent"))
    await app.run()
    (message,) = [one async for one in app.parked.all()]
    assert [(one.field, one.rule) for one in message.violations] == [("priority", "must be 'bulk'")]
    assert json.loads(app.queues.bodies("message-outcomes")[0])["data"]["state"] == "parked"
