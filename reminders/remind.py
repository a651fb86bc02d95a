"""Decides on the reminders that are due, and sends those that are needed."""

import logging
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import telemetry
from context import Context
from contract.policy_of_request import policy_for
from contract.reminders import ReminderPolicy
from contract.request import MessageRequest
from io_api.errors import NotSent, Unavailable
from io_api.observe import record
from io_api.rate_budget import Priority
from io_api.tick_backoff import LONGEST_DELAY, Backoff
from reminders.calendar import local_day, next_day
from reminders.compose import compose
from reminders.decide import AskIo, Decision, DoNotSend, Facts, Postpone, Send, daily_cap, decide, unanswered
from reminders.plan import Planned, plan
from storage.due_index import DueEntry
from storage.due_processing import process_due
from storage.ledger import NOT_REMINDED, REMINDED, Entry, LostRace, State, Step
from storage.queues import fits, requests_queue

log = logging.getLogger(__name__)

TURNED_AWAY = frozenset({"recipient_not_found", "sender_not_allowed"})
# Retry after this: another worker is updating the entry.
SOON = timedelta(minutes=1)


async def remind_due(context: Context) -> None:
    """Run one tick. A message that fails stays due; the failures are raised together at the end."""
    backoff = Backoff()

    async def handle(due: DueEntry) -> None:
        await remind(due, backoff, context)

    await process_due(context.reminder_index, handle, what="reminded", wait=backoff.wait, clock=context.clock)


async def remind(due: DueEntry, backoff: Backoff, context: Context) -> None:
    """Decide on the due reminders of one message, note when the next is due, and only then remove this row.

    A crash in between repeats the work. The ledger has the decisions; a repeated reminder has the same id.
    """
    entry = await context.ledger.get(due.request_id)
    next_at = None
    if entry and entry.may_remind:
        with telemetry.handling("remind", entry.request_id, entry.traceparent):
            try:
                next_at = await _Message(entry, backoff, context).decide_all()
            except LostRace:
                next_at = context.clock() + SOON
    await context.reminder_index.reschedule(due, next_at)


