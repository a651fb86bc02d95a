"""Asks whether recipients can be contacted: the register of subscribers if it is fresh, otherwise IO."""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from cli.reach_file.answers import Answer, Source, Verdict
from contract.fiscal_code import hash_at_io
from io_api.account import IoAccount
from io_api.errors import IoError, Misconfigured, RateLimited, Refused, Suspended, Unavailable
from io_api.rate_budget import Priority
from storage.subscriptions import Subscriptions

# Enough to use what the budget leaves for bulk checks.
AT_ONCE: Final = 24
PATIENCE_SECONDS: Final = 600.0
"""If IO gives no answer at all for so long, the inquiry ends."""
LONGEST_WAIT_SECONDS, SHORTEST_WAIT_SECONDS = 20.0, 1.0
# A read that fails so often may fail for ever: the answer about this citizen is not known, and others go on.
MOST_TRIES: Final = 5
# These end by themselves. A pause and refused keys wait for a person.
_PASSING: Final = ("io_unavailable", "io_slow")

type Find = Callable[[str], Awaitable[Answer]]


class Stopped(Exception):
    """IO gives no answers: whoever asks must act, or come back later. `reason` says why."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


@dataclass(frozen=True)
class Register:
    """The register of a service's subscribers: whoever is not in it cannot be contacted.

    at: the end of its last day.
    """

    subscriptions: Subscriptions
    service: str
    at: datetime

    async def find(self, fiscal_code: str) -> Answer:
        """Return whether the citizen is a subscriber. Raises Unanswered."""
        io_hash = hash_at_io(fiscal_code)
        change = await self.subscriptions.last_change(self.service, io_hash)
        if change and change.subscribed:
            return Answer(Verdict.YES, "", Source.REGISTER, self.at)
        return Answer(Verdict.NO, "not_subscribed", Source.REGISTER, self.at)


@dataclass
class Inquiry:
    """Asks IO for profiles, as the last of all calls of the account, and waits while IO does not answer.

    on_wait: called with the reason whenever answers cease.
    """

    io: IoAccount
    service: str
    clock: Callable[[], datetime]
    on_wait: Callable[[str], None] = lambda reason: None
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    monotonic: Callable[[], float] = time.monotonic
    calls: int = 0
    _silent_since: float | None = field(default=None, init=False)

    async def find(self, fiscal_code: str) -> Answer:
        """Return IO's answer about a citizen. Raises Stopped, Unanswered."""
        tries = 0
        while True:
            try:
                answer = await self._asked(fiscal_code)
            except IoError as error:
                tries += isinstance(error, Unavailable)
                if tries >= MOST_TRIES:
                    return Answer(Verdict.UNKNOWN, error.reason, Source.IO, self.clock())
                self._check_patience(error)
                await self.sleep(_wait(error))
            else:
                self._silent_since = None
                return answer

    async def _asked(self, fiscal_code: str) -> Answer:
        try:
            profile = await self.io.get_profile(
                fiscal_code, service=self.service, priority=Priority.BULK_CHECK
            )
        except Refused as error:
            return self._counted(Verdict.NO, error.reason)
        if profile is None:
            return self._counted(Verdict.NO, "recipient_not_found")
        if not profile.sender_allowed:
            return self._counted(Verdict.NO, "sender_not_allowed")
        return self._counted(Verdict.YES, "")

    def _counted(self, verdict: Verdict, reason: str) -> Answer:
        self.calls += 1
        return Answer(verdict, reason, Source.IO, self.clock())

    def _check_patience(self, error: IoError) -> None:
        """Go on waiting if the cause may pass by itself, and has not lasted too long. Raises Stopped."""
        needs_a_person = isinstance(error, Suspended) and error.reason not in _PASSING
        if needs_a_person or isinstance(error, Misconfigured):
            raise Stopped(error.reason)
        now = self.monotonic()
        if self._silent_since is None:
            self._silent_since = now
            if not isinstance(error, RateLimited):
                self.on_wait(error.reason)
        elif now - self._silent_since > PATIENCE_SECONDS:
            raise Stopped(error.reason)


async def answer_all(
    pending: Mapping[str, Sequence[int]], find: Find, take: Callable[[Sequence[int], Answer], None]
) -> None:
    """Find the answers for all rows, AT_ONCE at a time, and take them in the order of `pending`.

    Whatever ends this early leaves nothing under way.
    """
    under_way: deque[tuple[Sequence[int], asyncio.Future[Answer]]] = deque()
    try:
        for code, rows in pending.items():
            if len(under_way) >= AT_ONCE:
                await _take_first(under_way, take)
            under_way.append((rows, asyncio.ensure_future(find(code))))
        while under_way:
            await _take_first(under_way, take)
    finally:
        for _, task in under_way:
            task.cancel()
        await asyncio.gather(*(task for _, task in under_way), return_exceptions=True)


async def _take_first(
    under_way: deque[tuple[Sequence[int], asyncio.Future[Answer]]],
    take: Callable[[Sequence[int], Answer], None],
) -> None:
    rows, task = under_way[0]
    answer = await task
    take(rows, answer)
    under_way.popleft()


def _wait(error: IoError) -> float:
    asked = getattr(error, "retry_after", SHORTEST_WAIT_SECONDS)
    return float(min(LONGEST_WAIT_SECONDS, max(SHORTEST_WAIT_SECONDS, asked)))
