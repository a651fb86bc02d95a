"""`python -m local.put_request < request.json`: puts a body, unchanged, on `message-requests`.

The app settings in the environment name the storage account.
"""

import asyncio
import sys

import settings
from settings import SettingsError
from storage.account import StorageAccount
from storage.queues import MESSAGE_REQUESTS
from storage.table import Unanswered


async def put_request(body: str) -> None:
    """Put a body on the queue. Raises SettingsError, or Unanswered after a minute without storage."""
    account = StorageAccount(settings.load())
    try:
        await account.queues().put(MESSAGE_REQUESTS, body)
    finally:
        await account.aclose()


def main() -> int:
    try:
        asyncio.run(put_request(sys.stdin.read()))
    except (SettingsError, Unanswered) as error:
        print(error, file=sys.stderr)
        return 1
    print(f"A message is on {MESSAGE_REQUESTS}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
