"""`python -m tests.e2e.reminding --ahead SECONDS`: the reminders' timer in a process that is easily killed.

Ticks without a pause on the stores and IO of the app settings, by a clock that is so far ahead.
"""

import argparse
import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import settings
from io_api import turns
from io_api.account import IoAccount, Keys
from io_api.client import IoClient
from io_api.stop_board import StopBoard
from reminders.desk import Desk
from reminders.tick import remind_due
from settings import Settings
from storage import campaigns, due_index, ledger, reminder_days
from storage.account import StorageAccount
from storage.cipher import Cipher
from storage.outcomes import Outcomes

PAUSE_SECONDS = 0.05


def a_desk(configured: Settings, clock: Callable[[], datetime]) -> Desk:
    """What function_app.py gives the timer, with another clock."""
    account = StorageAccount(configured)
    return Desk(
        ledger=ledger.Ledger(account.table(ledger.TABLE), Cipher(configured.encryption_keys), clock),
        io=_io(configured, account, clock),
        index=due_index.DueIndex(account.table(due_index.REMINDERS_TABLE), clock),
        days=reminder_days.ReminderDays(account.table(reminder_days.TABLE)),
        campaigns=campaigns.Campaigns(account.table(campaigns.TABLE), clock),
        queues=account.queues(),
        outcomes=Outcomes(account.queues()),
        policies={name: service.reminders for name, service in configured.services.items()},
        most_per_day=configured.reminders_per_citizen_per_day,
        clock=clock,
    )


def _io(configured: Settings, account: StorageAccount, clock: Callable[[], datetime]) -> IoAccount:
    shared = account.table(turns.TABLE)
    turns_at_io = turns.Turns(shared, configured.io_rate_limit)
    return IoAccount(
        IoClient(str(configured.io_api_base_url), observe=turns_at_io.observe),
        {name: Keys(service.key, service.secondary_key) for name, service in configured.services.items()},
        turns=turns_at_io,
        stops=StopBoard(shared, clock),
    )


async def main() -> None:
    """Tick until killed."""
    parser = argparse.ArgumentParser(prog="python -m tests.e2e.reminding", description=__doc__)
    parser.add_argument("--ahead", type=float, required=True, help="seconds")
    ahead = timedelta(seconds=parser.parse_args().ahead)
    desk = a_desk(settings.load(), lambda: datetime.now(UTC) + ahead)
    print("ready", flush=True)
    while True:
        await remind_due(desk)
        await asyncio.sleep(PAUSE_SECONDS)


if __name__ == "__main__":
    asyncio.run(main())
