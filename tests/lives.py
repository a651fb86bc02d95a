"""Sixty days of messages and citizens: the reminders' decisions under a simulated timer.

Pure: no table, no queue, no IO. The citizens read, pay, hide, block and change their minds by a script.
"""

import heapq
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

from contract.policy_of_request import policy_for
from contract.reminders import ReminderPolicy
from contract.request import MessageRequest
from io_api.models import MessageStatus
from reminders.compose import compose
from reminders.decide import AskIo, Decision, DoNotSend, Facts, Postpone, Send, decide, unanswered
from reminders.plan import Planned, plan
from storage.ledger import State
from tests.fakes import seen

START = datetime(2026, 3, 16, 7, 0, tzinfo=UTC)  # the clocks change soon, and Easter is ahead
TICK = timedelta(minutes=15)
SILENCE = "payment_lookup_failed"

type Span = tuple[datetime, datetime]


def within(instant: datetime, spans: Sequence[Span]) -> bool:
    return bool(spans) and any(start <= instant < end for start, end in spans)


def has_passed(event: datetime | None, now: datetime) -> bool:
    return event is not None and event <= now


@dataclass(frozen=True)
class Life:
    """One message and its events; None means never.

    `polled_every` is the interval of the polls, so the ledger's status can be that old.
    """

    citizen: str
    request: MessageRequest
    accepted_at: datetime
    state: State = State.PROCESSED
    polled_every: timedelta = timedelta(days=1)
    reads_at: datetime | None = None
    pays_at: datetime | None = None
    settled_at: datetime | None = None
    stopped_at: datetime | None = None
    blocked_at: datetime | None = None
    hidden: Sequence[Span] = ()  # IO answers UNAVAILABLE
    silent: Sequence[Span] = ()  # IO answers with an error

    @property
    def has_payment(self) -> bool:
        """Whether the message asks for a payment."""
        return self.request.content.payment_data is not None

    def answer(self, now: datetime) -> MessageStatus:
        """IO's status of the message at this time."""
        is_read, is_paid = has_passed(self.reads_at, now), has_passed(self.pays_at, now)
        read = "UNAVAILABLE" if within(now, self.hidden) else "READ" if is_read else "UNREAD"
        paid = ("PAID" if is_paid else "NOT_PAID") if self.has_payment else None
        return _seen(read, paid)

    def ledger_state(self, now: datetime, checks: Sequence[datetime] = ()) -> State:
        """The state that the polls, and the checks before reminders, have left in the ledger."""
        if self.state is not State.PROCESSED:
            return self.state
        told = [self.answer(at) for at in (*self.polls(now), *checks)]
        if any(answer.payment_status == "PAID" for answer in told):
            return State.PAID
        return State.READ if any(answer.read_status == "READ" for answer in told) else State.PROCESSED

    def polls(self, now: datetime) -> Iterator[datetime]:
        """The times of the answered polls until now."""
        at = self.accepted_at
        while at <= now:
            if not within(at, self.silent):
                yield at
            at += self.polled_every


@cache
def _seen(read: str, paid: str | None) -> MessageStatus:
    # Six answers at most, and a world asks for each of them at every poll of every message.
    return seen("PROCESSED", read, paid)


@dataclass(frozen=True)
class Record:
    """One decision that ended a reminder."""

    life: Life
    planned: Planned
    at: datetime
    decision: Send | DoNotSend


