"""A run of the demo: puts the sample on the queue in steps, and reads outcomes until all have come."""

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

from contract.outcome import Outcome
from local.demo.cases import Case
from local.demo.institution import Institution
from local.demo.sample import Sample
from local.demo.screen import Screen
from local.demo.simulated_io import SimulatedIo

LONGEST_SECONDS = 90

BROKEN_CONNECTION = [{"operation": "submit_message", "kind": "reset_after"}]
BUSY_OR_DOWN = [
    {"operation": "get_profile", "kind": "503_before", "count": 2},
    {"operation": "submit_message", "kind": "429", "count": 4, "seconds": 1},
]
EXPECTED_DEFERRALS = Counter(server_error=2, rate_limited=4)

type Condition = Callable[[], Awaitable[bool]]
type Remind = Callable[[timedelta], Awaitable[None]]


class Play:
    """One run of the demo.

    `outcomes` are those that came, by request_id, each once. `left_behind` counts the messages visible on the
    queues at the end, `put_back` those that become visible later. `remind` decides on the reminders due when
    the given time has passed.
    """

    def __init__(
        self, sample: Sample, institution: Institution, io: SimulatedIo, screen: Screen, remind: Remind
    ) -> None:
        self.outcomes: defaultdict[str | None, list[Outcome]] = defaultdict(list)
        self.left_behind = self.put_back = 0
        self._sample = sample
        self._institution = institution
        self._io = io
        self._screen = screen
        self._remind = remind
        self._started = time.monotonic()

    async def perform(self) -> None:
        """Run until every expected outcome has come and the queues are empty, or until the time is over."""
        sample = self._sample
        await self._io.script({case.fiscal_code: case.citizen for case in sample.cases})
        for cases, faults in ((sample.doubtful, BROKEN_CONNECTION), (sample.delayed, BUSY_OR_DOWN)):
            await self._io.add_faults(faults)
            await self._institution.put(body for case in cases for body in case.bodies)
            await self._until(self._io.faults_are_used_up)
        together = (*sample.others, *sample.followed, *sample.opened)
        await self._institution.store(case.document for case in together if case.document)
        await self._institution.put(body for case in together for body in case.bodies)
        await self._until(self._are_accepted)
        await self._institution.put(body for case in sample.others for body in case.late)
        await self._institution.settle(case.settlement for case in sample.others if case.settlement)
        await self._until(self._have_ended_at_first)
        await self._let_a_week_pass()
        await self._until(self._have_ended)

    @property
    def seconds(self) -> float:
        """The seconds since the start."""
        return time.monotonic() - self._started

    def words(self, case: Case) -> list[str]:
        """Return a case's outcomes by state and reason, in the order in which they came."""
        return [_word(outcome) for outcome in self.outcomes[case.request_id]]

    async def _let_a_week_pass(self) -> None:
        """Advance time at IO and for the reminders. The functions host keeps its clock and sends at once."""
        ahead = self._sample.remind_at - datetime.now(UTC)
        self._screen.say(
            f"{self.seconds:5.1f} s  A week later, {self._sample.remind_at:%A %d %B} at noon in Italy: "
            "reminding those who have not read, or not paid."
        )
        await self._io.advance(ahead)
        await self._remind(ahead)

    async def _until(self, condition: Condition) -> None:
        while self.seconds < LONGEST_SECONDS and not await condition():
            await asyncio.sleep(0.2)
            await self._read_outcomes()

    async def _read_outcomes(self) -> None:
        for outcome in await self._institution.outcomes():
            known = self.outcomes[outcome.data.request_id]
            if outcome.id not in {other.id for other in known}:
                known.append(outcome)
        latest = (known[-1].data.state for known in self.outcomes.values() if known)
        self._screen.progress(Counter(latest), len(self._sample.cases), self.seconds)

    async def _are_accepted(self) -> bool:
        awaited = [case for case in self._sample.others if case.late or case.settlement]
        return all("accepted" in self.words(case) for case in awaited)

    async def _have_ended_at_first(self) -> bool:
        return await self._have_come(lambda case: case.at_first)

    async def _have_ended(self) -> bool:
        return await self._have_come(lambda case: case.expected)

    async def _have_come(self, awaited: Callable[[Case], tuple[str, ...]]) -> bool:
        if not all(Counter(awaited(case)) <= Counter(self.words(case)) for case in self._sample.cases):
            return False
        self.left_behind, self.put_back = await self._institution.left_behind()
        return self.left_behind == 0


def _word(outcome: Outcome) -> str:
    return f"{outcome.data.state} ({outcome.data.reason})" if outcome.data.reason else outcome.data.state
