"""The arithmetic of the account's rate budget."""

import itertools
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from io_api.rate_budget import CHUNK_SECONDS, CUT, LATEST, SHARES, USED, Budget, Feedback, Priority, Slot
from local.io_simulator.rate_limit import RateLimit as SimulatedLimit
from local.io_simulator.rate_limit import SlidingWindow
from settings import RateLimit

LIMIT = RateLimit(150, 5)
NOW = 1_795_541_802.0
MANY = 1000
CHUNK = round(USED * LIMIT.rate * CHUNK_SECONDS)

WANTS = st.dictionaries(st.sampled_from(Priority), st.integers(1, 40))


def _given(slots: list[Slot]) -> Counter[Priority]:
    return Counter(slot.priority for slot in slots)


def _saturated(
    wants: Mapping[Priority, int], seconds: float, start: Budget | None = None
) -> Counter[Priority]:
    """The slots that a single worker with these constant wants gets in this many seconds."""
    budget, total, now = start or Budget.full(LIMIT), Counter[Priority](), NOW
    while now < NOW + seconds:
        budget, slots = budget.reserve(wants, now)
        total += _given(slots)
        now = max(now + 0.1, budget.next_free - CHUNK_SECONDS)
    return total


@given(
    calls=st.integers(5, 300),
    steps=st.lists(st.tuples(st.floats(0, 3), WANTS, st.floats(0, 1)), min_size=1, max_size=60),
)
def test_no_window_is_ever_full(calls: int, steps: list[tuple[float, dict[Priority, int], float]]) -> None:
    """IO refuses no call, however many workers ask for however much, and however late each call is."""
    limit = RateLimit(calls, 5)
    budget, now, leaves = Budget.full(limit), NOW, []
    for pause, wants, late in steps:
        now += pause
        budget, slots = budget.reserve(wants, now)
        leaves += [slot.at + late * LATEST * limit.seconds for slot in slots]
    window = SlidingWindow(SimulatedLimit(calls, 5))
    assert [window.admit(at).retry_after for at in sorted(leaves)] == [None] * len(leaves)


@given(steps=st.lists(st.tuples(st.floats(0, 3), WANTS), min_size=1, max_size=60))
def test_no_instant_is_given_twice(steps: list[tuple[float, dict[Priority, int]]]) -> None:
    """Slots are all different and in the future, and no priority gets more than it asked for."""
    budget, now, taken = Budget.full(LIMIT), NOW, []
    for pause, wants in steps:
        now += pause
        budget, slots = budget.reserve(wants, now)
        assert _given(slots) <= Counter(wants)
        assert all(slot.at > now for slot in slots)
        taken += [slot.at for slot in slots]
    gaps = [after - before for before, after in itertools.pairwise(taken)]
    assert all(gap >= 1 / budget.rate - 1e-6 for gap in gaps)


@pytest.mark.parametrize("priority", Priority)
def test_who_is_alone_gets_everything(priority: Priority) -> None:
    """A single priority may use the whole limit while no other is wanted."""
    assert _saturated({priority: MANY}, 60).total() >= 0.99 * 60 * USED * LIMIT.rate


def test_nobody_starves_and_sends_come_first() -> None:
    """When every priority wants everything, each lower one gets its share, and sends the rest."""
    total = _saturated(dict.fromkeys(Priority, MANY), 60)
    everything = total.total()
    for priority, share in SHARES.items():
        assert total[priority] / everything == pytest.approx(share, abs=0.01)
    assert total[Priority.SEND] / everything == pytest.approx(1 - sum(SHARES.values()), abs=0.02)


def test_sends_elsewhere_come_before_polls_here() -> None:
    """A worker that only polls waits for its share while another sends, and then gets everything."""
    budget, _ = Budget.full(LIMIT).reserve({Priority.SEND: MANY}, NOW)
    soon = NOW + 0.1
    _, slots = replace(budget, poll_from=soon).reserve({Priority.POLL: MANY}, soon)
    assert slots == []
    later = budget.sending_until + 0.1
    _, slots = budget.reserve({Priority.POLL: MANY}, later)
    assert len(slots) == CHUNK


def test_polls_elsewhere_come_before_reminders_here() -> None:
    """A worker that only sends reminders waits while another has polls to make."""
    budget, _ = Budget.full(LIMIT).reserve({Priority.POLL: MANY}, NOW)
    soon = NOW + 0.1
    _, slots = replace(budget, reminder_from=soon).reserve({Priority.REMINDER: MANY}, soon)
    assert slots == []


