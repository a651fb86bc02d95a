"""`python -m tests.e2e.reminding --ahead SECONDS`: the reminders' timer in a process that is easily killed.

Ticks without a pause on the stores and IO of the app settings, by a clock that is so far ahead.
"""

import argparse
import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import settings
from io_api import rate_limiter
from io_api.account import IoAccount
from reminders.desk import Desk
from reminders.tick import remind_due
from settings import Settings
from storage import ledger
from storage.account import StorageAccount
from storage.cipher import Cipher
from storage.outcomes import Outcomes

PAUSE_SECONDS = 0.25


def a_desk(configured: Settings, clock: Callable[[], datetime]) -> Desk:
    """What function_app.py gives the timer, with another clock."""
    account = StorageAccount(configured)
    io = IoAccount.of(configured, account.table(rate_limiter.TABLE), clock)
    requests = ledger.Ledger(account.table(ledger.TABLE), Cipher(configured.encryption_keys), clock)
    outcomes = Outcomes(account.queues())
    return Desk.of(configured, account, io=io, ledger=requests, outcomes=outcomes, clock=clock)


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
