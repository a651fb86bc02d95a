"""The result of an attempt that storage rejects is requeued in the reference until storage accepts it."""

from datetime import timedelta

import pytest

from io_api.errors import InDoubt, Refused, Unreachable
from storage.intake import PutBack
from storage.ledger import LEASE, State
from storage.table import Unanswered
from tests.fake_app import FakeApp
from tests.samples import a_request, personal_data_in

HOURS = timedelta(hours=10)
WRITE_AND_LOOK = 2
"""The number of ledger operations that fail before a write is given up."""


@pytest.fixture
def app() -> FakeApp:
    return FakeApp()


@pytest.fixture
async def reference(app: FakeApp) -> str:
    await app.ledger.open(a_request())
    return app.reference()


def _tables_are_out(app: FakeApp) -> None:
    for skip in range(WRITE_AND_LOOK):
        app.steps.fail_before(Unanswered("", 403), skip=skip)


async def _put_back(app: FakeApp, body: str, *, redelivered: bool = False) -> str:
    with pytest.raises(PutBack) as put_back:
        await app.send(body, redelivered=redelivered)
    return put_back.value.body


async def _sent_while_tables_are_out(app: FakeApp, reference: str) -> str:
    app.io.while_sending = lambda: _out_now(app)
    return await _put_back(app, reference)


async def _out_now(app: FakeApp) -> None:
    _tables_are_out(app)


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
    app: FakeApp, reference: str, end: str | Exception, state: State
) -> None:
    """However long storage rejects writes, the ledger finally holds the result of the one POST made."""
    app.io.submitted = end
    body = await _sent_while_tables_are_out(app, reference)
    app.clock.now += HOURS
    await app.send(body, redelivered=True)
    entry = app.entry()
    assert (entry.state, len(app.io.sent)) == (state, 1)
    assert entry.message_id == ("M1" if state is State.ACCEPTED else None)


async def test_accepted_message_is_followed_after_the_outage(app: FakeApp, reference: str) -> None:
    """A message whose acceptance is recorded late is published, followed, and its content removed, once."""
    body = await _sent_while_tables_are_out(app, reference)
    for _ in range(2):
        await app.send(body, redelivered=True)
    await app.run()
    assert (len(app.io.sent), len(app.due()), app.entry().body) == (1, 1, {})
    assert set(app.told()) == {"r-1/0/accepted"}


async def test_message_that_surely_did_not_leave_is_sent_after_the_outage(
    app: FakeApp, reference: str
) -> None:
    """A message that was surely not sent, though its claim may be written, is sent after the outage."""
    app.steps.fail_after(Unanswered(), skip=2)
    app.steps.fail_before(Unanswered(), skip=3)
    body = await _put_back(app, reference)
    assert (app.entry().state, app.io.sent) == (State.SENDING, [])
    app.clock.now += HOURS
    await app.send(body, redelivered=True)
    await app.run()
    assert (app.entry().state, len(app.io.sent)) == (State.ACCEPTED, 1)


async def test_claim_that_was_not_written_changes_nothing(app: FakeApp, reference: str) -> None:
    """A claim that storage rejected leaves the request as it was, and the next delivery sends it."""
    for skip in (2, 3):
        app.steps.fail_before(Unanswered(), skip=skip)
    body = await _put_back(app, reference)
    assert app.entry().state is State.REQUESTED
    await app.send(body, redelivered=True)
    assert (app.entry().state, len(app.io.sent)) == (State.ACCEPTED, 1)


async def test_end_goes_round_as_long_as_the_tables_are_out(app: FakeApp, reference: str) -> None:
    """A result that storage rejects again is requeued unchanged."""
    body = await _sent_while_tables_are_out(app, reference)
    app.steps.fail_before(Unanswered(), skip=1)
    assert await _put_back(app, body, redelivered=True) == body


async def test_late_answer_that_the_tables_do_not_take(app: FakeApp, reference: str) -> None:
    """A result that storage rejects after its lease has expired resolves the doubt after the outage."""

    async def others_look() -> None:
        app.clock.advance(seconds=LEASE.total_seconds())
        await app.send(reference, redelivered=True)
        app.steps.fail_before(Unanswered(), skip=2)

    app.io.while_sending = others_look
    body = await _put_back(app, reference)
    assert app.entry().state is State.IN_DOUBT
    await app.send(body, redelivered=True)
    assert (app.entry().state, len(app.io.sent)) == (State.ACCEPTED, 1)


async def test_end_of_another_attempt_says_nothing(app: FakeApp, reference: str) -> None:
    """The result of another attempt changes nothing."""
    app.io.submitted = InDoubt(reason="timeout")
    body = await _sent_while_tables_are_out(app, reference)
    first = app.entry()
    foreign = body.replace(first.owner or "", "0f" * 16)
    await app.send(foreign, redelivered=True)
    assert app.entry().state is State.SENDING


async def test_what_goes_round_holds_no_personal_data(app: FakeApp, reference: str) -> None:
    """The requeued result holds no personal data."""
    body = await _sent_while_tables_are_out(app, reference)
    assert personal_data_in(body) == []
