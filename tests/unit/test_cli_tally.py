"""The count of `postino status`."""

from collections.abc import AsyncIterator

from cli.status import tally
from storage.ledger import Progress, State


async def _standings() -> AsyncIterator[Progress]:
    yield Progress(State.PROCESSED, "UNAVAILABLE", None)
    yield Progress(State.PAID, "UNREAD", "PAID")
    yield Progress(State.READ, "READ", "NOT_PAID")
    yield Progress(State.PROCESSED, None, None)
    yield Progress(State.REJECTED, None, None)


async def test_delivered_messages_are_counted_in_the_words_of_io() -> None:
    """READ and PAID are delivered too, UNAVAILABLE is not UNREAD, and every state has a number."""
    counted = await tally(_standings())
    assert (counted["total"], counted["delivered"]) == (5, 4)
    assert counted["read_status"] == {"READ": 1, "UNREAD": 1, "UNAVAILABLE": 1}
    assert counted["payment_status"] == {"PAID": 1, "NOT_PAID": 1}
    assert set(counted["states"]) == set(State)
    assert counted["states"]["SENDING"] == 0
