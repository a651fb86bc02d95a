"""Scripted faults: which calls they hit. What they do to a call is in `misbehaviour`."""

import random
from collections.abc import Iterable
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from local.io_simulator.calls import Operation
from local.io_simulator.script import Script

Kind = Literal[
    "429",
    "500_before",
    "502_before",
    "503_before",
    "500_after",
    "502_after",
    "accept_then_hang",
    "hang",
    "reset_before",
    "reset_after",
    "half_response",
    "slow",
    "accept_without_id",
]
Positive = Annotated[int, Field(gt=0)]


class Fault(Script):
    """One entry of the queue; the package's docstring tells each field."""

    operation: Operation | Literal["any"] = "any"
    kind: Kind
    count: Positive | None = None
    probability: Annotated[float, Field(gt=0, le=1)] | None = None
    seed: int = 0
    after: Annotated[int, Field(ge=0)] = 0
    seconds: Annotated[float, Field(gt=0)] | None = None

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if self.kind == "slow" and self.seconds is None:
            raise ValueError("slow needs seconds")
        if self.seconds is not None and self.kind not in ("slow", "accept_then_hang", "429"):
            raise ValueError(f"{self.kind} takes no seconds")
        if self.kind == "accept_without_id" and self.operation != "submit_message":
            raise ValueError("accept_without_id needs operation submit_message")
        return self


class ArmedFault:
    """A fault with what is left of it."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self.left = fault.count or (1 if fault.probability is None else None)
        self._to_pass = fault.after
        self._chance = random.Random(fault.seed)

    def hits(self, operation: Operation) -> bool:
        """Whether it hits this call; it sees each call once."""
        if self.fault.operation not in (operation, "any"):
            return False
        if self._to_pass:
            self._to_pass -= 1
            return False
        if self.fault.probability is not None and self._chance.random() >= self.fault.probability:
            return False
        if self.left is not None:
            self.left -= 1
        return True


class FaultQueue:
    """The faults still to come, in the order given."""

    def __init__(self) -> None:
        self._armed: list[ArmedFault] = []

    def add(self, faults: Iterable[Fault]) -> None:
        """Append to the queue."""
        self._armed.extend(ArmedFault(fault) for fault in faults)

    def clear(self) -> None:
        """Forget them all."""
        self._armed.clear()

    def take(self, operation: Operation) -> Fault | None:
        """The fault that this call meets; the ones behind it do not see the call."""
        for armed in self._armed:
            if armed.hits(operation):
                if armed.left == 0:
                    self._armed.remove(armed)
                return armed.fault
        return None

    def document(self) -> list[dict[str, object]]:
        """The faults left, as given, with the calls that each may still hit (null: no end)."""
        return [armed.fault.model_dump() | {"left": armed.left} for armed in self._armed]
