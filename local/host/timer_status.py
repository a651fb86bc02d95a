"""What storage remembers of a timer, so that a tick missed while no host ran is made up for, once."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime

from azure.core.exceptions import ResourceNotFoundError
from azure.storage.blob.aio import BlobClient

from ncrontab import Schedule

_NEVER = datetime(1, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class TimerStatus:
    """The last tick (year 1: none yet), the next one, and the moment that `next` was counted from."""

    last: datetime
    next: datetime
    last_updated: datetime

    @classmethod
    def first(cls, schedule: Schedule, now: datetime) -> "TimerStatus":
        return cls(_NEVER, schedule.next_after(now), now)

    @classmethod
    def after_tick(cls, schedule: Schedule, at: datetime) -> "TimerStatus":
        return cls(at, schedule.next_after(at), at)

    def follows(self, schedule: Schedule) -> bool:
        """Whether `next` was counted by this schedule; otherwise the schedule has changed since."""
        return schedule.next_after(self.last_updated if self.last == _NEVER else self.last) == self.next

    def to_document(self) -> dict[str, str]:
        """The platform's names for it."""
        moments = {"Last": self.last, "Next": self.next, "LastUpdated": self.last_updated}
        return {name: moment.isoformat() for name, moment in moments.items()}


async def load(blob: BlobClient) -> TimerStatus | None:
    """None when the timer never ran on this account. Raises AzureError."""
    try:
        text = await (await blob.download_blob()).readall()
    except ResourceNotFoundError:
        return None
    document = json.loads(text)
    return TimerStatus(*(datetime.fromisoformat(document[name]) for name in ("Last", "Next", "LastUpdated")))


async def save(blob: BlobClient, status: TimerStatus) -> None:
    """Raises AzureError."""
    await blob.upload_blob(json.dumps(status.to_document()), overwrite=True)
