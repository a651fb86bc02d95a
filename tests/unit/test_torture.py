"""A seeded slice of `make torture`: the real decisions under failures at every step."""

import itertools
from pathlib import Path

import pytest

from tests.torture.campaign import run
from tests.torture.mutants import MUTANTS, OUTAGES, Mutant, mutant, mutated_source
from tests.torture.processes import tallies

SLICE = 100


@pytest.mark.parametrize("plan", ["faults", "faults, settlements", "faults, rotation", "faults, resends"])
def test_no_invariant_breaks_under_faults(plan: str) -> None:
    """Crashes, lost answers and stalls cause no duplicate, loss, false row or missed settlement."""
    tally = run(plan, first_seed=0, schedules=SLICE)
    assert not tally.broken, tally.first
    assert tally.faults.total() > SLICE


@pytest.mark.parametrize("plan", ["calm", "IO refuses"])
def test_nothing_is_in_doubt_without_faults(plan: str) -> None:
    """Without a fault no request is in doubt and none is given up, whatever IO answers."""
    tally = run(plan, first_seed=0, schedules=SLICE)
    assert not tally.broken, tally.first
    assert tally.states["IN_DOUBT"] == tally.states["DEAD"] == 0


def test_outages_of_io_leave_few_in_doubt_and_end_by_themselves() -> None:
    """During an outage of about an hour hosts lose nothing, put few in doubt, and resume within a minute."""
    tally = run(OUTAGES, first_seed=0, schedules=3)
    assert not tally.broken, tally.first
    assert tally.states["ACCEPTED"] > tally.requests - 3 * 10


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_mutant_still_fits_the_source(mutant: Mutant) -> None:
    """The text that a mutant replaces is in the product, so the mutated source differs."""
    for module, changes in mutant.changes.items():
        assert mutated_source(module, changes) != Path(*module.split(".")).with_suffix(".py").read_text()


@pytest.mark.parametrize("name", ["send again when the lease has run out", "the breaker never opens"])
def test_hunt_catches_a_mutant(name: str) -> None:
    """A protocol without one of its safeguards breaks an invariant within a few hundred schedules."""
    caught = itertools.islice((tally.broken for tally in tallies(mutant(name).plan, name)), 15)
    assert any(caught)
