"""Dispatches a request to its next step, once the ledger holds the request's state."""

from collections.abc import Callable
from datetime import datetime, timedelta

import telemetry
from contract.fields import Language
from contract.reference import Reference
from storage.due_index import DueIndex
from storage.ledger import GIVEN_UP, NEVER_SENT, Entry, State
from storage.outcomes import Outcomes
from storage.queues import Queues, poison
from storage.remote_contents import RemoteContents
from storage.retention import Retention

# IO processes a message within seconds of its acceptance. The first poll asks about its delivery.
FIRST_POLL = timedelta(seconds=10)
# No reminder is sent on the day of the message itself, nor before eight in the morning.
FIRST_REMINDER = timedelta(hours=8)


class Dispatcher:
    """Puts what a state requires: a copy on a queue, a row in the due index, an event. Repeating is safe."""

    def __init__(
        self,
        queues: Queues,
        due_index: DueIndex,
        reminder_index: DueIndex,
        remote_contents: RemoteContents,
        retention: Retention,
        outcomes: Outcomes,
        clock: Callable[[], datetime],
    ) -> None:
        self._queues = queues
        self._due_index = due_index
        self._reminder_index = reminder_index
        self._remote_contents = remote_contents
        self._retention = retention
        self._outcomes = outcomes
        self._clock = clock

    async def dispatch(
        self, entry: Entry, queue: str, language: Language | None = None, *, republish: bool = False
    ) -> None:
        """Dispatch a request as its state requires.

        `queue`: a deferred request goes back to this queue, a given-up request to its poison queue.
        `republish`: publish the whole history, because the worker that moved the request on may have crashed
        right after.
        """
        reference = reference_to(entry, language)
        if entry.state is State.ACCEPTED:
            await self._accepted(entry, entry.accepted_at or entry.updated_at)
        if entry.state in NEVER_SENT:
            await self._retention.begin(entry, self._clock())
            if entry.remote_content_id:  # the request's body is gone too
                await self._remote_contents.forget(entry.remote_content_id)
        if entry.state in GIVEN_UP:  # parking publishes the whole history
            await self.poison(reference.to_json(), queue)
            return
        await self._outcomes.publish(entry, newest=len(entry.history) if republish else 1)
        if entry.state is State.DEFERRED:
            await self.requeue(reference, queue, (entry.next_at or self._clock()) - self._clock())

    async def _accepted(self, entry: Entry, at: datetime) -> None:
        # A message without IO's id is not followed, so no end of polling comes that would put this row. The
        # other rows come first: once the due row exists, polling may change the state, and a retry would skip
        # this step.
        if entry.message_id is None or self._retention.documents_end(entry):
            await self._retention.begin(entry, self._clock())
        if entry.message_id is None:
            return
        if entry.may_remind:
            await self._reminder_index.put(entry.request_id, at + FIRST_REMINDER)
        await self._due_index.put(entry.request_id, at + FIRST_POLL)

    async def enqueue_send(self, entry: Entry, language: Language | None) -> None:
        """Enqueue the request to be sent, because the recipient can be contacted."""
        await self._queues.put(entry.sends_queue, reference_to(entry, language).to_json())

    async def requeue(self, reference: Reference, queue: str, delay: timedelta) -> None:
        """Put a reference back on its queue for later, without using up the platform's dequeue count."""
        await self._queues.put(queue, reference.to_json(), delay=max(delay, timedelta(0)))

    async def enqueue_recheck(
        self, entry: Entry, queue: str, delay: timedelta, language: Language | None = None
    ) -> None:
        """Enqueue a copy that re-checks a request of another worker, which may crash before it dispatches.

        The copy's sequence is ahead of the ledger's, so no step of the other worker makes the copy stale.
        """
        ahead = reference_to(entry, language).model_copy(update={"sequence": entry.sequence + 1})
        await self.requeue(ahead, queue, delay)

    async def poison(self, body: str, queue: str) -> None:
        """Put a body unchanged on the poison queue of `queue`, where the platform puts its own failures."""
        await self._queues.put(poison(queue), body)


def reference_to(entry: Entry, language: Language | None = None) -> Reference:
    """Return the reference that queues carry in place of a request, without personal data."""
    return Reference(
        request_id=entry.request_id,
        sequence=entry.sequence,
        language=language or entry.language,
        traceparent=telemetry.traceparent(entry.traceparent),
    )
