"""The ledger: holds what is known of every request, and alone decides which worker may send it."""

import hashlib
import json
import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final, NamedTuple

import telemetry
from contract.fields import Language
from contract.reference import AttemptResult
from contract.request import MessageRequest, parse_request
from storage.cipher import Cipher
from storage.queues import requests_queue, sends_queue
from storage.table import AlreadyThere, Changed, Row, Table, Unanswered

TABLE: Final = "ledger"

# SENDING lasts only as long as one POST. If the lease expires, the result of the POST is unknown.
LEASE = timedelta(seconds=180)


# An entry that this process has checked is used for its send within this time, instead of a read. At most so
# many are held. A stale one does no harm: the claim is conditional on the row as it was written.
REMEMBERED = timedelta(seconds=60)
MOST_REMEMBERED = 500

# A column holds 32 K characters (Azure Table data model). While IO is unavailable, deferrals come by the
# hundred, for alternating reasons. The oldest deferrals are merged into one line to leave room for the
# others.
MOST_DEFERRALS = 40
MOST_HISTORY = 28_000
OTHER: Final = "various"
REDRIVEN: Final = "redriven"
_BURIED_AT: Final = "buried_at"


class State(StrEnum):
    """The state of a request. docs/flow.md draws the steps between states."""

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


GIVEN_UP = frozenset({State.REFUSED, State.DEAD})  # an operator must decide
NEVER_SENT = frozenset({State.SKIPPED, State.EXPIRED})
WAITING = frozenset({State.REQUESTED, State.DEFERRED})
DELIVERED = frozenset({State.PROCESSED, State.READ, State.PAID})
MISSING: Final = "MISSING"
UNCONFIRMED: Final = "UNCONFIRMED"
REMINDED, NOT_REMINDED = "REMINDED", "NOT_REMINDED"
# Facts about a message that come in any order: PAID may be seen before READ. IO may not know a message that
# it accepted, or may never report its result. Decisions on reminders are not states either.
SIGHTINGS: Mapping[str, frozenset[State]] = {
    "READ": DELIVERED,
    "READ_UNAVAILABLE": DELIVERED,
    "PAID": DELIVERED,
    MISSING: DELIVERED | {State.ACCEPTED},
    UNCONFIRMED: frozenset({State.ACCEPTED}),
    REMINDED: DELIVERED | {State.ACCEPTED},
    NOT_REMINDED: DELIVERED | {State.ACCEPTED, State.REJECTED, State.FAILED},
}
AFTER_WAITING = frozenset(
    {State.SENDING, State.DEFERRED, State.REFUSED, State.SKIPPED, State.EXPIRED, State.DEAD}
)
NEXT: Mapping[State, frozenset[State]] = {
    State.REQUESTED: AFTER_WAITING,
    State.DEFERRED: AFTER_WAITING,
    State.SENDING: frozenset({State.ACCEPTED, State.DEFERRED, State.REFUSED, State.IN_DOUBT}),
    State.IN_DOUBT: frozenset({State.ACCEPTED, State.REFUSED, State.DEFERRED}),
    State.REFUSED: frozenset({State.REQUESTED}),
    State.DEAD: frozenset({State.REQUESTED}),
    State.ACCEPTED: frozenset({State.PROCESSED, State.REJECTED, State.FAILED}),
    State.PROCESSED: frozenset({State.READ, State.PAID}),
    State.READ: frozenset({State.PAID}),
}


class IllegalStep(Exception):
    """The ledger does not allow this step from the request's current state."""


class DifferentContent(Exception):
    """This request_id belongs to a request with other content. One request_id is one message, for ever."""


class Buried(Exception):
    """Of this request the ledger keeps the request_id alone, which is never sent again. Drop every copy."""

    def __init__(self, request_id: str) -> None:
        super().__init__(f"only the tombstone of {request_id} is left")


class LostRace(Exception):
    """Another worker holds the lease or has moved the request on, so this worker stops."""


class Step(NamedTuple):
    """One line of a request's history: a state that the request entered, or a fact that was seen.

    reminder: the request_id of the reminder that the step decides on.
    """

    what: str
    reason: str | None = None
    http_status: int | None = None
    reminder: str | None = None


