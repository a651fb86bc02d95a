"""The words in which states and reasons are explained to an operator."""

from cli.meanings import NOTES, STATES
from storage.ledger import SIGHTINGS, State


def test_every_state_has_a_meaning() -> None:
    """There is a meaning for each state of the ledger and for nothing else."""
    assert set(STATES) == set(State)


def test_every_line_that_is_no_state_has_a_note() -> None:
    """What a timeline can hold besides the states is explained, unless its word says it all."""
    assert set(NOTES) >= set(SIGHTINGS) - set(State)
