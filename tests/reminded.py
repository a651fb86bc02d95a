"""The whole of Postino over the fakes, with the reminder timer and citizens who act by a script."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from contract.reminders import ReminderPolicy
from io_api.errors import InDoubt
from io_api.models import MessageStatus, NewMessage, Profile
from io_api.rate_budget import Priority
from io_api.rate_limiter import Permit
from storage.ledger import NOT_REMINDED, REMINDED
from storage.queues import MESSAGE_OUTCOMES
from tests.fake_app import FakeApp
from tests.fakes import FakeIo
from tests.lives import START, TICK, Life, has_passed


class LivingIo(FakeIo):
    """IO where each citizen follows his life's script; `at` holds each message with the time of its POST."""

    def __init__(self, app: FakeApp, lives: Sequence[Life]) -> None:
        super().__init__(steps=app.steps)
        self._app = app
        self._by_citizen = {life.request.fiscal_code: life for life in lives}
        self.at: list[tuple[datetime, NewMessage]] = []
        self.at_by_citizen: defaultdict[str, list[tuple[datetime, NewMessage]]] = defaultdict(list)
        self.looks: Counter[str] = Counter()
        self.doubts = 0  # this many POSTs end without an answer

    async def get_profile(
        self, fiscal_code: str, *, service: str, priority: Priority = Priority.CHECK
    ) -> Profile | None:
        self.profile = Profile(
            sender_allowed=not has_passed(self._by_citizen[fiscal_code].blocked_at, self._app.clock())
        )
        return await super().get_profile(fiscal_code, service=service)

    async def submit_message(self, message: NewMessage, *, service: str, permit: Permit) -> str | None:
        if self.doubts:
            self.doubts -= 1
            raise InDoubt(reason="timeout")
        self.at.append((self._app.clock(), message))
        self.at_by_citizen[message.fiscal_code].append(self.at[-1])
        self.submitted = f"M{len(self.at)}"
        return await super().submit_message(message, service=service, permit=permit)

    async def get_message(
        self, fiscal_code: str, message_id: str, *, service: str, priority: Priority = Priority.POLL
    ) -> MessageStatus:
        life, now = self._by_citizen[fiscal_code], self._app.clock()
        self.looks[priority.name] += 1
        self.status = life.answer(now)
        return await super().get_message(fiscal_code, message_id, service=service, priority=priority)


class Institution:
    """One service that reminds by this policy, and sends the messages of `lives`."""

    def __init__(self, lives: Sequence[Life], policy: ReminderPolicy, most_per_day: int = 2) -> None:
        self.lives = lives
        self._settled: set[str] = set()
        self.app = FakeApp()
        self.app.clock.now = START
        self.io = LivingIo(self.app, lives)
        self.app.io = self.io
        self.app.policies = {life.request.service: policy for life in lives}
        self.app.most_per_day = most_per_day

    async def send_all(self) -> None:
        """Send the messages of all lives, each at its time."""
        for life in sorted(self.lives, key=lambda life: life.accepted_at):
            self.app.clock.now = max(self.app.clock(), life.accepted_at)
            await self.app.check(life.request.to_json())
            await self.app.run()

    async def tick(self) -> None:
        """Apply the events that have happened by now, run the timer, and deliver what it enqueued."""
        for life in self.lives:
            await self._happens(life)
        await self.app.remind()
        await self.app.run()
        self.app.queues.messages.pop(MESSAGE_OUTCOMES, None)

    async def _happens(self, life: Life) -> None:
        """Settle the payment and stop the campaign when their times have come."""
        now, request = self.app.clock(), life.request
        if has_passed(life.settled_at, now) and request.request_id not in self._settled:
            self._settled.add(request.request_id)
            await self.app.settle(f'{{"request_id": "{request.request_id}"}}')
        if has_passed(life.stopped_at, now):
            await self.app.campaigns.stop(str(request.campaign), by="rossi@pc")

    async def live(self, days: int = 80) -> None:
        """Run the timer every quarter of an hour while anything is due, skipping the time in between."""
        end = START + timedelta(days=days)
        while (due := self.next_due()) and due < end:
            self.app.clock.now = max(self.app.clock() + TICK, START + -(-(due - START) // TICK) * TICK)
            await self.tick()

    def next_due(self) -> datetime | None:
        """The time at which the timer next has something to do."""
        rows = [key for key in self.app.reminders_table.rows_by_key if key[0] != "control"]
        if not rows:
            return None
        bucket, key = min(rows, key=lambda row: (row[0][:12], row[1]))
        return datetime.fromisoformat(f"{bucket[:8]}T{bucket[8:12]}{key[:2]}Z")

    def decided(self, life: Life) -> dict[str, str]:
        """The result of each reminder of a life's message, by the reminder's name."""
        entry = self.app.entry(life.request.request_id)
        lines = [line for line in entry.history if line["what"] in (REMINDED, NOT_REMINDED)]
        return {line["reminder"].rpartition(":")[2]: line.get("reason", "sent") for line in lines}

    def reminders_to(self, life: Life) -> list[tuple[datetime, NewMessage]]:
        """The reminders that a citizen was sent, each with the time of its POST."""
        return self.io.at_by_citizen[life.request.fiscal_code][1:]


def with_code(life: Life, number: int) -> Life:
    """The same life for a citizen of its own, with a message of a campaign of its own."""
    code = f"RSSMRA{number // 1000:02}A01H{number % 1000:03}U"
    request = life.request.model_copy(update={"fiscal_code": code, "campaign": f"campaign {number}"})
    return replace(life, citizen=code, request=request)