@dataclass
class World:
    """The reminder timer over some lives; it does not run during `down`."""

    lives: Sequence[Life]
    of_service: ReminderPolicy
    most_per_day: int
    down: Sequence[Span] = ()
    laters: list[tuple[Life, Planned, datetime, Postpone]] = field(default_factory=list)
    asked: list[tuple[Life, Planned, datetime]] = field(default_factory=list)
    _plans: dict[str, tuple[Planned, ...]] = field(default_factory=dict)
    _answered: dict[str, list[datetime]] = field(default_factory=lambda: defaultdict(list))
    _by_message: dict[str, list[Record]] = field(default_factory=lambda: defaultdict(list))
    _by_citizen: dict[str, list[Record]] = field(default_factory=lambda: defaultdict(list))

    def run(self) -> None:
        """Run until every planned reminder is decided."""
        wakes = [(due, number) for number, life in enumerate(self.lives) if (due := self._next(life, START))]
        heapq.heapify(wakes)
        while wakes:
            due, number = heapq.heappop(wakes)
            now = self._tick(due)
            if due < now:
                heapq.heappush(wakes, (now, number))
            elif later := self._visit(self.lives[number], now):
                heapq.heappush(wakes, (later, number))

    def plan_of(self, life: Life) -> tuple[Planned, ...]:
        """The plan of a life's message."""
        request = life.request
        if request.request_id not in self._plans:
            self._plans[request.request_id] = plan(request, life.accepted_at, self.policy_of(life))
        return self._plans[request.request_id]

    def policy_of(self, life: Life) -> ReminderPolicy:
        """The policy of a life's message."""
        return policy_for(life.request, self.of_service)

    @property
    def records(self) -> list[Record]:
        """The final decision on every reminder."""
        return [record for of_message in self._by_message.values() for record in of_message]

    def sent(self, life: Life) -> list[Record]:
        """The reminders of a message that were sent, oldest first."""
        return _sent(self._by_message[life.request.request_id])

    def sent_to(self, citizen: str) -> list[Record]:
        """The reminders that were sent to a citizen, oldest first."""
        return _sent(self._by_citizen[citizen])

    def undecided(self, life: Life) -> list[Planned]:
        """The planned reminders of a message that are neither sent nor given up."""
        done = {record.planned.name for record in self._by_message[life.request.request_id]}
        return [planned for planned in self.plan_of(life) if planned.name not in done]

    def _end(self, record: Record) -> None:
        self._by_message[record.life.request.request_id].append(record)
        self._by_citizen[record.life.citizen].append(record)

    def _next(self, life: Life, now: datetime) -> datetime | None:
        return min((max(planned.at, now) for planned in self.undecided(life)), default=None)

    def _tick(self, due: datetime) -> datetime:
        tick = START + -(-(due - START) // TICK) * TICK
        while within(tick, self.down):
            tick += TICK
        return tick

    def _visit(self, life: Life, now: datetime) -> datetime | None:
        """Decide every due reminder of a message; return the time of the next decision."""
        back: list[datetime] = []
        for planned in self.undecided(life):
            decision = (
                Postpone(planned.at, "not_due") if planned.at > now else self._decide(life, planned, now)
            )
            if isinstance(decision, Postpone):
                back.append(decision.when)
                self.laters.append((life, planned, now, decision))
            elif isinstance(decision, Send | DoNotSend):
                self._end(Record(life, planned, now, decision))
        return min(back, default=None)

    def _decide(self, life: Life, planned: Planned, now: datetime) -> Decision:
        facts, policy = self._facts(life, now), self.policy_of(life)
        decision = decide(planned, facts, policy, most_per_day=self.most_per_day, now=now)
        if isinstance(decision, AskIo):
            self.asked.append((life, planned, now))
            if within(now, life.silent):
                return unanswered(planned, SILENCE, now)
            self._answered[life.request.request_id].append(now)
            fresh = replace(facts, seen=life.answer(now), seen_at=now)
            decision = decide(planned, fresh, policy, most_per_day=self.most_per_day, now=now)
        if isinstance(decision, Send):
            compose(life.request, planned, policy, now)
        return decision

    def _facts(self, life: Life, now: datetime) -> Facts:
        sent, polls = self.sent(life), [*life.polls(now)]
        today = [record for record in self.sent_to(life.citizen) if day(record.at) == day(now)]
        return Facts(
            state=life.ledger_state(now, self._answered[life.request.request_id]),
            settled_at=life.settled_at if has_passed(life.settled_at, now) else None,
            is_campaign_stopped=has_passed(life.stopped_at, now),
            is_turned_away=any(has_passed(life.blocked_at, record.at) for record in sent),
            last_reminded_at=sent[-1].at if sent else None,
            reminders_today=len(today),
            seen=life.answer(polls[-1]) if polls else None,
            seen_at=polls[-1] if polls else None,
        )


def _sent(records: list[Record]) -> list[Record]:
    return [record for record in records if isinstance(record.decision, Send)]


def day(instant: datetime) -> date:
    """The day in Italy."""
    return instant.astimezone(ZoneInfo("Europe/Rome")).date()
