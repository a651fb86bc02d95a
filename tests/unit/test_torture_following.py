"""Following under faults: hosts that crash, stall and lose answers at any step lose no
message, and finish.
"""

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.torture.following import Following

EXAMPLES = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))


@EXAMPLES
@example(seed=29626, rate=0.1)  # two rows of a message whose last poll fails
@given(seed=st.integers(min_value=0, max_value=2**32), rate=st.sampled_from([0.02, 0.1, 0.3]))
@pytest.mark.timeout(600)
async def test_no_message_leaves_unfinished_and_none_is_looked_at_for_ever(seed: int, rate: float) -> None:
    """Whatever fails in whichever tick, every message ends as IO says, and has one row until then."""
    world = Following(seed, rate)
    await world.run()
    assert +world.broken == {}


@settings(EXAMPLES, max_examples=15)
@given(seed=st.integers(min_value=0, max_value=2**32))
async def test_without_a_fault_each_look_is_made_once(seed: int) -> None:
    """Several hosts that tick at the same moment make no poll twice, and none outside the scheduled times."""
    world = Following(seed, 0)
    await world.run()
    assert +world.broken == {}
    assert world.fire.faults == 0
    assert max(world.io.looks.values(), default=0) <= 20