@dataclass(frozen=True)
class Entry:
    """One row. The fiscal code and the body are encrypted. Times are UTC. `history` holds dated steps."""

    request_id: str
    state: State
    service: str
    feature_level_type: str
    recipient: str  # keyed hash of the fiscal code
    sealed_fiscal_code: bytes
    content_digest: str
    created_at: datetime
    updated_at: datetime
    waiting_since: datetime  # the maximum age counts from here
    has_payment: bool = False
    notice: str | None = None  # keyed hash of the notice number
    campaign: str | None = None
    in_reply_to: str | None = None
    remote_content_id: str | None = None  # third_party_data.id: cannot be guessed
    priority: str | None = None  # "bulk"
    due_date: datetime | None = None
    expires_at: datetime | None = None
    traceparent: str | None = None
    attempt: int = 0  # number of claims so far
    owner: str | None = None  # random id of the newest attempt
    language: Language | None = None  # of the newest attempt
    lease_until: datetime | None = None
    sequence: int = 0  # a queue message with a lower one is a stale copy
    failures: int = 0  # counted by deferral.py; sets only the retry delay
    next_at: datetime | None = None  # no try before this time
    message_id: str | None = None
    status: str | None = None
    read_status: str | None = None
    payment_status: str | None = None
    settled_at: datetime | None = None  # when the notice was paid, according to the creditor
    may_remind: bool = False  # the body is kept as long as reminders may come
    history: tuple[Mapping[str, Any], ...] = ()
    body: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    mark: str | None = None  # random id of the newest write, in case its answer is lost
    row: Row | None = field(default=None, repr=False, compare=False)

    @property
    def is_bulk(self) -> bool:
        """Whether the request gives way to those that are not bulk."""
        return self.priority == "bulk"

    @property
    def requests_queue(self) -> str:
        """The queue on which the request waits for its recipient check."""
        return requests_queue(self.priority)

    @property
    def sends_queue(self) -> str:
        """The queue on which the request waits to be sent."""
        return sends_queue(self.priority)

    @property
    def accepted_at(self) -> datetime | None:
        """When IO accepted the message; None before that."""
        times = [step["at"] for step in self.history if step["what"] == State.ACCEPTED]
        return datetime.fromisoformat(times[0]) if times else None

    def has(self, what: str) -> bool:
        """Return whether a line of the history says `what`."""
        return any(line["what"] == what for line in self.history)

    def awaits(self, result: AttemptResult) -> bool:
        """Return whether the ledger still lacks the result of this attempt.

        "Not sent" does not resolve IN_DOUBT, because an operator may have allowed a resend meanwhile.
        """
        if self.owner != result.owner:
            return False
        is_evidence = result.what in (State.ACCEPTED, State.REFUSED)
        return self.state is State.SENDING or (self.state is State.IN_DOUBT and is_evidence)

    @property
    def last_step(self) -> Mapping[str, Any]:
        """The newest line of the history."""
        return self.history[-1]


class Tombstone(NamedTuple):
    """All that is left of a request: its id, which stays refused, its last state and when it was buried."""

    request_id: str
    state: State
    buried_at: datetime
    campaign: str | None = None


class Pending(NamedTuple):
    """A request that has not reached its end, with the time of its last change and IO's id, if known."""

    state: State
    service: str
    updated_at: datetime
    message_id: str | None = None


class Watcher:
    """Learns of every row that was written, by its columns. Must neither fail nor wait. This one forgets."""

    def note(self, before: Mapping[str, Any] | None, after: Mapping[str, Any]) -> None:
        """Learn that a row was written. `before`: its columns before that, None for a new row."""

    def doubt(self, row: Mapping[str, Any]) -> None:
        """Learn that nobody will know whether this row was written."""


