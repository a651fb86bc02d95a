"""The words in which states and reasons are explained to an operator."""

from cli.meanings import STATES
from storage.ledger import State


def test_every_state_has_a_meaning() -> None:
    """There is a meaning for each state of the ledger and for nothing else."""
    assert set(STATES) == set(State)