def test_few_sends_do_not_hold_polls_back() -> None:
    """Sends that are served at once leave the rest to polls."""
    budget, _ = Budget.full(LIMIT).reserve({Priority.SEND: 1}, NOW)
    _, slots = budget.reserve({Priority.POLL: MANY}, NOW + 0.1)
    assert len(slots) == CHUNK


def test_a_429_lowers_the_rate_once_a_window() -> None:
    """The refusals of one window lower the rate once, by a tenth."""
    full = Budget.full(LIMIT)
    refused = Feedback(refused=True, retry_after=1)
    cut = full.adjusted(LIMIT, refused, NOW)
    assert cut.rate == pytest.approx(CUT * full.rate)
    assert cut.adjusted(LIMIT, refused, NOW + 4.9).rate == cut.rate
    assert cut.adjusted(LIMIT, refused, NOW + 5.1).rate == pytest.approx(CUT * cut.rate)


def test_a_long_wait_that_io_asks_for_is_kept() -> None:
    """A wait of IO longer than the window stops all calls until it is over."""
    budget = Budget.full(LIMIT).adjusted(LIMIT, Feedback(refused=True, retry_after=60), NOW)
    _, slots = budget.reserve({Priority.SEND: 1}, NOW)
    assert slots[0].at == NOW + 60


def test_the_rate_follows_what_is_left() -> None:
    """With calls left the rate rises by a hundredth of the limit a second; with none left it falls."""
    slow = replace(Budget.full(LIMIT), rate=20.0, steered_at=NOW)
    assert slow.adjusted(LIMIT, Feedback(least_left=100), NOW + 1).rate == pytest.approx(20.3)
    assert slow.adjusted(LIMIT, Feedback(least_left=100), NOW + 9).rate == pytest.approx(20.3)
    assert slow.adjusted(LIMIT, Feedback(least_left=0), NOW + 1).rate < 20
    assert slow.adjusted(LIMIT, Feedback(), NOW + 1) == slow


@given(
    seen=st.lists(
        st.builds(Feedback, least_left=st.none() | st.integers(0, 150), refused=st.booleans()), max_size=200
    )
)
def test_the_rate_stays_within_bounds(seen: list[Feedback]) -> None:
    """Whatever IO answers, the rate stays between a twentieth of the limit and the usable limit."""
    budget = Budget.full(LIMIT)
    for second, one in enumerate(seen):
        budget = budget.adjusted(LIMIT, one, NOW + 3 * second)
        assert 0.05 * LIMIT.rate <= budget.rate <= USED * LIMIT.rate


def test_a_lower_limit_counts_at_once() -> None:
    """A row written under a higher limit gives no more than the new limit allows."""
    row = Budget.full(RateLimit(250, 5)).values()
    assert Budget.of(row, LIMIT) == Budget.full(LIMIT)


def test_rate_rises_again_where_io_tells_nothing() -> None:
    """After a 429 the rate rises to the whole in a few minutes, even without x-rate-limit-remaining."""
    budget = Budget.full(LIMIT).adjusted(LIMIT, Feedback(refused=True), now=100.0)
    assert budget.rate < USED * LIMIT.rate
    for second in range(1, 300):
        budget = budget.adjusted(LIMIT, Feedback(answered=True), now=100.0 + second)
    assert budget.rate == USED * LIMIT.rate


def test_limit_that_was_raised_counts_at_once() -> None:
    """A stored rate keeps its part of the limit when the setting changes, up or down."""
    raised = LIMIT._replace(calls=LIMIT.calls * 2)
    whole, cut = Budget.full(LIMIT), Budget.full(LIMIT).adjusted(LIMIT, Feedback(refused=True), now=100.0)
    assert Budget.of(whole.values(), raised).rate == USED * raised.rate
    assert Budget.of(cut.values(), raised).rate == pytest.approx(2 * cut.rate)
    assert Budget.of(Budget.of(cut.values(), raised).values(), LIMIT).rate == pytest.approx(cut.rate)


def test_bulk_leaves_the_next_slots_to_others() -> None:
    """However many workers want bulk calls, any other call leaves within a second, and no slot is lost."""
    budget, total, now, worst = Budget.full(LIMIT), 0, NOW, 0.0
    bulk = {Priority.BULK_SEND: MANY, Priority.BULK_CHECK: MANY}
    while now < NOW + 30:
        for _ in range(8):
            budget, slots = budget.reserve(bulk, now)
            total += len(slots)
        budget, (urgent,) = budget.reserve({Priority.SEND: 1}, now)
        worst, total, now = max(worst, urgent.at - now), total + 1, now + 0.2
    assert worst < 1
    assert total >= 0.98 * 30 * USED * LIMIT.rate
