"""A week later: when the demo's reminders are due, and the timer's tick on a clock of that day."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, time, timedelta

from io_api import turns
from io_api.account import IoAccount, Keys
from io_api.client import IoClient
from io_api.stop_board import StopBoard
from reminders.calendar import days_later, instant_of, local_day, next_allowed
from reminders.desk import Desk
from reminders.tick import remind_due
from settings import Settings
from storage import campaigns, due_index, ledger, reminder_days
from storage.account import StorageAccount
from storage.cipher import Cipher
from storage.outcomes import Outcomes

DAYS = 7
NOON = time(12)

type Clock = Callable[[], datetime]


def a_week_after(now: datetime) -> datetime:
    """Noon in Italy of the first day, a week later or soon after, on which one may remind; in UTC."""
    return instant_of(local_day(next_allowed(days_later(now, DAYS))), NOON)


async def remind_ahead(settings: Settings, ahead: timedelta) -> None:
    """Decide on the reminders that are due so long from now, as the functions host will do then."""
    async with _open_desk(settings, lambda: _now() + ahead) as desk:
        await remind_due(desk)


@asynccontextmanager
async def _open_desk(settings: Settings, clock: Clock) -> AsyncIterator[Desk]:
    account, cipher = StorageAccount(settings), Cipher(settings.encryption_keys)
    shared = account.table(turns.TABLE)
    turns_at_io = turns.Turns(shared, settings.io_rate_limit)
    client = IoClient(str(settings.io_api_base_url), observe=turns_at_io.observe)
    keys = {name: Keys(service.key, service.secondary_key) for name, service in settings.services.items()}
    try:
        yield Desk(
            ledger=ledger.Ledger(account.table(ledger.TABLE), cipher, clock),
            # What keeps the workers from IO is a matter of this day, whatever the reminders' clock says.
            io=IoAccount(client, keys, turns=turns_at_io, stops=StopBoard(shared, _now)),
            index=due_index.DueIndex(account.table(due_index.REMINDERS_TABLE), clock),
            days=reminder_days.ReminderDays(account.table(reminder_days.TABLE)),
            campaigns=campaigns.Campaigns(account.table(campaigns.TABLE), clock),
            queues=account.queues(),
            outcomes=Outcomes(account.queues()),
            policies={name: service.reminders for name, service in settings.services.items()},
            most_per_day=settings.reminders_per_citizen_per_day,
            clock=clock,
        )
    finally:
        await client.aclose()
        await account.aclose()


def _now() -> datetime:
    return datetime.now(UTC)
