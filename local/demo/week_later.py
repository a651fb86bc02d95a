"""A week later: the time when the demo's reminders are due, and the timer's tick on a clock of that day."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, time, timedelta

from context import Context
from reminders.calendar import days_later, instant_of, local_day, next_allowed
from reminders.remind import remind_due
from settings import Settings
from storage.account import StorageAccount
from storage.cipher import Cipher
from storage.readiness import Readiness

DAYS = 7
NOON = time(12)

type Clock = Callable[[], datetime]


def a_week_after(now: datetime) -> datetime:
    """Return noon in Italy, in UTC, on the first day from a week later that allows reminders."""
    return instant_of(local_day(next_allowed(days_later(now, DAYS))), NOON)


async def remind_ahead(settings: Settings, ahead: timedelta) -> None:
    """Decide on the reminders that are due `ahead` from now, as the functions host will do then."""
    async with _open_context(settings, lambda: _now() + ahead) as context:
        await remind_due(context)


@asynccontextmanager
async def _open_context(settings: Settings, clock: Clock) -> AsyncIterator[Context]:
    account = StorageAccount(settings)
    # Pauses and circuit breakers follow today's clock, not the reminders' clock.
    cipher = Cipher(settings.encryption_keys)
    context = Context.of(settings, account, cipher, clock, io_clock=_now)
    try:
        await Readiness.of(account, cipher).check()
        yield context
    finally:
        await context.io.aclose()
        await context.counters.close()
        await account.aclose()


def _now() -> datetime:
    return datetime.now(UTC)
