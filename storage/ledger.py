"""The ledger: what is known of every request, and the only judge of who may send it."""

import hashlib
import json
import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

import telemetry
from contract.fields import Language
from contract.reference import AttemptResult
from contract.request import MessageRequest, parse_request
from storage.cipher import Cipher
from storage.table import AlreadyThere, Changed, Row, Table, Unanswered

TABLE: Final = "ledger"

# SENDING lasts only as long as one POST; a lease that ran out means that nobody knows how it ended.
LEASE = timedelta(seconds=180)


# A column holds 32 K characters (Azure Table data model). Deferrals come by the hundred while IO is away, for
# alternating reasons: the oldest are counted together, so that the rest always has room.
MOST_DEFERRALS = 40
MOST_HISTORY = 28_000
OTHER: Final = "various"


class State(StrEnum):
    """Where a request stands; docs/flow.md draws the ways between them."""

    REQUESTED = "REQUESTED"
    SENDING = "SENDING"
    DEFERRED = "DEFERRED"
    ACCEPTED = "ACCEPTED"
    IN_DOUBT = "IN_DOUBT"
    REFUSED = "REFUSED"
    SKIPPED = "SKIPPED"
    EXPIRED = "EXPIRED"
    DEAD = "DEAD"
    PROCESSED = "PROCESSED"
    REJECTED = "REJECTED"
    FAILED = "FAILED"
    READ = "READ"
    PAID = "PAID"


GIVEN_UP = frozenset({State.REFUSED, State.DEAD})  # for an operator to look at
WAITING = frozenset({State.REQUESTED, State.DEFERRED})
DELIVERED = frozenset({State.PROCESSED, State.READ, State.PAID})
MISSING: Final = "MISSING"
UNCONFIRMED: Final = "UNCONFIRMED"
REMINDED, NOT_REMINDED = "REMINDED", "NOT_REMINDED"
# Facts about a message that come in any order: PAID may be seen before READ. IO may not know a message that
# it accepted, or never say what became of it. Decisions on reminders are no states either.
SIGHTINGS: Mapping[str, frozenset[State]] = {
    "READ": DELIVERED,
    "READ_UNAVAILABLE": DELIVERED,
    "PAID": DELIVERED,
    MISSING: DELIVERED | {State.ACCEPTED},
    UNCONFIRMED: frozenset({State.ACCEPTED}),
    REMINDED: DELIVERED | {State.ACCEPTED},
    NOT_REMINDED: DELIVERED | {State.ACCEPTED, State.REJECTED, State.FAILED},
}
BEFORE_SENDING = frozenset(
    {State.SENDING, State.DEFERRED, State.REFUSED, State.SKIPPED, State.EXPIRED, State.DEAD}
)
NEXT: Mapping[State, frozenset[State]] = {
    State.REQUESTED: BEFORE_SENDING,
    State.DEFERRED: BEFORE_SENDING,
    State.SENDING: frozenset({State.ACCEPTED, State.DEFERRED, State.REFUSED, State.IN_DOUBT}),
    State.IN_DOUBT: frozenset({State.ACCEPTED, State.REFUSED, State.DEFERRED}),
    State.REFUSED: frozenset({State.REQUESTED}),
    State.DEAD: frozenset({State.REQUESTED}),
    State.ACCEPTED: frozenset({State.PROCESSED, State.REJECTED, State.FAILED}),
    State.PROCESSED: frozenset({State.READ, State.PAID}),
    State.READ: frozenset({State.PAID}),
}


class IllegalStep(Exception):
    """The ledger does not allow this step from the state that the request is in."""


class DifferentContent(Exception):
    """The request_id is taken by a request with other content; the same id is the same message for ever."""


class LostRace(Exception):
    """Another worker holds the claim, or moved the request on; this one stops."""


@dataclass(frozen=True)
class Step:
    """One line of a request's history: a state it entered or a fact that was seen.

    reminder: the request_id of the reminder that was decided on.
    """

    what: str
    reason: str | None = None
    http_status: int | None = None
    reminder: str | None = None


@dataclass(frozen=True)
class Entry:
    """One row. The fiscal code and the body are encrypted, times are UTC, `history` holds dated steps."""

    request_id: str
    state: State
    service: str
    feature_level_type: str
    recipient: str  # keyed hash of the fiscal code
    sealed_fiscal_code: bytes
    content_digest: str
    created_at: datetime
    updated_at: datetime
    waiting_since: datetime  # the age that is bounded counts from here
    has_payment: bool = False
    campaign: str | None = None
    in_reply_to: str | None = None
    due_date: datetime | None = None
    expires_at: datetime | None = None
    traceparent: str | None = None
    attempt: int = 0
    owner: str | None = None
    language: Language | None = None  # of the newest attempt
    lease_until: datetime | None = None
    sequence: int = 0
    failures: int = 0
    next_at: datetime | None = None
    message_id: str | None = None
    status: str | None = None
    read_status: str | None = None
    payment_status: str | None = None
    settled_at: datetime | None = None  # when the notice was paid, as the creditor knows it
    may_remind: bool = False  # its body is kept as long as reminders may come
    history: tuple[Mapping[str, Any], ...] = ()
    body: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    mark: str | None = None
    row: Row | None = field(default=None, repr=False, compare=False)

    @property
    def accepted_at(self) -> datetime | None:
        """When IO accepted the message, once it has."""
        times = [step["at"] for step in self.history if step["what"] == State.ACCEPTED]
        return datetime.fromisoformat(times[0]) if times else None

    def has(self, what: str) -> bool:
        """Whether a line of the history says this."""
        return any(line["what"] == what for line in self.history)

    def awaits(self, result: AttemptResult) -> bool:
        """Whether the ledger is still to be told how this attempt ended.

        "Not sent" does not settle IN_DOUBT: a resend may have been decided meanwhile.
        """
        if self.owner != result.owner:
            return False
        is_evidence = result.what in (State.ACCEPTED, State.REFUSED)
        return self.state is State.SENDING or (self.state is State.IN_DOUBT and is_evidence)

    @property
    def last_step(self) -> Mapping[str, Any]:
        """The newest line of the history."""
        return self.history[-1]


