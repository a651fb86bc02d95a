"""The count of `postino status`."""

from collections.abc import AsyncIterator

from cli.status import tally
from storage.ledger import Standing, State


async def _standings() -> AsyncIterator[Standing]:
    yield Standing(State.PROCESSED, "UNAVAILABLE", None)
    yield Standing(State.PAID, "UNREAD", "PAID")
    yield Standing(State.READ, "READ", "NOT_PAID")
    yield Standing(State.PROCESSED, None, None)
    yield Standing(State.REJECTED, None, None)


async def test_delivered_messages_are_counted_in_the_words_of_io() -> None:
    """READ and PAID are delivered too, UNAVAILABLE is not UNREAD, and every state has a number."""
    counted = await tally(_standings())
    assert (counted["total"], counted["delivered"]) == (5, 4)
    assert counted["read_status"] == {"READ": 1, "UNREAD": 1, "UNAVAILABLE": 1}
    assert counted["payment_status"] == {"PAID": 1, "NOT_PAID": 1}
    assert set(counted["states"]) == set(State)
    assert counted["states"]["SENDING"] == 0
