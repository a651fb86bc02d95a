"""The accepted messages, and the status of each."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from local.io_simulator.backend import Call
from local.io_simulator.citizens import Citizens
from local.io_simulator.clock import SimulatedClock
from local.io_simulator.new_message import NewMessage
from local.io_simulator.ulid import new_ulid

Status = Literal["ACCEPTED", "PROCESSED", "REJECTED", "FAILED"]


@dataclass(slots=True)
class Message:
    """A message that got a 201, or would have got one without a fault.

    `order` counts acceptances from 1. `payment_lookups` counts the GETs that asked pagoPA, `openings` the
    times that the citizen has opened it.
    """

    order: int
    id: str
    service: str
    key: str = field(repr=False)
    fiscal_code: str = field(repr=False)
    feature_level_type: str
    time_to_live: int
    content: dict[str, Any] = field(repr=False)
    payee: str
    accepted_at: datetime
    status: Status = "ACCEPTED"
    payment_lookups: int = 0
    openings: int = 0

    def age(self, now: datetime) -> float:
        """Return the seconds since acceptance."""
        return (now - self.accepted_at).total_seconds()

    def stored_content(self) -> dict[str, Any]:
        """Return the content as IO keeps it after processing: a payment has its payee or the service's."""
        payment = self.content.get("payment_data")
        if payment is None:
            return self.content
        return self.content | {"payment_data": {"payee": {"fiscal_code": self.payee}} | payment}


class Messages:
    """All messages of the simulated world, in order of acceptance."""

    def __init__(self, clock: SimulatedClock, citizens: Citizens, processing_delay_seconds: float) -> None:
        self._clock = clock
        self._citizens = citizens
        self._delay = timedelta(seconds=processing_delay_seconds)
        self._by_id: dict[str, Message] = {}
        self._pending: deque[Message] = deque()

    def accept(self, call: Call, fiscal_code: str, new: NewMessage) -> Message:
        """Store a new message, to be processed after the delay."""
        now = self._clock.now()
        message = Message(
            order=len(self._by_id) + 1,
            id=new_ulid(now),
            service=call.service_id,
            key=call.key,
            fiscal_code=fiscal_code,
            feature_level_type=new.feature_level_type,
            time_to_live=new.time_to_live,
            content=new.content.model_dump(exclude_none=True),
            payee=call.service.organization_fiscal_code,
            accepted_at=now,
        )
        self._by_id[message.id] = message
        self._pending.append(message)
        return message

    def find(self, message_id: str) -> Message | None:
        """Return the message with its present status."""
        self.settle()
        return self._by_id.get(message_id)

    def __iter__(self) -> Iterator[Message]:
        self.settle()
        return iter(self._by_id.values())

    def settle(self) -> None:
        """Process the messages that are due.

        Call this also before a citizen's script changes: messages due before follow the old script.
        """
        now = self._clock.now()
        while self._pending and self._pending[0].accepted_at + self._delay <= now:
            message = self._pending.popleft()
            message.status = self._outcome(message)

    def _outcome(self, message: Message) -> Status:
        citizen = self._citizens.get(message.fiscal_code)
        if citizen.processing_outcome is not None:
            return citizen.processing_outcome
        processed_at = message.accepted_at + self._delay
        allowed = self._citizens.allows(message.fiscal_code, message.service, processed_at)
        return "PROCESSED" if citizen.has_profile and allowed else "REJECTED"
