"""The end of an attempt that the tables do not take goes round on the queue until they do."""

from datetime import timedelta

import pytest

from io_api.errors import InDoubt, Refused, Unreachable
from storage.intake import PutBack
from storage.ledger import LEASE, State
from storage.table import Unanswered
from tests.road import Road
from tests.samples import a_request, personal_data_in

HOURS = timedelta(hours=10)
WRITE_AND_LOOK = 2
"""How many operations of the ledger fail before a write is given up."""


@pytest.fixture
def road() -> Road:
    return Road()


@pytest.fixture
async def reference(road: Road) -> str:
    await road.ledger.open(a_request())
    return road.reference()


def _tables_are_out(road: Road) -> None:
    for skip in range(WRITE_AND_LOOK):
        road.steps.fail_before(Unanswered("", 403), skip=skip)


async def _put_back(road: Road, body: str, *, redelivered: bool = False) -> str:
    with pytest.raises(PutBack) as put_back:
        await road.send(body, redelivered=redelivered)
    return put_back.value.body


async def _sent_while_tables_are_out(road: Road, reference: str) -> str:
    road.io.while_sending = lambda: _out_now(road)
    return await _put_back(road, reference)


async def _out_now(road: Road) -> None:
    _tables_are_out(road)


@pytest.mark.parametrize(
    ("end", "state"),
    [
        ("M1", State.ACCEPTED),
        (Refused(reason="invalid_payload", status=400), State.REFUSED),
        (InDoubt(reason="timeout"), State.IN_DOUBT),
        (Unreachable(reason="unreachable"), State.DEFERRED),
    ],
)
async def test_end_is_told_after_hours_without_tables(
    road: Road, reference: str, end: str | Exception, state: State
) -> None:
    """However long the tables refuse, the ledger says in the end how the POST ended; nobody sends again."""
    road.io.submitted = end
    body = await _sent_while_tables_are_out(road, reference)
    road.clock.now += HOURS
    await road.send(body, redelivered=True)
    entry = road.entry()
    assert (entry.state, len(road.io.sent)) == (state, 1)
    assert entry.message_id == ("M1" if state is State.ACCEPTED else None)


async def test_accepted_message_is_followed_after_the_outage(road: Road, reference: str) -> None:
    """A message whose acceptance is told late is told upstream, followed and its content removed, once."""
    body = await _sent_while_tables_are_out(road, reference)
    for _ in range(2):
        await road.send(body, redelivered=True)
    await road.run()
    assert (len(road.io.sent), len(road.due()), road.entry().body) == (1, 1, {})
    assert set(road.told()) == {"r-1/0/accepted"}


async def test_message_that_surely_did_not_leave_is_sent_after_the_outage(road: Road, reference: str) -> None:
    """A claim that may have been written is no doubt: its worker knows that it sent nothing."""
    road.steps.fail_after(Unanswered(), skip=2)
    road.steps.fail_before(Unanswered(), skip=3)
    body = await _put_back(road, reference)
    assert (road.entry().state, road.io.sent) == (State.SENDING, [])
    road.clock.now += HOURS
    await road.send(body, redelivered=True)
    await road.run()
    assert (road.entry().state, len(road.io.sent)) == (State.ACCEPTED, 1)


async def test_claim_that_was_not_written_changes_nothing(road: Road, reference: str) -> None:
    """A claim that storage refused leaves the request as it was, and the delivery goes on as any other."""
    for skip in (2, 3):
        road.steps.fail_before(Unanswered(), skip=skip)
    body = await _put_back(road, reference)
    assert road.entry().state is State.REQUESTED
    await road.send(body, redelivered=True)
    assert (road.entry().state, len(road.io.sent)) == (State.ACCEPTED, 1)


async def test_end_goes_round_as_long_as_the_tables_are_out(road: Road, reference: str) -> None:
    """An end that finds the tables out again goes back as it came."""
    body = await _sent_while_tables_are_out(road, reference)
    road.steps.fail_before(Unanswered(), skip=1)
    assert await _put_back(road, body, redelivered=True) == body


async def test_late_answer_that_the_tables_do_not_take(road: Road, reference: str) -> None:
    """An answer that comes after its lease, while the tables refuse, settles the doubt after the outage."""

    async def others_look() -> None:
        road.clock.advance(seconds=LEASE.total_seconds())
        await road.send(reference, redelivered=True)
        road.steps.fail_before(Unanswered(), skip=2)

    road.io.while_sending = others_look
    body = await _put_back(road, reference)
    assert road.entry().state is State.IN_DOUBT
    await road.send(body, redelivered=True)
    assert (road.entry().state, len(road.io.sent)) == (State.ACCEPTED, 1)


async def test_end_of_another_attempt_says_nothing(road: Road, reference: str) -> None:
    """After a resend the end of the first attempt is no news of the second."""
    road.io.submitted = InDoubt(reason="timeout")
    body = await _sent_while_tables_are_out(road, reference)
    first = road.entry()
    foreign = body.replace(first.owner or "", "0f" * 16)
    await road.send(foreign, redelivered=True)
    assert road.entry().state is State.SENDING


async def test_what_goes_round_holds_no_personal_data(road: Road, reference: str) -> None:
    """The end on the queue names no citizen and quotes no message."""
    body = await _sent_while_tables_are_out(road, reference)
    assert personal_data_in(body) == []
