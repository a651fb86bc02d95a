"""`python -m tests.e2e.rotating --speed N`: the timer of a rotation in a process that is easily killed.

Ticks without a pause on the storage account of the app settings, with a clock that is N times as fast.
"""

import argparse
import asyncio
from datetime import UTC, datetime

import settings
from rotate_keys.rotate_keys import rotate_keys
from storage.account import StorageAccount
from storage.cipher import Cipher
from storage.readiness import Readiness
from storage.stores import Stores

PAUSE_SECONDS = 0.25


async def main() -> None:
    """Tick until killed."""
    parser = argparse.ArgumentParser(prog="python -m tests.e2e.rotating", description=__doc__)
    parser.add_argument("--speed", type=float, required=True)
    speed, began_at = parser.parse_args().speed, datetime.now(UTC)
    configured = settings.load()
    account, cipher = StorageAccount(configured), Cipher(configured.encryption_keys)
    await Readiness.of(account, cipher).check()
    queues = account.queues()
    stores = Stores.on(
        account.table, queues, cipher, lambda: began_at + (datetime.now(UTC) - began_at) * speed
    )
    print("ready", flush=True)
    while True:
        await rotate_keys(stores)
        await asyncio.sleep(PAUSE_SECONDS)


if __name__ == "__main__":
    asyncio.run(main())
