"""What an answer of IO adds to the ledger: only news, and never a step back."""

from dataclasses import replace
from typing import Any

import pytest

from io_api.observe import observe
from storage.ledger import Entry, State
from tests.fake_app import FakeApp
from tests.fakes import seen

Known = dict[str, str]


@pytest.fixture
async def accepted() -> Entry:
    return await FakeApp().accepted(feature_level_type="ADVANCED")


def _words(entry: Entry, *answer: str | None, **known: Any) -> tuple[list[str], Known]:
    steps, changes = observe(replace(entry, **known), seen(*answer))
    return [step.what for step in steps], changes


async def test_first_answer_is_kept_without_a_step(accepted: Entry) -> None:
    """A status before the end of the delivery is recorded without a step."""
    assert _words(accepted, "ACCEPTED") == ([], {"status": "ACCEPTED"})
    assert _words(accepted, "THROTTLED", status="ACCEPTED") == ([], {"status": "THROTTLED"})


@pytest.mark.parametrize("word", ["PROCESSED", "REJECTED", "FAILED"])
async def test_end_of_the_delivery_is_a_step(accepted: Entry, word: str) -> None:
    """IO's final delivery status becomes the state."""
    assert _words(accepted, word, status="ACCEPTED") == ([word], {"status": word})


async def test_everything_at_once_is_in_the_order_of_its_happening(accepted: Entry) -> None:
    """A message delivered, read and paid between two polls gets its steps in that order."""
    steps, changes = _words(accepted, "PROCESSED", "READ", "PAID")
    assert steps == ["PROCESSED", "READ", "PAID"]
    assert changes == {"status": "PROCESSED", "read_status": "READ", "payment_status": "PAID"}


async def test_known_answer_is_no_news(accepted: Entry) -> None:
    """A repeated answer changes nothing."""
    known = {"status": "PROCESSED", "read_status": "UNREAD", "payment_status": "NOT_PAID"}
    assert _words(accepted, "PROCESSED", "UNREAD", "NOT_PAID", **known) == ([], {})


async def test_unread_and_not_paid_are_kept_without_a_step(accepted: Entry) -> None:
    """UNREAD and NOT_PAID are recorded without a step."""
    changes = {"read_status": "UNREAD", "payment_status": "NOT_PAID"}
    assert _words(accepted, "PROCESSED", "UNREAD", "NOT_PAID", status="PROCESSED") == ([], changes)


async def test_unavailable_is_told_as_itself(accepted: Entry) -> None:
    """UNAVAILABLE is a step of its own, neither READ nor UNREAD."""
    answer = _words(accepted, "PROCESSED", "UNAVAILABLE", status="PROCESSED", read_status="UNREAD")
    assert answer == (["READ_UNAVAILABLE"], {"read_status": "UNAVAILABLE"})


async def test_unavailable_can_become_unread_again(accepted: Entry) -> None:
    """UNREAD and READ may follow UNAVAILABLE, because a citizen may change the consent."""
    known = {"status": "PROCESSED", "read_status": "UNAVAILABLE"}
    assert _words(accepted, "PROCESSED", "UNREAD", **known) == ([], {"read_status": "UNREAD"})
    assert _words(accepted, "PROCESSED", "READ", **known) == (["READ"], {"read_status": "READ"})


@pytest.mark.parametrize("word", ["UNREAD", "UNAVAILABLE", None])
async def test_read_is_never_undone(accepted: Entry, word: str | None) -> None:
    """READ is never undone, whatever IO answers later."""
    assert _words(accepted, "PROCESSED", word, status="PROCESSED", read_status="READ") == ([], {})


@pytest.mark.parametrize("word", ["NOT_PAID", None])
async def test_paid_is_never_undone(accepted: Entry, word: str | None) -> None:
    """PAID is never undone, whatever IO answers later."""
    known = {"status": "PROCESSED", "payment_status": "PAID"}
    assert _words(accepted, "PROCESSED", None, word, **known) == ([], {})


@pytest.mark.parametrize("final", ["PROCESSED", "REJECTED", "FAILED"])
@pytest.mark.parametrize("word", ["ACCEPTED", "THROTTLED", "PROCESSED", "REJECTED", "FAILED", None])
async def test_final_delivery_status_is_never_undone(accepted: Entry, final: str, word: str | None) -> None:
    """The first final delivery status is never undone."""
    assert _words(accepted, word, status=final) == ([], {})


async def test_silence_forgets_nothing(accepted: Entry) -> None:
    """An answer with missing or unknown words changes nothing."""
    known = {"status": "PROCESSED", "read_status": "UNREAD", "payment_status": "NOT_PAID"}
    assert _words(accepted, None, None, None, **known) == ([], {})
    assert _words(accepted, "SHREDDED", "SKIMMED", "HALF_PAID", **known) == ([], {})


async def test_every_step_can_be_gone_from_the_state_it_is_seen_in(accepted: Entry) -> None:
    """The ledger accepts the steps of every answer of IO."""
    words: list[list[str | None]] = [
        ["ACCEPTED", "PROCESSED", "REJECTED", "FAILED"],
        ["READ", "UNREAD", "UNAVAILABLE", None],
        ["PAID", "NOT_PAID", None],
    ]
    ledger = FakeApp().ledger
    for status in words[0]:
        for read in words[1] if status == "PROCESSED" else [None]:
            for paid in words[2] if status == "PROCESSED" else [None]:
                steps, changes = observe(accepted, seen(status, read, paid))
                planned = ledger.draft(accepted, *steps, **changes)
                assert [line["what"] for line in planned.history[len(accepted.history) :]] == [
                    step.what for step in steps
                ]


async def test_reading_of_a_message_not_known_as_processed_is_no_dead_end(accepted: Entry) -> None:
    """READ beside an unknown delivery status gives steps that the ledger accepts."""
    steps, changes = observe(accepted, seen("DELIVERED_TO_A_NEW_APP", "READ"))
    planned = FakeApp().ledger.draft(accepted, *steps, **changes)
    assert planned.state in (State.ACCEPTED, State.READ)


async def test_payment_that_the_creditor_told_first_is_told_with_the_delivery(accepted: Entry) -> None:
    """A payment settled before the delivery is a step with the delivery, and IO's PAID adds no second."""
    known: dict[str, Any] = {"payment_status": "PAID", "settled_at": accepted.created_at}
    steps, _ = observe(replace(accepted, **known), seen("PROCESSED", "READ", "PAID"))
    assert [(step.what, step.reason) for step in steps] == [
        ("PROCESSED", None),
        ("READ", None),
        ("PAID", "settled_upstream"),
    ]
    assert _words(accepted, "PROCESSED", "READ", "PAID", status="PROCESSED", **known)[0] == ["READ"]
