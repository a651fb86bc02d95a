"""Operators redrive or drop exactly the row that they saw, and can repeat a command that crashed."""

import json
from datetime import datetime, timedelta

import pytest

from io_api.errors import InDoubt, Refused
from poison.redrive import AlreadyOnItsWay, drop, redrive
from send_message.resolve_in_doubt import TooLate, resend
from storage.ledger import State
from storage.parked import ParkedMessage
from storage.queues import MESSAGE_REQUESTS
from storage.table import Changed
from tests.fake_app import FakeApp
from tests.fakes import Died, QueuedMessage
from tests.samples import a_body, payment


async def _refused() -> tuple[FakeApp, ParkedMessage]:
    app = FakeApp()
    app.io.submitted = Refused(reason="invalid_message", status=400)
    await app.check(a_body())
    await app.run()
    return app, await _only(app)


async def _only(app: FakeApp) -> ParkedMessage:
    (message,) = [message async for message in app.parked.all()]
    return message


async def _redrive(app: FakeApp, message: ParkedMessage) -> None:
    await redrive(message, app.stores)


async def test_message_that_is_refused_again_meanwhile_stays_parked() -> None:
    """A redrive during which the message is parked again leaves the new row."""
    app, looked_at = await _refused()
    put = app.queues.put

    async def put_and_refuse(queue: str, body: str, *, delay: timedelta = timedelta(0)) -> None:
        await put(queue, body, delay=delay)
        app.queues.put = put  # type: ignore[method-assign]
        app.clock.advance(minutes=1)
        await app.run()

    app.queues.put = put_and_refuse  # type: ignore[method-assign]
    with pytest.raises(Changed):
        await _redrive(app, looked_at)
    assert (await _only(app)).times == 2


async def test_redrive_that_died_before_the_row_went_is_made_up_for() -> None:
    """A row left by a crashed redrive is removed by the next one, once the request has moved on."""
    app, message = await _refused()
    app.steps.fail_before(Died(), skip=len(["ledger.get", "ledger.replace", "message-requests.put"]))
    with pytest.raises(Died):
        await _redrive(app, message)
    app.io.submitted = "01J0000000P0ST1N0REM0TE000"
    await app.run()
    with pytest.raises(AlreadyOnItsWay):
        await _redrive(app, await _only(app))
    assert [message async for message in app.parked.all()] == []
    assert len(app.io.sent) == 2  # the refused one, and the accepted one


async def test_row_that_changed_is_not_dropped() -> None:
    """A message that was parked again since it was shown is not dropped, and keeps its content."""
    app, looked_at = await _refused()
    await _redrive(app, looked_at)
    app.clock.advance(minutes=1)
    await app.run()
    with pytest.raises(Changed):
        await drop(looked_at, app.stores)
    assert app.entry().body
    await drop(await _only(app), app.stores)
    assert not app.entry().body


@pytest.mark.parametrize(
    ("minutes", "settled", "state"),
    [(30, False, State.IN_DOUBT), (90, False, State.DEFERRED), (90, True, State.IN_DOUBT)],
)
async def test_resend_that_could_not_leave_keeps_the_doubt(minutes: int, settled: bool, state: State) -> None:
    """A resend is refused, and the doubt stays, if the request would expire in quarantine or is paid."""
    app = FakeApp()
    app.io.submitted = InDoubt(reason="timeout")
    await app.check(a_body(expires_at=(app.clock() + timedelta(minutes=minutes)).isoformat()))
    await app.run()
    if settled:
        await app.settle('{"request_id": "r-1"}')
    try:
        await resend(app.entry(), app.stores)
    except TooLate:
        assert state is State.IN_DOUBT
    assert app.entry().state is state


async def test_notice_of_a_request_that_died_before_it_was_noted_is_noted_by_the_redrive() -> None:
    """A settlement finds a redriven request whose first workers crashed before they noted its notice."""
    app = FakeApp()
    body = a_body(feature_level_type="ADVANCED", content=payment())
    app.queues.messages[MESSAGE_REQUESTS] = [QueuedMessage(body, app.clock(), timedelta(0))]
    note = app.notices.note

    async def crash(notice_number: str, request_id: str) -> datetime | None:
        raise Died

    app.notices.note = crash  # type: ignore[method-assign]
    await app.run()
    app.notices.note = note  # type: ignore[method-assign]
    assert app.entry().last_step["reason"] == "failed_repeatedly"
    await app.settle(json.dumps({"notice_number": payment()["payment_data"]["notice_number"]}))
    await _redrive(app, await _only(app))
    await app.run()
    assert (app.entry().state, app.io.sent) == (State.SKIPPED, [])
