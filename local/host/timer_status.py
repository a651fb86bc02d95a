"""The stored status of a timer. With it, a starting host makes up once for ticks missed while no host ran."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime

from azure.core.exceptions import ResourceNotFoundError
from azure.storage.blob.aio import BlobClient

from ncrontab import Schedule

_NEVER = datetime(1, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class TimerStatus:
    """The last tick (year 1: none yet), the next one, and the time from which `next` was computed."""

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
        """Return whether this schedule gives `next`. If not, the schedule has changed since."""
        return schedule.next_after(self.last_updated if self.last == _NEVER else self.last) == self.next

    def to_document(self) -> dict[str, str]:
        """Return the status under the platform's names."""
        moments = {"Last": self.last, "Next": self.next, "LastUpdated": self.last_updated}
        return {name: moment.isoformat() for name, moment in moments.items()}


async def load(blob: BlobClient) -> TimerStatus | None:
    """Return the status; None if the timer never ran on this account. Raises AzureError."""
    try:
        text = await (await blob.download_blob()).readall()
    except ResourceNotFoundError:
        return None
    document = json.loads(text)
    return TimerStatus(*(datetime.fromisoformat(document[name]) for name in ("Last", "Next", "LastUpdated")))


async def save(blob: BlobClient, status: TimerStatus) -> None:
    """Write the status. Raises AzureError."""
    await blob.upload_blob(json.dumps(status.to_document()), overwrite=True)