@dataclass(frozen=True)
class Pending:
    """A request that is not at its end, and since when it has stood where it stands."""

    state: State
    service: str
    updated_at: datetime


@dataclass(frozen=True)
class Standing:
    """How far one request got."""

    state: State
    read_status: str | None
    payment_status: str | None


class Ledger:
    """Reads and conditional steps on requests. Times come from `clock` (UTC)."""

    def __init__(self, table: Table, cipher: Cipher, clock: Callable[[], datetime]) -> None:
        self._table = table
        self._cipher = cipher
        self._clock = clock

    async def get(self, request_id: str) -> Entry | None:
        """The entry of a request, or None; raises Unanswered."""
        row = await self._table.get(_partition(request_id), request_id)
        return entry_of(row) if row else None

    async def standings(self, campaign: str | None = None) -> AsyncIterator[Standing]:
        """How far every request got, or those of a campaign: a scan of three columns; raises Unanswered."""
        condition, parameters = ("campaign eq @campaign", {"campaign": campaign}) if campaign else ("", {})
        columns = [item.name for item in fields(Standing)]
        async for row in self._table.rows(condition, columns=columns, **parameters):
            value = row.values.get
            yield Standing(State(row.values["state"]), value("read_status"), value("payment_status"))

    async def pending(self) -> AsyncIterator[Pending]:
        """What waits, is in doubt or was accepted and not delivered: a scan of three columns."""
        states = [*WAITING, State.IN_DOUBT, State.ACCEPTED]
        condition = " or ".join(f"state eq @state{number}" for number in range(len(states)))
        wanted = {f"state{number}": str(state) for number, state in enumerate(states)}
        columns = [item.name for item in fields(Pending)]
        async for row in self._table.rows(condition, columns=columns, **wanted):
            yield Pending(**{**row.values, "state": State(row.values["state"])})

    async def entries(self, **equal: str) -> AsyncIterator[Entry]:
        """The entries whose columns equal these values: a scan; raises Unanswered."""
        condition = " and ".join(f"{column} eq @{column}" for column in equal)
        async for row in self._table.rows(condition, **equal):
            yield entry_of(row)

    async def open(self, request: MessageRequest) -> Entry:
        """Write a request down once; a repetition gets the entry that is there, with all it went through.

        Raises DifferentContent, Unanswered.
        """
        entry = self._new(request)
        try:
            return await self._write(entry)
        except AlreadyThere:
            there = await self.get(request.request_id)
        if there is None or not self.same_content(there, request):
            raise DifferentContent(DifferentContent.__doc__)
        return there

    def plan(self, entry: Entry, *steps: Step, **changes: Any) -> Entry:
        """The entry as it will be after these steps; raises IllegalStep."""
        at = self._clock()
        after = replace(entry, updated_at=at, mark=secrets.token_hex(8), **changes)
        for step in steps:
            state = _state_after(after.state, step)
            after = replace(after, state=state, history=_recorded(after.history, step, at))
        return after

    async def commit(self, planned: Entry) -> Entry:
        """Write what was planned if the row is still as it was read; raises LostRace, Unanswered.

        A write whose answer was lost is known again by its mark.
        """
        try:
            return await self._write(planned)
        except (Changed, Unanswered) as error:
            there = await self.get(planned.request_id)
            if there and there.mark == planned.mark:
                return there
            if isinstance(error, Unanswered):
                raise
        raise LostRace(LostRace.__doc__)

    async def advance(self, entry: Entry, *steps: Step, **changes: Any) -> Entry:
        """Plan and commit; raises LostRace, IllegalStep, Unanswered."""
        return await self.commit(self.plan(entry, *steps, **changes))

    def intent(self, entry: Entry, language: Language | None = None) -> Entry:
        """The entry as a worker claims it to send it: to be committed before the first byte leaves."""
        return self.plan(
            entry,
            Step(State.SENDING),
            owner=secrets.token_hex(16),
            attempt=entry.attempt + 1,
            lease_until=self._clock() + LEASE,
            language=language,
            next_at=None,
        )

    def same_content(self, entry: Entry, request: MessageRequest) -> bool:
        """Whether the request asks for the very message that the entry stands for; raises Undecipherable."""
        if self._cipher.matches(entry.content_digest, request.canonical_bytes()):
            return True
        self.fiscal_code_of(entry)  # with a key that is missing nothing would be the same
        return False

    def request_of(self, entry: Entry) -> MessageRequest:
        """The request itself, while its body is kept; raises Undecipherable."""
        return parse_request(self._cipher.open_properties("body", entry.body))

    def fiscal_code_of(self, entry: Entry) -> str:
        """The recipient's fiscal code; raises Undecipherable."""
        return self._cipher.open(entry.sealed_fiscal_code).decode()

    def _new(self, request: MessageRequest) -> Entry:
        at, fiscal_code = self._clock(), request.fiscal_code.encode()
        return Entry(
            request_id=request.request_id,
            state=State.REQUESTED,
            service=request.service,
            feature_level_type=request.feature_level_type,
            recipient=self._cipher.digest(fiscal_code),
            sealed_fiscal_code=self._cipher.seal(fiscal_code),
            content_digest=self._cipher.digest(request.canonical_bytes()),
            created_at=at,
            updated_at=at,
            waiting_since=max(request.not_before or at, at),
            has_payment=request.content.payment_data is not None,
            campaign=request.campaign,
            in_reply_to=request.in_reply_to,
            due_date=request.content.due_date,
            expires_at=request.expires_at,
            next_at=request.not_before,
            traceparent=telemetry.traceparent(request.traceparent),
            history=_recorded((), Step(State.REQUESTED), at),
            body=self._cipher.seal_properties("body", request.to_json().encode()),
        )

    async def _write(self, entry: Entry) -> Entry:
        values = _values(entry)
        if entry.row is None:
            partition, key = _partition(entry.request_id), entry.request_id
            etag = await self._table.insert(partition, key, values)
        else:
            partition, key = entry.row.partition, entry.row.key
            etag = await self._table.replace(entry.row, values)
        return replace(entry, row=Row(partition, key, values, etag))


