"""The calls that the simulator's scripted faults hit."""

import pytest
from pydantic import ValidationError

from local.io_simulator.faults import Fault, FaultQueue


def kinds_met(queue: FaultQueue, calls: int) -> list[str | None]:
    """The faults that this many submissions meet."""
    met = [queue.take("submit_message") for _ in range(calls)]
    return [None if fault is None else fault.kind for fault in met]


def test_hits_once_unless_told_otherwise() -> None:
    """A fault without a count hits one call."""
    queue = FaultQueue()
    queue.add([Fault(kind="hang")])
    assert kinds_met(queue, 2) == ["hang", None]
    assert queue.document() == []


def test_faults_come_in_the_order_given() -> None:
    """The first fault is used up before the next begins."""
    queue = FaultQueue()
    queue.add([Fault(kind="429", count=2), Fault(kind="500_after")])
    assert kinds_met(queue, 4) == ["429", "429", "500_after", None]


def test_lets_the_first_calls_pass() -> None:
    """`after` is the number of calls that a fault lets pass first."""
    queue = FaultQueue()
    queue.add([Fault(kind="hang", after=2)])
    assert kinds_met(queue, 4) == [None, None, "hang", None]


def test_other_operations_pass_and_are_not_counted() -> None:
    """A fault for one operation neither hits nor counts the calls of another."""
    queue = FaultQueue()
    queue.add([Fault(kind="hang", operation="submit_message", after=1)])
    assert queue.take("get_profile") is None
    assert kinds_met(queue, 2) == [None, "hang"]


def test_probability_repeats_with_its_seed() -> None:
    """The same seed hits the same calls, as often as the probability says, without end."""
    runs = []
    for _ in range(2):
        queue = FaultQueue()
        queue.add([Fault(kind="hang", probability=0.3, seed=7)])
        runs.append(kinds_met(queue, 1000))
    assert runs[0] == runs[1]
    assert 250 < runs[0].count("hang") < 350


def test_probability_with_a_count_ends() -> None:
    """A count limits a random fault."""
    queue = FaultQueue()
    queue.add([Fault(kind="hang", probability=0.5, count=3)])
    assert kinds_met(queue, 200).count("hang") == 3


@pytest.mark.parametrize(
    ("fault", "rule"),
    [
        ({"kind": "slow"}, "slow needs seconds"),
        ({"kind": "reset_after", "seconds": 1}, "reset_after takes no seconds"),
        ({"kind": "accept_without_id"}, "accept_without_id needs operation submit_message"),
    ],
)
def test_senseless_faults_are_refused(fault: dict[str, object], rule: str) -> None:
    """A fault that contradicts itself is refused with the reason."""
    with pytest.raises(ValidationError, match=rule):
        Fault.model_validate(fault)
