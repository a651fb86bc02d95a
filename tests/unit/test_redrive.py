"""What operators put back or drop is what they looked at, and a command that died can be given again."""

from datetime import timedelta

import pytest

from io_api.errors import InDoubt, Refused
from poison.redrive import AlreadyOnItsWay, drop, redrive
from send_message.in_doubt import TooLate, resend
from storage.ledger import State
from storage.parked import ParkedMessage
from storage.table import Changed
from tests.fakes import Died
from tests.road import Road
from tests.samples import a_body


async def _refused() -> tuple[Road, ParkedMessage]:
    road = Road()
    road.io.submitted = Refused(reason="invalid_message", status=400)
    await road.check(a_body())
    await road.run()
    return road, await _only(road)


async def _only(road: Road) -> ParkedMessage:
    (message,) = [message async for message in road.parked.all()]
    return message


async def _redrive(road: Road, message: ParkedMessage) -> None:
    await redrive(message, ledger=road.ledger, parked=road.parked, queues=road.queues, clock=road.clock)


async def test_message_that_is_refused_again_meanwhile_stays_parked() -> None:
    """A redrive that is overtaken by a new refusal leaves the new row, which nobody has looked at."""
    road, looked_at = await _refused()
    put = road.queues.put

    async def put_and_refuse(queue: str, body: str, *, delay: timedelta = timedelta(0)) -> None:
        await put(queue, body, delay=delay)
        road.queues.put = put  # type: ignore[method-assign]
        road.clock.advance(minutes=1)
        await road.run()

    road.queues.put = put_and_refuse  # type: ignore[method-assign]
    with pytest.raises(Changed):
        await _redrive(road, looked_at)
    assert (await _only(road)).times == 2


async def test_redrive_that_died_before_the_row_went_is_made_up_for() -> None:
    """A row that such a command left is redriven again, and goes once the request has gone on."""
    road, message = await _refused()
    road.steps.fail_before(Died(), skip=len(["ledger.get", "ledger.replace", "message-requests.put"]))
    with pytest.raises(Died):
        await _redrive(road, message)
    road.io.submitted = "01J0000000P0ST1N0REM0TE000"
    await road.run()
    with pytest.raises(AlreadyOnItsWay):
        await _redrive(road, await _only(road))
    assert [message async for message in road.parked.all()] == []
    assert len(road.io.sent) == 2  # the refused one, and the one that was accepted


async def test_row_that_changed_is_not_dropped() -> None:
    """A message that came again since it was shown is not dropped, nor is its text."""
    road, looked_at = await _refused()
    await _redrive(road, looked_at)
    road.clock.advance(minutes=1)
    await road.run()
    with pytest.raises(Changed):
        await drop(looked_at, ledger=road.ledger, parked=road.parked)
    assert road.entry().body
    await drop(await _only(road), ledger=road.ledger, parked=road.parked)
    assert not road.entry().body


@pytest.mark.parametrize(
    ("minutes", "settled", "state"),
    [(30, False, State.IN_DOUBT), (90, False, State.DEFERRED), (90, True, State.IN_DOUBT)],
)
async def test_resend_that_could_not_leave_keeps_the_doubt(minutes: int, settled: bool, state: State) -> None:
    """What would be over by the end of the quarantine, or is paid, is not resent: the doubt stays."""
    road = Road()
    road.io.submitted = InDoubt(reason="timeout")
    await road.check(a_body(expires_at=(road.clock() + timedelta(minutes=minutes)).isoformat()))
    await road.run()
    if settled:
        await road.settle('{"request_id": "r-1"}')
    try:
        await resend(road.entry(), ledger=road.ledger, handover=road.handover, clock=road.clock)
    except TooLate:
        assert state is State.IN_DOUBT
    assert road.entry().state is state
