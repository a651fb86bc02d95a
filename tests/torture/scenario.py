"""One scenario of a few requests in the stepped world, and the invariants that must hold."""

import contextlib
import itertools
import json
import random
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, cast

from check_status.follow import follow
from check_status.settle import settle_payment
from context import Context
from contract.request import MessageRequest
from io_api.account import IoAccount
from io_api.tick_backoff import Backoff
from poison.park import park
from rotate_keys.rotate_keys import rotate_keys
from send_message.check_recipient import check_recipient
from send_message.resolve_in_doubt import NotInDoubt, is_resend, resend
from send_message.send_message import send_message
from storage.cipher import Cipher
from storage.due_index import DueEntry
from storage.intake import MARK, PutBack
from storage.key_rotation import KeyRotation, Rotation
from storage.ledger import DELIVERED, NEXT, Entry, State, entry_of
from storage.outcomes import UNPUBLISHED
from storage.queues import MESSAGE_REQUESTS, MESSAGE_SENDS, MESSAGE_SETTLED, Queues, poison
from storage.table import Row, Table, Unanswered
from tests.fakes import FakeClock
from tests.torture.world import (
    MAX_DEQUEUE_COUNT,
    RETRY_AFTER_FAILURE,
    VISIBILITY,
    Faults,
    HostMessage,
    Scheduler,
    SteppedIo,
    SteppedQueues,
    SteppedTable,
    Worker,
    at_once,
)

UNSENT = frozenset({State.REFUSED, State.DEAD, State.SKIPPED, State.EXPIRED, State.DEFERRED, State.REQUESTED})
PARKED = frozenset({State.REFUSED, State.DEAD})
ENDS = DELIVERED | PARKED | {State.ACCEPTED, State.SKIPPED, State.EXPIRED, State.IN_DOUBT}
TICK = timedelta(seconds=300)
NOTICE_NUMBER = "302000100000012345"
BY_NOTICE, BY_REQUEST = f'{{"notice_number": "{NOTICE_NUMBER}"}}', '{"request_id": "r0"}'
OLD, NEW = "old", "new"
STEPS_AT_MOST = 8000
POSTS_AT_MOST = 60


class PlainCipher:
    """Replaces the keyring in tests that do not examine encryption: the name of a key stands before a text.

    `names`: the ring, whose first key a rotation replaces.
    """

    def __init__(self) -> None:
        self.names: tuple[str, ...] = (OLD,)

    def seal(self, plain: bytes) -> bytes:
        return f"{self.names[0]}:".encode() + plain

    def open(self, sealed: bytes) -> bytes:
        return sealed.partition(b":")[2]

    def name_of(self, sealed: bytes) -> str:
        return sealed.partition(b":")[0].decode()

    def reseal(self, sealed: bytes) -> bytes:
        return self.seal(self.open(sealed))

    def seal_properties(self, name: str, plain: bytes) -> dict[str, bytes]:
        return {f"{name}0": self.seal(plain)}

    def open_properties(self, name: str, values: dict[str, bytes]) -> bytes:
        return self.open(values[f"{name}0"])

    def digest(self, plain: bytes) -> str:
        return str(hash(plain))

    def digests(self, plain: bytes) -> list[str]:
        return [self.digest(plain)]

    def matches(self, digest: str, plain: bytes) -> bool:
        return digest == str(hash(plain))


@dataclass(frozen=True)
class Plan:
    """A scenario's parameters: requests, deliveries of each, workers, faults, IO's answers, and resends.

    With `settlements`, all requests carry one notice, and the creditor reports its payment meanwhile. With
    `rotation`, the key that encrypts is replaced meanwhile, and every row is encrypted again.
    """

    requests: int = 2
    deliveries: int = 3
    workers: int = 3
    faults: Faults = field(default_factory=Faults)
    answers: dict[str, float] = field(default_factory=dict)
    resend: bool = False
    settlements: bool = False
    rotation: bool = False


@dataclass
class Report:
    """The result of a scenario; `broken` counts each violated invariant."""

    broken: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    states: Counter[str] = field(default_factory=Counter)
    resends: int = 0
    abandoned: int = 0  # settlements that the platform gave up after five crashes


