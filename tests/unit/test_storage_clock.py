"""The storage account's time, learned from the answers to writes."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.storage_clock import StorageClock
from storage.table import ETag, Unanswered, written_between

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def _etag(at: datetime) -> ETag:
    return ETag(f"W/\"datetime'{at:%Y-%m-%dT%H%%3A%M%%3A%S.%f}0Z'\"")


def _opaque(at: datetime | None, text: str = '"0x8D4"') -> ETag:
    """An ETag without a time, from an answer with this Date."""
    etag = ETag(text)
    etag.date = at and at.replace(microsecond=0)
    return etag


def test_etag_holds_the_time_of_the_write() -> None:
    """The ETag of Table storage holds the row's Timestamp, and nothing else is needed."""
    etag = ETag("W/\"datetime'2026-11-24T17%3A36%3A42.6913341Z'\"")
    at = datetime(2026, 11, 24, 17, 36, 42, 691334, tzinfo=UTC).timestamp()
    assert written_between(etag) == (at, at)


@pytest.mark.parametrize("text", ['"0x8D4"', "", "W/\"datetime'2026-13-24T99%3A36%3A42Z'\"", "None", "%"])
def test_etag_of_another_form_leaves_the_date_of_the_answer(text: str) -> None:
    """If an ETag holds no time, the write was within the second of the answer's Date."""
    at = NOON.timestamp()
    assert written_between(_opaque(NOON + timedelta(seconds=0.7), text)) == (at, at + 1)
    with pytest.raises(Unanswered, match="neither its ETag nor its Date has one"):
        written_between(_opaque(None, text))


@given(
    skew=st.floats(-1e6, 1e6),
    writes=st.lists(
        st.tuples(st.floats(0, 0.5), st.floats(0, 0.5), st.floats(0, 2)), min_size=1, max_size=30
    ),
)
def test_error_is_at_most_half_the_fastest_round_trip(
    skew: float, writes: list[tuple[float, float, float]]
) -> None:
    """Whatever this machine's clock says, the error is at most half the round trip of the fastest write."""
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
    """When the account moves to a server with another clock, the new time counts at once."""
    clock = StorageClock(lambda: 100.0)
    clock.learn(_etag(NOON), sent=0.0, received=0.01)
    clock.learn(_etag(NOON + timedelta(seconds=130)), sent=99.99, received=100.0)
    assert clock.now() == pytest.approx(NOON.timestamp() + 130, abs=0.02)


@given(
    skew=st.floats(-1e6, 1e6),
    writes=st.lists(
        st.tuples(st.floats(0, 0.5), st.floats(0, 0.5), st.floats(0, 2)), min_size=1, max_size=30
    ),
)
def test_with_whole_seconds_it_is_never_ahead_and_late_as_it_says(
    skew: float, writes: list[tuple[float, float, float]]
) -> None:
    """From Dates alone the clock is never ahead, and late by `late` at most: a second and a round trip."""
    now = 0.0
    clock = StorageClock(lambda: now + skew)
    assert clock.late == 0
    for there, back, pause in writes:
        sent, written = now, now + there
        now = written + back
        etag = _opaque(NOON + timedelta(seconds=written))
        clock.learn(etag, sent=sent + skew, received=now + skew)
        behind = NOON.timestamp() + now - clock.now()
        assert -1e-3 <= behind <= clock.late + 1e-3
        assert clock.late <= 1 + there + back + 1e-3
        now += pause


def test_whole_seconds_become_exact_with_every_write(caplog: pytest.LogCaptureFixture) -> None:
    """With two writes a second, `late` falls below a tenth within ten seconds, and the log says so once."""
    now = 0.0
    clock = StorageClock(lambda: now)
    for _ in range(20):
        clock.learn(_opaque(NOON + timedelta(seconds=now)), sent=now, received=now)
        now += 0.53
    assert clock.late < 0.1
    assert len(caplog.messages) == 1
    assert "storage ETags hold no time" in caplog.text


def test_time_that_was_exact_stays_so_when_an_etag_is_not() -> None:
    """One ETag without a time does not make an exact clock less exact."""
    clock = StorageClock(lambda: 10.0)
    clock.learn(_etag(NOON), sent=0.0, received=0.01)
    clock.learn(_opaque(NOON + timedelta(seconds=10)), sent=9.99, received=10.0)
    assert clock.late < 0.02
    assert clock.now() == pytest.approx(NOON.timestamp() + 10, abs=0.02)
