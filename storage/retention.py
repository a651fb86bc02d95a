"""How long documents and remote contents are kept."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from storage.due_index import DueIndex
from storage.ledger import Entry


@dataclass(frozen=True)
class Retention:
    """`period` counts from IO's acceptance. None: documents are kept for ever.

    `index` has a row for each message whose documents end, put when IO accepted it.
    """

    index: DueIndex
    period: timedelta | None

    def end_of(self, entry: Entry) -> datetime | None:
        """Return when the documents of a message end; None if they do not."""
        if self.period is None or entry.remote_content_id is None or entry.accepted_at is None:
            return None
        return entry.accepted_at + self.period

    async def begin(self, entry: Entry) -> None:
        """Put the row of an accepted message, if its documents end. Idempotent. Raises Unanswered."""
        if ends_at := self.end_of(entry):
            await self.index.put(entry.request_id, ends_at)
