"""The timeline of a request that was parked more than once."""

from datetime import UTC, datetime

from report.timeline import timeline
from storage.parked import ParkedMessage

NINE, TEN = datetime(2026, 11, 24, 9, tzinfo=UTC), datetime(2026, 11, 24, 10, tzinfo=UTC)


def test_the_newest_parked_message_counts_and_all_are_named() -> None:
    """Of several parked messages the newest gives the state, and all are listed."""
    newer = ParkedMessage("message-requests", "body-2", "invalid", first_at=TEN, last_at=TEN)
    older = ParkedMessage("message-requests", "body-1", "failed_repeatedly", first_at=NINE, last_at=NINE)
    known = timeline("r-1", None, [newer, older])
    assert (known["state"], known["created_at"], known["updated_at"]) == ("INVALID", NINE, TEN)
    assert known["parked"]["parked_id"] == "body-2"
    assert known["parked_ids"] == ["body-1", "body-2"]
    assert [line["reason"] for line in known["history"]] == ["failed_repeatedly", "invalid"]
