"""A week later: when the demo's reminders are due, and the timer's tick on a clock of that day."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, time, timedelta

from io_api import rate_limiter
from io_api.account import IoAccount
from reminders.calendar import days_later, instant_of, local_day, next_allowed
from reminders.desk import Desk
from reminders.tick import remind_due
from settings import Settings
from storage import ledger
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
    account = StorageAccount(settings)
    # What keeps the workers from IO is a matter of this day, whatever the reminders' clock says.
    io = IoAccount.of(settings, account.table(rate_limiter.TABLE), _now)
    requests = ledger.Ledger(account.table(ledger.TABLE), Cipher(settings.encryption_keys), clock)
    outcomes = Outcomes(account.queues())
    try:
        yield Desk.of(settings, account, io=io, ledger=requests, outcomes=outcomes, clock=clock)
    finally:
        await io.aclose()
        await account.aclose()


def _now() -> datetime:
    return datetime.now(UTC)
