"""The simulator's sliding window."""

from hypothesis import given
from hypothesis import strategies as st

from local.io_simulator.rate_limit import Admission, RateLimit, RateLimiter, SlidingWindow


def test_remaining_counts_down_to_zero() -> None:
    """Each admitted call's answer has the number of calls left in the window."""
    window = SlidingWindow(RateLimit(3, 5))
    assert [window.admit(0.0).remaining for _ in range(3)] == [2, 1, 0]


def test_refusal_tells_when_the_oldest_call_leaves_the_window() -> None:
    """A refused call's answer has the whole seconds until a place is free, rounded up."""
    window = SlidingWindow(RateLimit(1, 5))
    window.admit(10.0)
    assert window.admit(12.5) == Admission(retry_after=3)


def test_waiting_as_told_is_enough() -> None:
    """A call that waits for retry_after is admitted."""
    window = SlidingWindow(RateLimit(1, 5))
    window.admit(10.0)
    retry_after = window.admit(12.5).retry_after
    assert retry_after is not None
    assert window.admit(12.5 + retry_after).remaining == 0


def test_refused_calls_use_up_nothing_and_are_seen() -> None:
    """Refused calls take no place in the window, but count in `busiest`."""
    window = SlidingWindow(RateLimit(1, 5))
    for now in (0.0, 1.0, 2.0):
        window.admit(now)
    assert window.admit(5.0).remaining == 0
    assert window.busiest == 3


def test_no_limit_says_nothing_and_still_counts() -> None:
    """Without a limit no call is refused, `remaining` is not given, and the busiest window is measured."""
    window = SlidingWindow(RateLimit(calls=None, seconds=5))
    assert {window.admit(float(now)) for now in range(20)} == {Admission()}
    assert window.busiest == 5


@given(st.lists(st.integers(0, 120).map(lambda quarters: quarters / 4), max_size=60).map(sorted))
def test_no_window_ever_holds_more_than_the_limit(instants: list[float]) -> None:
    """No window of a period admits more calls than the limit, whatever the times of the calls."""
    window = SlidingWindow(RateLimit(4, 5))
    admitted = [now for now in instants if window.admit(now).remaining is not None]
    assert all(later - earlier >= 5 for earlier, later in zip(admitted, admitted[4:], strict=False))


def test_accounts_do_not_share_a_window() -> None:
    """Accounts do not share a window, and busiest_window is the maximum over them."""
    limiter = RateLimiter(RateLimit(2, 5))
    assert [limiter.admit("a", 0.0).remaining for _ in range(2)] == [1, 0]
    assert limiter.admit("b", 0.0).remaining == 1
    assert limiter.busiest_window == 2
