"""Publishes the outcomes of requests on `message-outcomes`, for the institution's systems."""

from datetime import datetime
from typing import Final

import telemetry
from contract.outcome import Outcome, OutcomeData
from contract.outcome import State as OutcomeState
from storage.ledger import REMINDED, Entry
from storage.parked import ParkedMessage
from storage.queues import MESSAGE_OUTCOMES, Queues

# Intermediate steps, for which no system waits. DEAD is published when the request is parked. MISSING is an
# alarm in the log.
UNPUBLISHED: Final = frozenset({"REQUESTED", "SENDING", "DEFERRED", "DEAD", "MISSING", "NOT_REMINDED"})


class Outcomes:
    """Publishes CloudEvents, each at least once. The same event always has the same id."""

    def __init__(self, queues: Queues) -> None:
        self._queues = queues

    async def publish(self, entry: Entry, *, newest: int = 1) -> None:
        """Publish the newest lines of an entry's history, the oldest of them first."""
        for line in range(len(entry.history) - newest, len(entry.history)):
            if entry.history[line]["what"] not in UNPUBLISHED:
                await self._put(_outcome(entry, line))

    async def publish_reminded(self, entry: Entry, reminder: str) -> None:
        """Publish that the citizen is reminded, under the entry's request_id."""
        decisions = [(line["what"], line.get("reminder")) for line in entry.history]
        await self._put(_outcome(entry, decisions.index((REMINDED, reminder))))

    async def publish_parked(self, message: ParkedMessage) -> None:
        """Publish that a parked message waits for an operator."""
        await self._put(_parked_outcome(message))

    async def _put(self, outcome: Outcome) -> None:
        await self._queues.put(MESSAGE_OUTCOMES, outcome.to_json())
        telemetry.outcome(outcome.data.state, outcome.data.service, outcome.data.reason)


def _outcome(entry: Entry, line: int) -> Outcome:
    step = entry.history[line]
    data = OutcomeData(
        request_id=entry.request_id,
        service=entry.service,
        campaign=entry.campaign,
        feature_level_type=entry.feature_level_type,
        state=OutcomeState(step["what"].lower()),
        message_id=entry.message_id,
        status=entry.status,
        read_status=entry.read_status,
        payment_status=entry.payment_status,
        reason=step.get("reason"),
        reminder=step.get("reminder"),
        http_status=step.get("http_status"),
        attempts=entry.attempt,
    )
    return Outcome.of(
        data,
        time=datetime.fromisoformat(step["at"]),
        sequence=sum(1 for earlier in entry.history[:line] if earlier["what"] == step["what"]),
        traceparent=entry.traceparent,
    )


def _parked_outcome(message: ParkedMessage) -> Outcome:
    data = OutcomeData(
        request_id=message.request_id,
        service=message.service,
        campaign=message.campaign,
        state=OutcomeState.PARKED,
        reason=message.reason,
        http_status=message.http_status,
        violations=message.violations or None,
        attempts=message.attempts,
        parked_id=message.parked_id,
    )
    # The history of a request shows how often it was parked. Any other body leaves no trace when redriven, so
    # only the time distinguishes one parking from the next.
    by_history = message.parked_id == message.request_id
    sequence = message.times - 1 if by_history else int(message.last_at.timestamp() * 1000)
    return Outcome.of(data, time=message.last_at, sequence=sequence, traceparent=message.traceparent)