@dataclass
class _Message:
    """A message with its reminders. Each step replaces `entry` with the new ledger entry."""

    entry: Entry
    backoff: Backoff
    context: Context
    is_turned_away: bool = False  # at an earlier reminder, the citizen had left IO or blocked the service

    async def decide_all(self) -> datetime | None:
        """Decide on every due reminder. Return when to decide again; None when no more reminders can come."""
        request = self.context.ledger.request_of(self.entry)
        policy = policy_for(request, self.context.policies.get(self.entry.service, ReminderPolicy()))
        planned = plan(request, self.entry.accepted_at or self.entry.updated_at, policy)
        await self._repair_and_check_earlier(request, planned, policy)
        next_times = [await self._decide_and_act(request, one, policy) for one in self._undecided(planned)]
        if later := [next_at for next_at in next_times if next_at]:
            return min(later)
        self.entry = await self.context.ledger.advance(self.entry, body={}, may_remind=False)
        return None

    async def _repair_and_check_earlier(
        self, request: MessageRequest, planned: tuple[Planned, ...], policy: ReminderPolicy
    ) -> None:
        """Check each earlier reminder, and enqueue it again if the ledger does not know it.

        The worker that decided may have crashed before it enqueued the reminder. Enqueueing it again is
        harmless: the id is the same.
        """
        by_id = {one.request_id: one for one in planned}
        for line in self._reminded():
            one, reply = by_id.get(line["reminder"]), await self.context.ledger.get(line["reminder"])
            self.is_turned_away |= reply is not None and _was_turned_away(reply)
            if one and reply is None:
                await self._enqueue(compose(request, one, policy, datetime.fromisoformat(line["at"])))

    async def _decide_and_act(
        self, request: MessageRequest, one: Planned, policy: ReminderPolicy
    ) -> datetime | None:
        """Decide on one reminder. Return when to decide again; None when the reminder is decided."""
        if one.at > self.context.clock():
            return one.at
        decision = await self._decide(one, policy)
        if isinstance(decision, Send):
            decision = await self._send(request, one, policy)
        if isinstance(decision, DoNotSend):
            step = Step(NOT_REMINDED, decision.reason, reminder=one.request_id)
            self.entry = await self.context.ledger.advance(self.entry, step)
        return decision.when if isinstance(decision, Postpone) else None

    async def _decide(self, one: Planned, policy: ReminderPolicy) -> Decision:
        most, facts = self._cap(one), await self._facts(one)
        decision = decide(one, facts, policy, most_per_day=most, now=self.context.clock())
        if not isinstance(decision, AskIo):
            return decision
        if self.backoff.delay_for(self.entry.service):
            return Postpone(self.context.clock() + LONGEST_DELAY, "not_asked")
        try:
            facts = await self._asked(facts)
        except NotSent as error:
            self.backoff.record(self.entry.service, error, self.context.clock())
            return Postpone(self.context.clock() + LONGEST_DELAY, error.reason)
        except Unavailable as error:
            return unanswered(one, error.reason, self.context.clock())
        return decide(one, facts, policy, most_per_day=most, now=self.context.clock())

    async def _asked(self, facts: Facts) -> Facts:
        """Return the facts with a fresh answer of IO, and record the answer in the ledger."""
        ledger, message_id = self.context.ledger, self.entry.message_id or ""
        seen = await self.context.io.get_message(
            ledger.fiscal_code_of(self.entry),
            message_id,
            service=self.entry.service,
            priority=Priority.REMINDER,
        )
        seen_at = self.context.clock()
        self.entry = await record(self.entry, seen, self.context)
        return replace(facts, state=self.entry.state, seen=seen, seen_at=seen_at)

    async def _facts(self, one: Planned) -> Facts:
        reminded = self._reminded()
        today, cap = local_day(self.context.clock()), self._cap(one)
        return Facts(
            state=self.entry.state,
            settled_at=self.entry.settled_at,
            is_campaign_stopped=await self.context.campaigns.is_stopped(self.entry.campaign),
            is_turned_away=self.is_turned_away,
            last_reminded_at=datetime.fromisoformat(reminded[-1]["at"]) if reminded else None,
            reminders_today=await self.context.reminder_days.taken(
                self._recipient(), today, cap, reminder=one.request_id
            ),
        )

    async def _send(self, request: MessageRequest, one: Planned, policy: ReminderPolicy) -> Decision:
        """Send the reminder.

        Take a place in the citizen's day, record the decision, publish the outcome and enqueue the request.
        """
        now, most = self.context.clock(), self._cap(one)
        if not fits(compose(request, one, policy, now).to_json()):
            return DoNotSend("too_long")
        day = local_day(now)
        if not await self.context.reminder_days.take(self._recipient(), day, most, reminder=one.request_id):
            return Postpone(next_day(now, one.avoided), "citizen_reminded_enough")
        step = Step(REMINDED, reminder=one.request_id)
        self.entry = await self.context.ledger.advance(self.entry, step)
        await self._enqueue(compose(request, one, policy, self._decided_at()))
        return Send()

    async def _enqueue(self, reminder: MessageRequest) -> None:
        log.info("reminded request_id=%s reminder=%s", self.entry.request_id, reminder.request_id)
        await self.context.outcomes.publish_reminded(self.entry, reminder.request_id)
        await self.context.queues.put(requests_queue(reminder.priority), reminder.to_json())

    def _recipient(self) -> str:
        # Not the entry's column: an entry of before the index key has another hash of the same citizen.
        return self.context.ledger.recipient_of(self.entry)

    def _cap(self, one: Planned) -> int:
        return daily_cap(one.kind, self.context.most_per_day)

    def _decided_at(self) -> datetime:
        return datetime.fromisoformat(self.entry.last_step["at"])

    def _reminded(self) -> list[dict[str, str]]:
        return [dict(line) for line in self.entry.history if line["what"] == REMINDED]

    def _undecided(self, planned: tuple[Planned, ...]) -> list[Planned]:
        decided = {line.get("reminder") for line in self.entry.history}
        return [one for one in planned if one.request_id not in decided]


def _was_turned_away(reply: Entry) -> bool:
    """Return whether the citizen had left IO or blocked the service.

    A reminder skipped as needless does not count.
    """
    return reply.state is State.SKIPPED and reply.last_step.get("reason") in TURNED_AWAY