class Ledger:
    """Reads requests and takes conditional steps on them. `clock` gives the time in UTC."""

    def __init__(
        self, table: Table, cipher: Cipher, clock: Callable[[], datetime], watcher: Watcher | None = None
    ) -> None:
        self._table = table
        self._cipher = cipher
        self._clock = clock
        self._remembered: dict[str, Entry] = {}
        self._watcher = watcher or Watcher()

    def remember(self, entry: Entry) -> None:
        """Hold an entry for the send of its request, which usually follows in this process."""
        self._remembered[entry.request_id] = entry
        if len(self._remembered) > MOST_REMEMBERED:
            del self._remembered[next(iter(self._remembered))]

    async def recall(self, request_id: str, sequence: int) -> Entry | None:
        """Return the entry as `get` does, or without a read if it was remembered lately. Raises Unanswered.

        The entry may be stale: decide nothing by it but a conditional write. One of another sequence than the
        reference is read: by a lower one, a copy put back on the queue would look stale and be dropped.
        """
        entry = self._remembered.pop(request_id, None)
        if entry and entry.sequence == sequence and self._clock() - entry.updated_at < REMEMBERED:
            return entry
        return await self.get(request_id)

    async def get(self, request_id: str) -> Entry | None:
        """Return the entry of a request, or None. Raises Unanswered."""
        found = await self.find(request_id)
        return found if isinstance(found, Entry) else None

    async def find(self, request_id: str) -> Entry | Tombstone | None:
        """Return what there is of a request, its tombstone too; None if it may be sent. Raises Unanswered."""
        row = await self._table.get(_partition(request_id), request_id)
        if row is None:
            return None
        if is_buried(row):
            return _tombstone_of(row)
        return entry_of(row) if is_entry(row) else None

    async def columns(self, *columns: str, campaign: str | None = None) -> AsyncIterator[Mapping[str, Any]]:
        """Yield these columns of every request, or of a campaign's. Scans the table. Raises Unanswered."""
        condition, parameters = ("campaign eq @campaign", {"campaign": campaign}) if campaign else ("", {})
        async for row in self._table.rows(condition, columns=[*columns, _BURIED_AT], **parameters):
            if is_entry(row):
                yield row.values

    async def pending(self) -> AsyncIterator[Pending]:
        """Yield requests that wait, are in doubt, or were accepted and not delivered. Scans four columns."""
        states = [*WAITING, State.IN_DOUBT, State.ACCEPTED]
        condition = " or ".join(f"state eq @state{number}" for number in range(len(states)))
        wanted = {f"state{number}": str(state) for number, state in enumerate(states)}
        columns = [*Pending._fields]
        async for row in self._table.rows(condition, columns=[*columns, _BURIED_AT], **wanted):
            if is_entry(row):
                values = {name: row.values[name] for name in columns if name in row.values}
                yield Pending(**{**values, "state": State(values["state"])})

    async def entries(self, **equal: str) -> AsyncIterator[Entry]:
        """Yield the entries whose columns equal these values. Scans the table. Raises Unanswered."""
        condition = " and ".join(f"{column} eq @{column}" for column in equal)
        async for row in self._table.rows(condition, **equal):
            if is_entry(row):
                yield entry_of(row)

    async def recipients(self) -> AsyncIterator[tuple[str, str]]:
        """Yield the request_id and the recipient's keyed hash of every request. Scans one column."""
        async for row in self._table.rows("", columns=["recipient"]):
            if row.values.get("recipient"):
                yield row.key, row.values["recipient"]

    async def bury(self, entry: Entry) -> None:
        """Leave a tombstone in the place of an entry. Idempotent. Raises LostRace, Unanswered."""
        assert entry.row, "only what was read is buried"
        self._remembered.pop(entry.request_id, None)
        try:
            await self._table.replace(entry.row, self._tombstone(entry.state, entry.campaign))
        except Changed:
            if await self.tombstone(entry.request_id) is None:
                raise LostRace(LostRace.__doc__) from None

    async def bury_ahead(self, request_id: str) -> None:
        """Leave a tombstone for a request that has not come yet, unless it has. Raises Unanswered."""
        partition = _partition(request_id)
        row = await self._table.get(partition, request_id)
        if row is None or row.values.get("state") is None:
            await self._table.write(partition, request_id, row, self._tombstone(State.SKIPPED, None))

    async def tombstone(self, request_id: str) -> Tombstone | None:
        """Return the tombstone of a request, or None. Raises Unanswered."""
        found = await self.find(request_id)
        return found if isinstance(found, Tombstone) else None

    async def remove_remains(
        self, request_id: str, ends: Callable[[Row], datetime], now: datetime
    ) -> datetime | None:
        """Remove a tombstone, or a settlement whose request has not come, and return None.

        `ends`: when such a row ends. One that ends after `now` stays, and its end is returned. Raises
        Changed, Unanswered.
        """
        row = await self._table.get(_partition(request_id), request_id)
        if row is None or is_entry(row):
            return None
        if (end := ends(row)) > now:
            return end
        await self._table.delete_as_read(row.partition, row.key, row.etag)
        return None

    def _tombstone(self, state: State, campaign: str | None) -> dict[str, Any]:
        """Return the columns that stay: no recipient, no content, and the counts of a campaign."""
        kept = {"state": str(state), _BURIED_AT: self._clock(), "campaign": campaign}
        return {name: value for name, value in kept.items() if value is not None}

    async def open(self, request: MessageRequest) -> Entry:
        """Record a request once. A repeated request gets the existing entry, with its history.

        A request that was settled before it came is PAID from its start. Raises DifferentContent, Buried,
        Unanswered.
        """
        entry = self._new(request)
        while True:
            try:
                return await self._write(entry)
            except Unanswered:
                self._watcher.doubt(_values(entry))
                raise
            except (AlreadyThere, Changed):
                row = await self._table.get(_partition(request.request_id), request.request_id)
            if row and row.values.get("mark") == entry.mark:  # our own insert, whose answer was lost
                self._watcher.note(None, row.values)
            if row and is_buried(row):
                raise Buried(request.request_id)
            if row is None:  # a tombstone or a settlement whose period ended meanwhile
                entry = replace(entry, row=None, payment_status=None, settled_at=None)
            elif is_entry(row):
                return self._opened(row, request)
            else:
                entry = replace(entry, row=row, payment_status="PAID", settled_at=row.values["settled_at"])

    async def settle_ahead(self, request_id: str, paid_at: datetime) -> Entry | None:
        """Keep the settlement of a request that has not come yet, in the place of its entry.

        Returns the entry if the request has come meanwhile. The first of several settlements counts. Raises
        Buried, Unanswered.
        """
        settlement = {"settled_at": paid_at, "told_at": self._clock()}
        if await self._table.write(_partition(request_id), request_id, None, settlement):
            return None
        if await self.tombstone(request_id):
            raise Buried(request_id)
        return await self.get(request_id)

    def draft(self, entry: Entry, *steps: Step, **changes: Any) -> Entry:
        """Return the entry as it will be after these steps. Raises IllegalStep."""
        at = self._clock()
        after = replace(entry, updated_at=at, mark=secrets.token_hex(8), **changes)
        for step in steps:
            state = _state_after(after.state, step)
            after = replace(after, state=state, history=_recorded(after.history, step, at))
        return after

    async def commit(self, planned: Entry) -> Entry:
        """Write a planned entry if its row is still as it was read. Raises LostRace, Unanswered.

        The mark identifies a write whose answer was lost.
        """
        try:
            return await self._write(planned)
        except (Changed, Unanswered) as error:
            if there := await self._written_after_all(planned):
                return there
            if isinstance(error, Unanswered):
                self._watcher.doubt(_values(planned))
                raise
        raise LostRace(LostRace.__doc__)

    async def advance(self, entry: Entry, *steps: Step, **changes: Any) -> Entry:
        """Plan and commit. Raises LostRace, IllegalStep, Unanswered."""
        return await self.commit(self.draft(entry, *steps, **changes))

    def intent(self, entry: Entry, language: Language | None = None) -> Entry:
        """Return the entry, claimed by this worker with a lease. Commit it before sending anything."""
        return self.draft(
            entry,
            Step(State.SENDING),
            owner=secrets.token_hex(16),
            attempt=entry.attempt + 1,
            lease_until=self._clock() + LEASE,
            language=language,
            next_at=None,
        )

    def same_content(self, entry: Entry, request: MessageRequest) -> bool:
        """Return whether the request asks for the same message as the entry. Raises Undecipherable."""
        if self._cipher.matches(entry.content_digest, request.canonical_bytes()):
            return True
        self.fiscal_code_of(entry)  # with a key missing, no content would ever match
        return False

    def request_of(self, entry: Entry) -> MessageRequest:
        """Return the request itself, while its body is kept. Raises Undecipherable."""
        return parse_request(self._cipher.open_properties("body", entry.body))

    def digests_of(self, fiscal_code: str) -> list[str]:
        """Return the keyed hashes under which a person's entries may stand, one for each key of the ring."""
        return self._cipher.digests(fiscal_code.encode())

    def fiscal_code_of(self, entry: Entry) -> str:
        """Return the recipient's fiscal code. Raises Undecipherable."""
        return self._cipher.open(entry.sealed_fiscal_code).decode()

    def recipient_of(self, entry: Entry) -> str:
        """Return the recipient's keyed hash as new entries have it. Raises Undecipherable."""
        return self._cipher.digest(self.fiscal_code_of(entry).encode())

    def _new(self, request: MessageRequest) -> Entry:
        at, fiscal_code = self._clock(), request.fiscal_code.encode()
        payment = request.content.payment_data
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
            has_payment=payment is not None,
            notice=self._cipher.digest(payment.notice_number.encode()) if payment else None,
            campaign=request.campaign,
            in_reply_to=request.in_reply_to,
            remote_content_id=secrets.token_urlsafe(32) if request.remote_content else None,
            priority=request.priority,
            due_date=request.content.due_date,
            expires_at=request.expires_at,
            next_at=request.not_before,
            traceparent=telemetry.traceparent(request.traceparent),
            history=_recorded((), Step(State.REQUESTED), at),
            body=self._cipher.seal_properties("body", request.to_json().encode()),
            mark=secrets.token_hex(8),
        )

    def _opened(self, row: Row, request: MessageRequest) -> Entry:
        there = entry_of(row)
        if not self.same_content(there, request):
            raise DifferentContent(DifferentContent.__doc__)
        return there

    async def _written_after_all(self, planned: Entry) -> Entry | None:
        """Return the entry if the row shows the planned write, whose answer was lost."""
        try:
            there = await self.get(planned.request_id)
        except Unanswered:
            self._watcher.doubt(_values(planned))
            raise
        if there is None or there.row is None or there.mark != planned.mark:
            return None
        self._watcher.note(planned.row.values if planned.row else None, there.row.values)
        return there

    async def _write(self, entry: Entry) -> Entry:
        values = _values(entry)
        if entry.row is None:
            partition, key = _partition(entry.request_id), entry.request_id
            etag = await self._table.insert(partition, key, values)
        else:
            partition, key = entry.row.partition, entry.row.key
            etag = await self._table.replace(entry.row, values)
        self._watcher.note(entry.row.values if entry.row else None, values)
        return replace(entry, row=Row(partition, key, values, etag))


