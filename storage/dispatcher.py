"""Hands a request over to whoever comes next, once the ledger says where it stands."""

from collections.abc import Callable
from datetime import datetime, timedelta

import telemetry
from contract.fields import Language
from contract.reference import Reference
from storage.due_index import DueIndex
from storage.ledger import GIVEN_UP, Entry, State
from storage.outcomes import Outcomes
from storage.queues import MESSAGE_SENDS, Queues, poison

# IO processes a message within seconds of its acceptance; the first look is for its delivery.
FIRST_CHECK = timedelta(seconds=10)
# Nobody is reminded on the day of the message itself, nor before eight in the morning.
FIRST_REMINDER = timedelta(hours=8)


class Dispatcher:
    """What each state owes: a copy on a queue, a row in the due index, an event. Twice does no harm."""

    def __init__(
        self,
        queues: Queues,
        due_index: DueIndex,
        reminder_index: DueIndex,
        outcomes: Outcomes,
        clock: Callable[[], datetime],
    ) -> None:
        self._queues = queues
        self._due_index = due_index
        self._reminder_index = reminder_index
        self._outcomes = outcomes
        self._clock = clock

    async def dispatch(
        self, entry: Entry, queue: str, language: Language | None = None, *, republish: bool = False
    ) -> None:
        """Do what the entry's state owes, on the road that `queue` stands for.

        `republish`: who moved the request may have died right after, so its whole history is told again.
        """
        reference = reference_to(entry, language)
        if entry.state is State.ACCEPTED and entry.message_id:
            await self._accepted(entry, entry.accepted_at or entry.updated_at)
        if entry.state in GIVEN_UP:  # told when it is parked, with all that it went through
            await self.poison(reference.to_json(), queue)
            return
        await self._outcomes.publish(entry, newest=len(entry.history) if republish else 1)
        if entry.state is State.DEFERRED:
            await self.requeue(reference, queue, (entry.next_at or self._clock()) - self._clock())

    async def _accepted(self, entry: Entry, at: datetime) -> None:
        # In this order: once it is in the due index its state moves on, and nobody would come back here.
        if entry.may_remind:
            await self._reminder_index.put(entry.request_id, at + FIRST_REMINDER)
        await self._due_index.put(entry.request_id, at + FIRST_CHECK)

    async def enqueue_send(self, entry: Entry, language: Language | None) -> None:
        """The recipient can be contacted: on to message-sends."""
        await self._queues.put(MESSAGE_SENDS, reference_to(entry, language).to_json())

    async def requeue(self, reference: Reference, queue: str, delay: timedelta) -> None:
        """Put a reference back on its queue for later; it does not use up the platform's dequeue count."""
        await self._queues.put(queue, reference.to_json(), delay=max(delay, timedelta(0)))

    async def enqueue_recheck(
        self, entry: Entry, queue: str, delay: timedelta, language: Language | None = None
    ) -> None:
        """Come back for a request that another worker holds, in case that one dies before handing it over.

        The copy is ahead of the ledger, so that it is not stale whatever the other worker does.
        """
        ahead = reference_to(entry, language).model_copy(update={"sequence": entry.sequence + 1})
        await self.requeue(ahead, queue, delay)

    async def poison(self, body: str, queue: str) -> None:
        """Give up a body as it is, on the road of the platform's own failures."""
        await self._queues.put(poison(queue), body)


def reference_to(entry: Entry, language: Language | None = None) -> Reference:
    """What a queue carries of a request: no personal data."""
    return Reference(
        request_id=entry.request_id,
        sequence=entry.sequence,
        language=language or entry.language,
        traceparent=telemetry.traceparent(entry.traceparent),
    )
