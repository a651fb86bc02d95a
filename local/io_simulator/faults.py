"""Scripted faults and the calls they hit. `misbehaviour` carries them out."""

import asyncio
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
    """One entry of the queue. The package's docstring describes each field."""

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
    """A fault with the number of hits left."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self.left = fault.count or (1 if fault.probability is None else None)
        self._to_pass = fault.after
        self._chance = random.Random(fault.seed)

    def hits(self, operation: Operation) -> bool:
        """Return whether the fault hits this call. Ask once for each call: the fault counts them."""
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
    """Holds the faults left, in the order given. `cleared` is set when they are removed."""

    def __init__(self) -> None:
        self._armed: list[ArmedFault] = []
        self.cleared = asyncio.Event()

    def add(self, faults: Iterable[Fault]) -> None:
        """Append faults to the queue."""
        self._armed.extend(ArmedFault(fault) for fault in faults)

    def clear(self) -> None:
        """Remove all faults, and let the slow calls go on."""
        self._armed.clear()
        self.cleared.set()
        self.cleared = asyncio.Event()

    def take(self, operation: Operation) -> Fault | None:
        """Return the fault that hits this call. The faults after it do not count the call."""
        for armed in self._armed:
            if armed.hits(operation):
                if armed.left == 0:
                    self._armed.remove(armed)
                return armed.fault
        return None

    def document(self) -> list[dict[str, object]]:
        """Return the faults left, as given, with the number of calls each may still hit (null: no limit)."""
        return [armed.fault.model_dump() | {"left": armed.left} for armed in self._armed]