def is_full(entry: Entry) -> bool:
    """Return whether the history has no room for another resend or redrive of the request."""
    return len(json.dumps(entry.history)) > MOST_HISTORY - MOST_DEFERRALS * 200


def _partition(request_id: str) -> str:
    # 256 partitions; a table partition takes 2,000 rows per second (Azure Table scalability targets).
    return hashlib.sha256(request_id.encode()).hexdigest()[:2]


def is_entry(row: Row) -> bool:
    """Return whether the row holds a request, not its tombstone or a settlement that came before it."""
    return row.values.get("state") is not None and not is_buried(row)


def _tombstone_of(row: Row) -> Tombstone:
    names = {*Tombstone._fields}
    values = {name: value for name, value in row.values.items() if name in names}
    return Tombstone(row.key, **{**values, "state": State(values["state"])})


def is_buried(row: Row) -> bool:
    """Return whether the row is a tombstone."""
    return row.values.get(_BURIED_AT) is not None


def _state_after(state: State, step: Step) -> State:
    if step.what in NEXT.get(state, ()):
        return State(step.what)
    if state in SIGHTINGS.get(step.what, ()):
        return state
    raise IllegalStep(f"{IllegalStep.__doc__} ({state} -> {step.what})")


def _recorded(
    history: tuple[Mapping[str, Any], ...], step: Step, at: datetime
) -> tuple[Mapping[str, Any], ...]:
    """Return the history with one more line. A deferral repeated for the same reason only counts up."""
    line: dict[str, Any] = {"at": at.isoformat(timespec="milliseconds"), "what": str(step.what)}
    line |= {"reason": step.reason} if step.reason else {}
    line |= {"http_status": step.http_status} if step.http_status else {}
    line |= {"reminder": step.reminder} if step.reminder else {}
    earlier = history[:-1] if history and history[-1]["what"] == State.SENDING else history
    if step.what == State.DEFERRED and earlier and _same_deferral(earlier[-1], step):
        last = earlier[-1]
        repeated = {"since": last.get("since", last["at"]), "times": last.get("times", 1) + 1}
        return (*earlier[:-1], line | repeated)
    return _folded((*history, line))


def _folded(history: tuple[Mapping[str, Any], ...]) -> tuple[Mapping[str, Any], ...]:
    """Return the history, with the two oldest deferrals in one line if there are too many."""
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


def told_at(row: Row) -> datetime:
    """Return when the settlement came that a row holds in place of an entry."""
    # An earlier version kept only the time of payment.
    return row.values.get("told_at", row.values["settled_at"])  # type: ignore[no-any-return]


def entry_of(row: Row) -> Entry:
    """Return the entry that a row of the ledger holds."""
    names = {item.name for item in fields(Entry)}
    columns = {name: value for name, value in row.values.items() if name in names}
    body = {name: value for name, value in row.values.items() if name.startswith("body")}
    columns |= {"state": State(row.values["state"]), "history": tuple(json.loads(row.values["history"]))}
    return Entry(**columns, body=body, row=row)
