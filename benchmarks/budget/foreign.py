"""A client of the same account that ignores the others: it makes ten calls a second at random moments.

`python -m benchmarks.budget.foreign KEY` prints "ready" and, after SIGTERM, the results of its calls.
"""

import asyncio
import json
import random
import signal
import sys
from collections import Counter

from pydantic import SecretStr

import settings
from io_api.client import IoClient
from io_api.errors import IoError
from tests.e2e.sample import fiscal_code

CALLS_A_SECOND = 10


async def call(key: SecretStr) -> Counter[str]:
    """Call until SIGTERM, and count the results."""
    stop, ended = asyncio.Event(), Counter[str]()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    client = IoClient(str(settings.load().io_api_base_url))

    async def call_once() -> None:
        try:
            await client.get_profile(fiscal_code(random.randrange(1000)), key=key)
            ended["answered"] += 1
        except IoError as error:
            ended[error.reason] += 1

    print("ready", flush=True)
    async with asyncio.TaskGroup() as calls:
        while not stop.is_set():
            calls.create_task(call_once())
            await asyncio.sleep(random.expovariate(CALLS_A_SECOND))
    await client.aclose()
    return ended


if __name__ == "__main__":
    print(json.dumps(asyncio.run(call(SecretStr(sys.argv[1])))), flush=True)
