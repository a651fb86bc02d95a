"""The storage account's time, learned from writes."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.storage_clock import StorageClock
from storage.table import written_at

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def _etag(at: datetime) -> str:
    return f"W/\"datetime'{at:%Y-%m-%dT%H%%3A%M%%3A%S.%f}0Z'\""


def test_etag_holds_the_time_of_the_write() -> None:
    """An ETag of Table storage is read as the row's Timestamp, anything else is refused."""
    etag = "W/\"datetime'2026-11-24T17%3A36%3A42.6913341Z'\""
    assert written_at(etag) == datetime(2026, 11, 24, 17, 36, 42, 691334, tzinfo=UTC)
    with pytest.raises(ValueError, match="no ETag"):
        written_at('"0x8D4"')


@given(
    skew=st.floats(-1e6, 1e6),
    writes=st.lists(
        st.tuples(st.floats(0, 0.5), st.floats(0, 0.5), st.floats(0, 2)), min_size=1, max_size=30
    ),
)
def test_error_is_at_most_half_the_fastest_round_trip(
    skew: float, writes: list[tuple[float, float, float]]
) -> None:
    """Whatever this machine's clock says, the time is right to within half of the best write's duration."""
    now = 0.0
    clock = StorageClock(lambda: now + skew)
    assert not clock.is_known
    for there, back, pause in writes:
        sent, written = now, now + there
        now = written + back
        etag = _etag(NOON + timedelta(seconds=written))
        clock.learn(etag, sent=sent + skew, received=now + skew)
        now += pause
    best = min(there + back for there, back, _ in writes)
    assert abs(clock.now() - NOON.timestamp() - now) <= best / 2 + 1e-4 * now + 1e-3


def test_another_server_with_another_clock_is_believed() -> None:
    """When the account moves to a server whose clock differs, the new one counts at once."""
    clock = StorageClock(lambda: 100.0)
    clock.learn(_etag(NOON), sent=0.0, received=0.01)
    clock.learn(_etag(NOON + timedelta(seconds=130)), sent=99.99, received=100.0)
    assert clock.now() == pytest.approx(NOON.timestamp() + 130, abs=0.02)
