"""`python -m tests.e2e.reminding --ahead SECONDS`: the reminder timer in a process that is easily killed.

Ticks without a pause on the stores and IO of the app settings, with a clock this far ahead.
"""

import argparse
import asyncio
from datetime import UTC, datetime, timedelta

import settings
from context import Context
from reminders.remind import remind_due
from storage.account import StorageAccount
from storage.cipher import Cipher
from storage.readiness import Readiness

PAUSE_SECONDS = 0.25


async def main() -> None:
    """Tick until killed."""
    parser = argparse.ArgumentParser(prog="python -m tests.e2e.reminding", description=__doc__)
    parser.add_argument("--ahead", type=float, required=True, help="seconds")
    ahead = timedelta(seconds=parser.parse_args().ahead)
    configured = settings.load()
    account, cipher = StorageAccount(configured), Cipher(configured.encryption_keys)
    context = Context.of(configured, account, cipher, lambda: datetime.now(UTC) + ahead)
    await Readiness.of(account, cipher).check()
    print("ready", flush=True)
    while True:
        await remind_due(context)
        await asyncio.sleep(PAUSE_SECONDS)


if __name__ == "__main__":
    asyncio.run(main())
