"""When what is kept of a request ends: its documents, its content, its row, and the tombstone of its row."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from storage.due_index import DueIndex
from storage.ledger import DELIVERED, GIVEN_UP, NEVER_SENT, UNCONFIRMED, Entry, State, is_buried, told_at
from storage.parked import ParkedMessage
from storage.periods import Periods
from storage.table import Row

# A request that has not ended is looked at again after this, and again.
AGAIN: Final = timedelta(days=30)
# No message is followed for longer (a test compares this with check_status/schedule.py).
LONGEST_FOLLOWED: Final = timedelta(days=68)
AFTER_DUE_DATE: Final = timedelta(days=9)
# What is no request has a name of its own in the index (NOTICE of notices.py is another). No request_id holds
# an @.
PARKED: Final = "@parked"

_ENDED = DELIVERED | NEVER_SENT | {State.REJECTED, State.FAILED}


@dataclass(frozen=True)
class Retention:
    """`index` has a row for each request that has ended, and for what is kept without a request.

    A row is put before the trace is lost that would lead to it: before the row of the due index is removed,
    or before the queue message of the last step is.
    """

    index: DueIndex
    periods: Periods

    async def begin(self, entry: Entry, now: datetime) -> None:
        """Put the row for the next end of a request. Idempotent. Raises Unanswered."""
        await self.index.put(entry.request_id, self.next_end(entry, now))

    async def begin_parked(self, message: ParkedMessage) -> None:
        """Put the row of a parked message. Idempotent. Raises Unanswered."""
        await self.index.put(f"{PARKED}:{message.queue}:{message.parked_id}", self.parked_end(message))

    async def begin_settlement(self, name: str, at: datetime) -> None:
        """Put the row of a settlement that came `at` a time, kept for requests to come. Raises Unanswered.

        `name`: the request_id that the settlement names, or `Notices.settlement_name`.
        """
        await self.index.put(name, self.settlement_end(at))

    def remains_end(self, row: Row) -> datetime:
        """Return when a row of the ledger ends that is no entry: a tombstone, or a settlement alone."""
        if is_buried(row):
            return self.tombstone_end(row.values["buried_at"])
        return self.settlement_end(told_at(row))

    def tombstone_end(self, buried_at: datetime) -> datetime:
        """Return when a request_id is no longer refused."""
        return buried_at + self.periods.of("tombstones")

    def settlement_end(self, at: datetime) -> datetime:
        """Return when a settlement is no longer kept for requests to come."""
        return at + self.periods.of("ledger")

    def next_end(self, entry: Entry, now: datetime) -> datetime:
        """Return when the next part of a request ends, or when to look again at one that has not ended.

        The times are fixed: if a crash left two rows of a request, both move to the same time and become one.
        """
        again = entry.created_at + AGAIN * ((now - entry.created_at) // AGAIN + 1)
        return min((end for end in self._ends(entry) if end > now), default=again)

    def overdue(self, entry: Entry, now: datetime) -> bool:
        """Return whether a part of a request ends by now."""
        return any(end <= now for end in self._ends(entry))

    def documents_end(self, entry: Entry) -> datetime | None:
        """Return when IO can no longer fetch the remote content; None if it goes with the ledger's row."""
        if self.periods.documents is None or entry.remote_content_id is None or entry.accepted_at is None:
            return None
        return entry.accepted_at + self.periods.of("documents")

    def content_end(self, entry: Entry) -> datetime | None:
        """Return when the body goes; None while it may be sent or reminded of, and if it is gone."""
        if not entry.body:
            return None
        if entry.state in GIVEN_UP:
            return counted_from(entry) + self.periods.of("parked")
        return max(self._from(entry, "contents"), followed_until(entry)) if has_ended(entry) else None

    def row_end(self, entry: Entry) -> datetime | None:
        """Return when the row becomes a tombstone; None while it cannot."""
        return max(self._from(entry, "ledger"), followed_until(entry)) if has_ended(entry) else None

    def parked_end(self, message: ParkedMessage) -> datetime:
        """Return when an operator's time to decide is over."""
        return message.last_at + self.periods.of("parked")

    def _ends(self, entry: Entry) -> Iterator[datetime]:
        ends = (self.documents_end(entry), self.content_end(entry), self.row_end(entry))
        yield from (end for end in ends if end)

    def _from(self, entry: Entry, kind: str) -> datetime:
        return counted_from(entry) + self.periods.of(kind)


def has_ended(entry: Entry) -> bool:
    """Return whether nothing more can be sent, reminded of or decided."""
    if entry.may_remind:
        return False
    if entry.state is State.ACCEPTED:
        return entry.message_id is None or entry.has(UNCONFIRMED)
    if entry.state in GIVEN_UP:
        return not entry.body
    return entry.state in _ENDED


def counted_from(entry: Entry) -> datetime:
    """Return when the periods begin: at IO's acceptance, or at the end of a request that was never sent."""
    return entry.accepted_at or datetime.fromisoformat(entry.last_step["at"])


def followed_until(entry: Entry) -> datetime:
    """Return when an accepted message is no longer followed. A later due date prolongs it."""
    times = [counted_from(entry) + (LONGEST_FOLLOWED if entry.accepted_at else timedelta(0))]
    if entry.has_payment and entry.due_date and entry.accepted_at:
        times.append(entry.due_date + AFTER_DUE_DATE)
    return max(times)