def is_full(entry: Entry) -> bool:
    """Whether the history has no room for one more life of the request."""
    return len(json.dumps(entry.history)) > MOST_HISTORY - MOST_DEFERRALS * 200


def _partition(request_id: str) -> str:
    # 256 partitions: a table partition takes 2,000 rows a second (Azure Table scalability targets).
    return hashlib.sha256(request_id.encode()).hexdigest()[:2]


def _state_after(state: State, step: Step) -> State:
    if step.what in NEXT.get(state, ()):
        return State(step.what)
    if state in SIGHTINGS.get(step.what, ()):
        return state
    raise IllegalStep(f"{IllegalStep.__doc__} ({state} -> {step.what})")


def _recorded(
    history: tuple[Mapping[str, Any], ...], step: Step, at: datetime
) -> tuple[Mapping[str, Any], ...]:
    """The history with one more line; a deferral repeated for the same reason only counts up."""
    line: dict[str, Any] = {"at": at.isoformat(timespec="milliseconds"), "what": str(step.what)}
    line |= {"reason": step.reason} if step.reason else {}
    line |= {"http_status": step.http_status} if step.http_status else {}
    line |= {"reminder": step.reminder} if step.reminder else {}
    earlier = history[:-1] if history and history[-1]["what"] == State.SENDING else history
    if step.what == State.DEFERRED and earlier and _same_deferral(earlier[-1], step):
        return (*earlier[:-1], {**line, "times": earlier[-1].get("times", 1) + 1})
    return _folded((*history, line))


def _folded(history: tuple[Mapping[str, Any], ...]) -> tuple[Mapping[str, Any], ...]:
    """The history with the two oldest deferrals in one line, when there are too many."""
    deferrals = [at for at, line in enumerate(history) if line["what"] == State.DEFERRED]
    if len(deferrals) <= MOST_DEFERRALS:
        return history
    first, second = deferrals[:2]
    times = sum(history[at].get("times", 1) for at in (first, second))
    both = {"at": history[second]["at"], "what": str(State.DEFERRED), "reason": OTHER, "times": times}
    return (*history[:first], *history[first + 1 : second], both, *history[second + 1 :])


def _same_deferral(line: Mapping[str, Any], step: Step) -> bool:
    return line["what"] == State.DEFERRED and line.get("reason") == step.reason


def _values(entry: Entry) -> dict[str, Any]:
    columns = {item.name: getattr(entry, item.name) for item in fields(entry)}
    body, _ = columns.pop("body"), columns.pop("row")
    columns |= {"state": str(entry.state), "history": json.dumps(entry.history)}
    return {name: value for name, value in (columns | body).items() if value is not None}


def entry_of(row: Row) -> Entry:
    """The entry that a row of the ledger holds."""
    names = {item.name for item in fields(Entry)}
    columns = {name: value for name, value in row.values.items() if name in names}
    body = {name: value for name, value in row.values.items() if name.startswith("body")}
    columns |= {"state": State(row.values["state"]), "history": tuple(json.loads(row.values["history"]))}
    return Entry(**columns, body=body, row=row)
