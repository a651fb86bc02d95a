"""The delay of a message that was not sent."""

from dataclasses import replace
from datetime import timedelta

import pytest

from io_api.errors import IoError, Misconfigured, NotSent, RateLimited, Unavailable, Unreachable
from send_message.deferral import deferral
from storage.ledger import Entry, State, Step
from tests.fake_app import FakeApp
from tests.fakes import FakeClock
from tests.samples import a_request

NOW = FakeClock()()
DRAWS = 300


def limited(retry_after: float) -> RateLimited:
    error = RateLimited(reason="rate_limited", status=429)
    error.retry_after = retry_after
    return error


@pytest.fixture
async def entry() -> Entry:
    return await FakeApp().ledger.open(a_request())


def _delays(entry: Entry, error: IoError) -> list[float]:
    drawn = (deferral(entry, error, NOW)[1]["next_at"] - NOW for _ in range(DRAWS))
    return sorted(delay.total_seconds() for delay in drawn)


@pytest.mark.parametrize(
    ("error", "failures", "least", "most"),
    [
        (Unreachable(reason="unreachable"), 0, 2, 6),
        (Unavailable(reason="timeout"), 3, 2, 34),
        (Unavailable(reason="timeout"), 9, 2, 42),
        (NotSent(reason="lease_too_short"), 10, 2, 902),
        (Unreachable(reason="unreachable"), 19, 2, 902),
        (limited(0), 0, 0, 2),
        (limited(1), 5, 1, 3),
        (limited(60), 0, 60, 120),
        (Misconfigured(reason="invalid_key", status=401), 0, 450, 900),
    ],
)
async def test_delay_is_spread_over_its_range(
    entry: Entry, error: IoError, failures: int, least: float, most: float
) -> None:
    """The delay doubles up to its limit, is spread at random, and is at least IO's own wait."""
    delays = _delays(replace(entry, failures=failures), error)
    assert least <= delays[0] < least + (most - least) / 4
    assert most - (most - least) / 4 < delays[-1] <= most


@pytest.mark.parametrize(
    ("error", "counts"),
    [
        (Unreachable(reason="unreachable"), 1),
        (Unavailable(reason="server_error", status=500), 1),
        (NotSent(reason="lease_too_short"), 1),
        (limited(5), 0),
        (Misconfigured(reason="invalid_key", status=401), 0),
    ],
)
async def test_limit_and_wrong_key_do_not_lengthen_the_delay(
    entry: Entry, error: IoError, counts: int
) -> None:
    """Only a failed call lengthens the next delay; a limit or a suspension does not."""
    step, changes = deferral(replace(entry, failures=3, sequence=7), error, NOW)
    assert step == Step(State.DEFERRED, error.reason, error.status)
    assert (changes["failures"], changes["sequence"]) == (3 + counts, 8)


async def test_years_of_failures_do_not_overflow(entry: Entry) -> None:
    """The delay stays within its limit, however often a message failed."""
    delays = _delays(replace(entry, failures=10_000), Unreachable(reason="unreachable"))
    assert delays[-1] <= timedelta(minutes=15, seconds=2).total_seconds()