class Scenario:
    """A plan, run under a seed."""

    def __init__(self, seed: int, plan: Plan) -> None:
        random.seed(seed)  # the product's own jitter
        self.plan = plan
        self.rng = random.Random(seed)
        self.clock = FakeClock()
        self.report = Report()
        self.queues = SteppedQueues(self.clock)
        self.ledger_table = SteppedTable("ledger", self._ledger_written)
        self.due_table = SteppedTable("due")
        self.parked_table = SteppedTable("parked")
        self.keys_table = SteppedTable("keys")
        self.cipher = PlainCipher()
        self.rotates = plan.rotation  # and has not begun yet
        self.io = SteppedIo(self.rng, self.clock, answers=plan.answers, posting=self._posting)
        self.io.answered = self._answered
        self.scheduler = Scheduler(self.rng, self.clock, plan.faults)
        tables = {"ledger": self.ledger_table, "due": self.due_table, "parked": self.parked_table}
        tables["keys"] = self.keys_table
        self.context = Context.on(
            lambda name: cast(Table, tables.get(name) or SteppedTable(name)),
            cast(Queues, self.queues),
            cast(Cipher, self.cipher),
            self.clock,
            io=cast(IoAccount, self.io),
            policies={},
            most_per_day=2,
            documents=None,
            configuration_ids={},
            feed_services=(),
        )
        self.ledger = self.context.ledger
        self.looked_at: dict[tuple[str, str], datetime] = {}
        self.posts: Counter[str] = Counter()
        self.answers_in: dict[int, str] = {}
        self.numbers = itertools.count()
        self.sanctioned: Counter[str] = Counter()
        self.resent: set[str] = set()
        self.doubted: dict[str, int] = {}
        self.must_be_accepted: set[str] = set()
        self.paid: set[str] = set()  # the requests that the creditor reports

    def run(self) -> Report:
        """Deliver, work and fail until nothing moves any more, then check what is left."""
        requests = [_request(number, self.plan.settlements) for number in range(self.plan.requests)]
        for request in requests:
            for _ in range(self.rng.randint(1, self.plan.deliveries)):
                self.queues.put_now(MESSAGE_REQUESTS, request.to_json())
        if self.plan.settlements:
            self._report_payments()
        faulty_steps = self.rng.randint(20, 120)
        for steps in range(STEPS_AT_MOST):
            self.scheduler.faulty = steps < faulty_steps
            self._start_some()
            ready = self.scheduler.ready()
            if ready:
                self.scheduler.step(self.rng.choice(ready))
            elif not self._wait():
                break
        else:
            self.report.broken["never quiet"] += 1
        self.report.faults.update(self.scheduler.injected)
        self.report.resends = self.sanctioned.total()
        for request in requests:
            self._judge(request)
        self._judge_rotation()
        return self.report

    def _rotate(self) -> None:
        """All hosts have the new key first, and the operator begins the rotation."""
        self.rotates = False
        self.cipher.names = (NEW, OLD)
        at_once(self.keys_table.fake.insert("keys", OLD, {}))
        at_once(KeyRotation(self.keys_table.fake, self.clock).begin(NEW))

    def _rotation(self) -> Rotation | None:
        """The rotation that runs."""
        found: Rotation | None = at_once(KeyRotation(self.keys_table.fake, self.clock).current())
        return found if found and not found.ended_at else None

    def _judge_rotation(self) -> None:
        if not self.plan.rotation:
            return
        sealed = (self.ledger_table, self.parked_table)
        rows = [row for table in sealed for row in table.fake.rows_by_key.values()]
        texts = [value for row in rows for value in row.values.values() if isinstance(value, bytes)]
        self.report.broken["rotation not ended"] += ("keys", OLD) in self.keys_table.fake.rows_by_key
        self.report.broken["not encrypted again"] += any(self.cipher.name_of(text) != NEW for text in texts)

    def _report_payments(self) -> None:
        """The creditor reports the notice, the first request or both, before or after it is sent."""
        bodies = self.rng.choice(((BY_NOTICE,), (BY_REQUEST,), (BY_NOTICE, BY_REQUEST)))
        self.paid = {f"r{number}" for number in range(self.plan.requests if BY_NOTICE in bodies else 1)}
        for body in bodies:
            delay = timedelta(seconds=self.rng.choice((0, 0, 5, 20, 60, 600)))
            self.queues.put_now(MESSAGE_SETTLED, body, delay)

    # -- the platform

    def _start_some(self) -> None:
        if self.rotates and self.rng.random() < 0.03:
            self._rotate()
        if len(self.scheduler.workers) >= self.plan.workers or self.rng.random() >= 0.6:
            return
        messages = [
            (queue, message) for queue, message in self._messages() if message.visible_at <= self.clock()
        ]
        dues = [due for due, at in self._dues() if at <= self.clock()]
        if self.plan.resend and self.rng.random() < 0.1 and self._operate():
            return
        if self._may_tick(idle=not messages and not dues):
            self._work("rotation", rotate_keys(self.context), lambda error: None)
        elif messages and (not dues or self.rng.random() < 0.7):
            self._deliver(*self.rng.choice(messages))
        elif dues:
            self._look(self.rng.choice(dues))

    def _may_tick(self, *, idle: bool) -> bool:
        rotation = self._rotation() if self.plan.rotation else None
        is_due = rotation is not None and rotation.not_before <= self.clock()
        return is_due and (idle or self.rng.random() < 0.2)

    def _operate(self) -> bool:
        """The operator resends each request in doubt once, and repeats the command if it failed."""
        for entry in map(entry_of, self._rows()):
            if entry.request_id not in self.resent and (entry.state is State.IN_DOUBT or is_resend(entry)):
                self._work("operator", self._resend(entry.request_id), lambda error: None)
                return True
        return False

    async def _resend(self, request_id: str) -> None:
        self.resent.discard(request_id)
        entry = await self.ledger.get(request_id)
        with contextlib.suppress(NotInDoubt):
            await resend(cast(Entry, entry), self.context)
        self.resent.add(request_id)

    def _wait(self) -> bool:
        if self.rotates:
            self._rotate()
            return True
        times = [worker.wakes_at for worker in self.scheduler.workers if worker.wakes_at]
        times += [message.visible_at for _, message in self._messages()]
        times += [at for _, at in self._dues()]
        if self.plan.rotation and (rotation := self._rotation()):
            times.append(rotation.not_before)
        if self.plan.resend and not times and self._operate():
            return True
        if times:
            self.clock.now = max(self.clock.now + timedelta(seconds=1), min(times))
        return bool(times)

    def _messages(self) -> list[tuple[str, HostMessage]]:
        return [(queue, message) for queue, waiting in self.queues.messages.items() for message in waiting]

    def _dues(self) -> list[tuple[DueEntry, datetime]]:
        dues = [DueEntry(*key) for key in self.due_table.fake.rows_by_key]
        return [(due, self.looked_at.get((due.bucket, due.key), due.due_at)) for due in dues]

    def _deliver(self, queue: str, message: HostMessage) -> None:
        message.dequeue_count += 1
        message.receipt += 1
        message.visible_at = self.clock() + VISIBILITY
        if message.dequeue_count > MAX_DEQUEUE_COUNT and not queue.endswith("-poison"):
            self._poison(queue, message)
            return
        receipt = message.receipt

        def done(error: Exception | None) -> None:
            if message.receipt == receipt and message in self.queues.messages[queue]:
                self._settle(queue, message, error)

        self._work(queue, self._function(queue, message), done)

    def _settle(self, queue: str, message: HostMessage, error: Exception | None) -> None:
        if error is None:
            self.queues.messages[queue].remove(message)
        elif message.dequeue_count >= MAX_DEQUEUE_COUNT and not queue.endswith("-poison"):
            self._poison(queue, message)
        else:
            message.visible_at = self.clock() + RETRY_AFTER_FAILURE

    def _poison(self, queue: str, message: HostMessage) -> None:
        self.report.abandoned += queue == MESSAGE_SETTLED
        self.queues.put_now(poison(queue), message.body)
        self.queues.messages[queue].remove(message)

    def _function(self, queue: str, message: HostMessage) -> Coroutine[Any, Any, None]:
        if queue == MESSAGE_REQUESTS:
            return check_recipient(message.body, self.context, redelivered=message.dequeue_count > 1)
        if queue == MESSAGE_SENDS:
            return self._send(message)
        if queue == MESSAGE_SETTLED:
            return self._take_settlement(message)
        return park(message.body, queue.removesuffix("-poison"), self.context)

    async def _send(self, message: HostMessage) -> None:
        """Enqueue the message again if its attempt result was not stored, as storage/intake.py does."""
        body = message.body.removeprefix(MARK)
        try:
            redelivered = body != message.body or message.dequeue_count > 1
            await send_message(body, self.context, redelivered=redelivered)
        except PutBack as error:
            await self.queues.put(MESSAGE_SENDS, MARK + error.body)

    async def _take_settlement(self, message: HostMessage) -> None:
        """Enqueue a settlement again if storage did not answer, as storage/intake.py does."""
        try:
            await settle_payment(message.body, self.context)
        except Unanswered:
            await self.queues.put(MESSAGE_SETTLED, message.body)

    def _look(self, due: DueEntry) -> None:
        self.looked_at[due.bucket, due.key] = self.clock() + TICK
        look = follow(due, Backoff(), self.context)
        self._work("due", look, lambda error: None)

    def _work(
        self, name: str, coroutine: Coroutine[Any, Any, None], done: Callable[[Exception | None], None]
    ) -> None:
        def finished(error: Exception | None) -> None:
            request_id = self.answers_in.pop(worker.number, None)
            if request_id and error is None:
                self.must_be_accepted.add(request_id)
            done(error)

        worker = Worker(next(self.numbers), name, coroutine, finished)
        self.scheduler.workers.append(worker)

    # -- checks during the run

    def _ledger_written(self, before: Row | None, row: Row) -> None:
        before = before if before and "state" in before.values else None
        if "state" not in row.values:  # a settlement before its request
            self.report.broken["request overwritten"] += before is not None
            return
        state = State(row.values["state"])
        was = State(before.values["state"]) if before else None
        # The delivery of a message whose payment is known already is two steps in one write.
        allowed = (
            NEXT.get(was, frozenset()) | ({State.PAID} if was is State.ACCEPTED else set()) if was else ()
        )
        if was and state != was and state not in allowed:
            self.report.broken["illegal step"] += 1
        if was is State.IN_DOUBT and state is State.DEFERRED:
            self.sanctioned[row.key] += 1
            self.doubted[row.key] = row.values["attempt"]
        if before and row.values["attempt"] < before.values["attempt"]:
            self.report.broken["attempt went back"] += 1

    def _posting(self, request_id: str) -> int:
        self.posts[request_id] += 1
        entry = self._entry(request_id)
        if (
            not entry
            or entry.state is not State.SENDING
            or (entry.lease_until or self.clock()) <= self.clock()
        ):
            self.report.broken["POST without a claim"] += 1
        return entry.attempt if entry else 0

    def _answered(self, request_id: str) -> None:
        if self.scheduler.current:
            self.answers_in[self.scheduler.current.number] = request_id

    # -- checks at the end

    def _entry(self, request_id: str) -> Entry | None:
        rows = [row for row in self._rows() if row.key == request_id]
        return entry_of(rows[0]) if rows else None

    def _rows(self) -> list[Row]:
        """The ledger's rows of requests, without the settlements that came before theirs."""
        return [row for row in self.ledger_table.fake.rows_by_key.values() if "state" in row.values]

    def _judge(self, request: MessageRequest) -> None:
        request_id = request.request_id
        entry, accepted = self._entry(request_id), self.io.accepted.get(request_id, [])
        broken = self.report.broken
        state = entry.state if entry else None
        self.report.states[str(state)] += 1
        broken["duplicate"] += len(accepted) > 1 + self.sanctioned[request_id]
        broken["too many POSTs"] += self.posts[request_id] > POSTS_AT_MOST
        if entry is None or state not in ENDS:
            broken["lost"] += entry is not None or not self._is_parked_whole(request)
            return
        # The row holds its last attempt only; an earlier doubt and resend are in the history.
        by_attempt = [each.message_id for each in accepted if each.attempt == entry.attempt]
        doubted = self.doubted.get(request_id) == entry.attempt
        broken["false row"] += state in UNSENT and bool(by_attempt) and not doubted
        broken["false id"] += entry.message_id is not None and entry.message_id not in by_attempt
        broken["in doubt with the answer in hand"] += (
            state is State.IN_DOUBT
            and request_id in self.must_be_accepted
            and not self.sanctioned[request_id]
        )
        broken["not parked"] += state in PARKED and not self._is_parked(request_id)
        broken["not followed"] += state is State.ACCEPTED and entry.message_id is not None
        broken["not settled"] += self._awaits_settlement(entry)
        broken["not published"] += not self._is_told(entry)
        if not self.scheduler.injected:
            broken["in doubt without a fault"] += state is State.IN_DOUBT
            broken["given up without a fault"] += state is State.DEAD

    def _awaits_settlement(self, entry: Entry) -> bool:
        """Whether a settlement missed the request; a dead one may have died before it was noted."""
        taken = entry.request_id in self.paid and not self.report.abandoned
        return taken and entry.settled_at is None and entry.state is not State.DEAD

    def _is_parked(self, request_id: str) -> bool:
        return any(key == request_id for _, key in self.parked_table.fake.rows_by_key)

    def _is_parked_whole(self, request: MessageRequest) -> bool:
        """Whether the platform gave up the request before any worker could store it."""
        return self._is_parked(self.context.parked.id_of(request.to_json()))

    def _is_told(self, entry: Entry) -> bool:
        told = {json.loads(body)["type"].rpartition(".")[2] for body in self.queues.told}
        last = [step["what"] for step in entry.history if step["what"] not in UNPUBLISHED]
        return not last or last[-1].lower() in told


def _request(number: int, with_notice: bool = False) -> MessageRequest:
    content = {"subject": f"Avviso numero r{number}", "markdown": "Testo del messaggio. " * 5}
    notice = {"payment_data": {"amount": 12345, "notice_number": NOTICE_NUMBER}} if with_notice else {}
    return MessageRequest.model_validate(
        {"request_id": f"r{number}", "fiscal_code": "RSSMRA80A01H501U", "content": content | notice}
    )
