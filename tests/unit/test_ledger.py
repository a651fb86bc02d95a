"""The ledger: its allowed steps, its races, its lost answers, and its columns."""

import json
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from itertools import product

import pytest

from storage.cipher import Undecipherable
from storage.ledger import (
    LEASE,
    MOST_REMEMBERED,
    DifferentContent,
    Entry,
    IllegalStep,
    Ledger,
    LostRace,
    State,
    Step,
)
from storage.table import Changed, Unanswered
from tests.fake_app import FakeApp
from tests.fakes import Died
from tests.samples import KEYS, a_cipher, a_request, payment, personal_data_in

UNSENT = "SENDING DEFERRED REFUSED SKIPPED EXPIRED DEAD"
ALLOWED = {
    "REQUESTED": UNSENT,
    "DEFERRED": UNSENT,
    "SENDING": "ACCEPTED DEFERRED REFUSED IN_DOUBT",
    "IN_DOUBT": "ACCEPTED REFUSED DEFERRED",
    "REFUSED": "REQUESTED",
    "DEAD": "REQUESTED",
    "ACCEPTED": "PROCESSED REJECTED FAILED",
    "PROCESSED": "READ PAID",
    "READ": "PAID",
}
SEEN = {
    *product(("PROCESSED", "READ", "PAID"), ("READ", "READ_UNAVAILABLE", "PAID", "MISSING")),
    ("ACCEPTED", "MISSING"),
}
MOVES = {(state, word) for state, words in ALLOWED.items() for word in words.split()}
WORDS = [*map(str, State), "READ_UNAVAILABLE", "MISSING", "NONSENSE"]


@pytest.fixture
def app() -> FakeApp:
    return FakeApp()


@pytest.fixture
async def entry(app: FakeApp) -> Entry:
    return await app.ledger.open(a_request())


@pytest.fixture
async def claimed(app: FakeApp, entry: Entry) -> Entry:
    return await app.claim(entry)


def _plan(app: FakeApp, entry: Entry, state: str, word: str) -> Entry:
    return app.ledger.draft(replace(entry, state=State(state)), Step(word))


@pytest.mark.parametrize(("state", "word"), sorted(MOVES))
async def test_allowed_step_moves_to_its_state(app: FakeApp, entry: Entry, state: str, word: str) -> None:
    """Each allowed step leads to its state, and adds a dated line to the history."""
    planned = _plan(app, entry, state, word)
    assert planned.state == word
    assert planned.last_step == {"at": "2026-11-24T09:00:00.000+00:00", "what": word}


@pytest.mark.parametrize(("state", "word"), sorted(SEEN - MOVES))
async def test_fact_about_a_message_at_io_leaves_its_state(
    app: FakeApp, entry: Entry, state: str, word: str
) -> None:
    """A fact about a message at IO is recorded in any order and leaves the state unchanged."""
    planned = _plan(app, entry, state, word)
    assert (planned.state, planned.last_step["what"]) == (state, word)


@pytest.mark.parametrize(("state", "word"), sorted({*product(State, WORDS)} - MOVES - SEEN))
async def test_every_other_step_is_illegal(app: FakeApp, entry: Entry, state: str, word: str) -> None:
    """Every other step raises IllegalStep."""
    with pytest.raises(IllegalStep, match=rf"\({state} -> {word}\)"):
        _plan(app, entry, state, word)


async def test_illegal_step_writes_nothing(app: FakeApp, entry: Entry) -> None:
    """An illegal step leaves the row unchanged."""
    with pytest.raises(IllegalStep):
        await app.ledger.advance(entry, Step(State.SENDING), Step(State.PROCESSED))
    assert app.entry() == entry


async def test_open_writes_a_request_down(app: FakeApp) -> None:
    """A new request starts as REQUESTED with the columns that later steps need."""
    request = a_request(
        content=payment() | {"due_date": "2026-12-01T22:59:59Z"},
        feature_level_type="ADVANCED",
        service="tributi",
        not_before="2026-11-25T08:00:00Z",
        expires_at="2026-11-30T08:00:00Z",
    )
    entry = await app.ledger.open(request)
    assert entry == app.entry()
    assert (entry.state, entry.attempt, entry.sequence, entry.failures) == (State.REQUESTED, 0, 0, 0)
    assert (entry.service, entry.feature_level_type, entry.has_payment) == ("tributi", "ADVANCED", True)
    assert (entry.next_at, entry.expires_at) == (request.not_before, request.expires_at)
    assert (entry.campaign, entry.traceparent) == (request.campaign, request.traceparent)
    assert (entry.due_date, entry.created_at) == (request.content.due_date, app.clock())
    assert app.ledger.request_of(entry) == request
    assert app.ledger.fiscal_code_of(entry) == request.fiscal_code


async def test_open_again_returns_what_the_request_went_through(app: FakeApp, claimed: Entry) -> None:
    """Opening the same request again returns its present entry and writes nothing."""
    sent = await app.ledger.advance(claimed, Step(State.ACCEPTED), message_id="M1", body={})
    assert await app.ledger.open(a_request(traceparent=None)) == sent
    assert app.entry() == sent


@pytest.mark.parametrize("change", [{"campaign": "other"}, {"content": payment()}, {"service": "tributi"}])
async def test_open_with_other_content_is_refused(
    app: FakeApp, entry: Entry, change: dict[str, object]
) -> None:
    """Opening a known request_id with other content raises DifferentContent and changes nothing."""
    with pytest.raises(DifferentContent):
        await app.ledger.open(a_request(**change))
    assert app.entry() == entry


async def test_open_after_a_rotation_still_knows_the_request(app: FakeApp, entry: Entry) -> None:
    """After a key rotation, a known request is still recognised and another content still refused."""
    rotated = Ledger(app.ledger_table, a_cipher(KEYS[::-1]), app.clock)
    assert await rotated.open(a_request()) == entry
    with pytest.raises(DifferentContent):
        await rotated.open(a_request(campaign="other"))


async def test_open_whose_answer_was_lost_finds_its_own_row(app: FakeApp) -> None:
    """A request whose insert succeeded but lost its answer counts as opened."""
    app.steps.fail_after(Unanswered())
    with pytest.raises(Unanswered):
        await app.ledger.open(a_request())
    assert (await app.ledger.open(a_request())).state is State.REQUESTED
    assert app.history() == ["REQUESTED"]


async def test_settlement_before_its_request_is_in_the_entry(app: FakeApp) -> None:
    """A request that was settled before it came is opened as paid, at the first settlement's time."""
    paid_at = app.clock() - timedelta(days=1)
    assert await app.ledger.settle_ahead("r-1", paid_at) is None
    assert await app.ledger.settle_ahead("r-1", app.clock()) is None
    entry = await app.ledger.open(a_request(content=payment()))
    assert entry == app.entry()
    assert (entry.state, entry.settled_at, entry.payment_status) == (State.REQUESTED, paid_at, "PAID")
    assert await app.ledger.open(a_request(content=payment())) == entry
    with pytest.raises(DifferentContent):
        await app.ledger.open(a_request())


async def test_settlement_before_its_request_is_no_request(app: FakeApp) -> None:
    """A settlement whose request has not come is not read as an entry, counted or listed."""
    await app.ledger.settle_ahead("r-1", app.clock())
    assert await app.ledger.get("r-1") is None
    assert [one async for one in app.ledger.columns("state")] == []
    assert [one async for one in app.ledger.pending()] == []
    assert [one async for one in app.ledger.entries()] == []


async def test_settlement_of_a_request_that_came_meanwhile_finds_it(app: FakeApp, entry: Entry) -> None:
    """A settlement that is kept too late gets the entry, and changes nothing."""
    assert await app.ledger.settle_ahead("r-1", app.clock()) == entry
    assert app.entry() == entry


@pytest.mark.parametrize("answer", [Unanswered(), Changed()])
async def test_settled_request_whose_answer_was_lost_is_opened(app: FakeApp, answer: Exception) -> None:
    """A request that replaced its settlement counts as opened, although the answer was lost."""
    await app.ledger.settle_ahead("r-1", app.clock())
    app.steps.fail_after(answer, skip=2)
    with suppress(Unanswered):
        await app.ledger.open(a_request())
    assert app.steps.to_come == 0
    assert await app.ledger.open(a_request()) == app.entry()
    assert (app.entry().settled_at, app.history()) == (app.clock(), ["REQUESTED"])


@pytest.mark.parametrize("skip", [1, 2], ids=["before the read", "before the write"])
async def test_request_whose_settlement_ends_at_that_moment_is_opened(app: FakeApp, skip: int) -> None:
    """A row that its period ends while the request comes is no other request."""
    await app.ledger.settle_ahead("r-1", app.clock())
    app.steps.do_before(app.ledger_table.rows_by_key.clear, skip=skip)
    entry = await app.ledger.open(a_request())
    assert (entry.state, entry.settled_at, entry.payment_status) == (State.REQUESTED, None, None)
    assert app.entry() == entry


async def test_only_one_of_two_claims_wins(app: FakeApp) -> None:
    """Of two workers that opened the same request, one claims it and the other gets LostRace."""
    mine, yours = await app.ledger.open(a_request()), await app.ledger.open(a_request())
    won = await app.claim(yours)
    with pytest.raises(LostRace):
        await app.claim(mine)
    assert app.entry() == won
    assert (won.state, won.attempt, won.lease_until) == (State.SENDING, 1, app.clock() + LEASE)


async def test_claim_clears_the_wait_and_names_a_new_owner_each_time(app: FakeApp, claimed: Entry) -> None:
    """A claim after a deferral clears next_at and has its own owner and attempt number."""
    later = app.clock() + timedelta(minutes=1)
    deferred = await app.ledger.advance(claimed, Step(State.DEFERRED, "unreachable"), next_at=later)
    again = await app.claim(deferred)
    assert (deferred.next_at, again.next_at, again.attempt) == (later, None, 2)
    assert again.owner != claimed.owner


@pytest.mark.parametrize("answer", [Unanswered(), Changed()])
async def test_write_whose_answer_was_lost_is_known_by_its_mark(
    app: FakeApp, entry: Entry, answer: Exception
) -> None:
    """A claim that was written counts, although its answer was lost or the SDK's retry failed."""
    app.steps.fail_after(answer)
    claimed = await app.claim(entry)
    assert claimed == app.entry()
    assert (await app.ledger.advance(claimed, Step(State.ACCEPTED))).state is State.ACCEPTED


async def test_write_that_did_not_happen_is_not_taken_for_done(app: FakeApp, entry: Entry) -> None:
    """A claim that got no answer and was not written raises Unanswered."""
    app.steps.fail_before(Unanswered())
    with pytest.raises(Unanswered):
        await app.claim(entry)
    assert app.entry() == entry


async def test_lost_answer_followed_by_another_worker_is_not_mine(app: FakeApp, entry: Entry) -> None:
    """A row that another worker wrote meanwhile is not mistaken for this worker's write."""
    await app.claim(entry)
    app.steps.fail_before(Changed())
    with pytest.raises(LostRace):
        await app.claim(entry)


async def test_row_that_went_away_is_not_mine(app: FakeApp, entry: Entry) -> None:
    """A request that was erased meanwhile is not written again."""
    app.ledger_table.rows_by_key.clear()
    with pytest.raises(LostRace):
        await app.ledger.advance(entry, Step(State.SKIPPED))
    assert not app.ledger_table.rows_by_key


async def test_storage_that_stays_silent_is_unanswered(app: FakeApp, entry: Entry) -> None:
    """If the row cannot be read back after a failed write, the claim raises Unanswered."""
    app.steps.fail_after(Changed())
    app.steps.fail_before(Unanswered(), skip=1)
    with pytest.raises(Unanswered):
        await app.claim(entry)


async def test_step_from_a_state_that_has_gone_is_not_mine(app: FakeApp, claimed: Entry) -> None:
    """A worker with a stale entry gets LostRace, and the row stays unchanged."""
    accepted = await app.ledger.advance(claimed, Step(State.ACCEPTED), message_id="M1")
    with pytest.raises(LostRace):
        await app.ledger.advance(claimed, Step(State.IN_DOUBT, "lease_over"))
    assert app.entry() == accepted


async def test_deferral_repeated_only_counts_up(app: FakeApp, entry: Entry) -> None:
    """A deferral that repeats for the same reason is one history line with a count."""
    for _ in range(50):
        claimed = await app.claim(entry)
        app.clock.advance(minutes=1)
        entry = await app.ledger.advance(claimed, Step(State.DEFERRED, "unreachable"))
    assert app.history() == ["REQUESTED", "SENDING", "DEFERRED"]
    assert entry.last_step["times"] == 50
    assert entry.last_step["at"] == app.clock().isoformat(timespec="milliseconds")
    assert entry.attempt == 50


async def test_deferral_before_sending_repeated_only_counts_up(app: FakeApp, entry: Entry) -> None:
    """A repeated deferral before any claim is one line with a count too."""
    for _ in range(3):
        entry = await app.ledger.advance(entry, Step(State.DEFERRED, "timeout"))
    assert app.history() == ["REQUESTED", "DEFERRED"]
    assert entry.last_step["times"] == 3


async def test_deferral_for_another_reason_is_another_line(app: FakeApp, entry: Entry) -> None:
    """A deferral for another reason is another line."""
    for reason in ("unreachable", "rate_limited", "rate_limited"):
        entry = await app.ledger.advance(await app.claim(entry), Step(State.DEFERRED, reason))
    reasons = [(line["what"], line.get("reason"), line.get("times")) for line in entry.history]
    assert reasons == [
        ("REQUESTED", None, None),
        ("SENDING", None, None),
        ("DEFERRED", "unreachable", None),
        ("SENDING", None, None),
        ("DEFERRED", "rate_limited", 2),
    ]


async def test_history_line_holds_reason_and_http_status(app: FakeApp, claimed: Entry) -> None:
    """A history line holds the reason and IO's status code."""
    entry = await app.ledger.advance(claimed, Step(State.REFUSED, "invalid_message", 400))
    assert entry.last_step["reason"] == "invalid_message"
    assert entry.last_step["http_status"] == 400
    assert entry.accepted_at is None


async def test_time_of_acceptance_outlives_later_steps(app: FakeApp, claimed: Entry) -> None:
    """The time of acceptance stays the same through later steps."""
    accepted = await app.ledger.advance(claimed, Step(State.ACCEPTED), message_id="M1")
    at = app.clock()
    app.clock.advance(days=3)
    seen = await app.ledger.advance(accepted, Step(State.PROCESSED), Step(State.READ))
    assert (seen.accepted_at, seen.updated_at) == (at, app.clock())


async def test_body_can_be_removed_and_leaves_no_column(app: FakeApp, entry: Entry) -> None:
    """A removed body leaves no column in the row."""
    await app.ledger.advance(entry, Step(State.SKIPPED, "recipient_not_found"), body={})
    (row,) = app.ledger_table.rows_by_key.values()
    assert not [column for column in row.values if column.startswith("body")]
    assert app.entry().body == {}


async def test_longest_request_fits_in_the_row(app: FakeApp) -> None:
    """A body of the maximum size takes several columns and is read back whole."""
    text = {"subject": "S" * 120, "markdown": "è" * 10_000}
    request = a_request(content=text, translations={"en_GB": text, "de_DE": text})
    entry = await app.ledger.open(request)
    assert list(entry.body) == ["body0", "body1"]
    assert app.ledger.request_of(app.entry()) == request


async def test_body_of_a_foreign_key_is_undecipherable(app: FakeApp, entry: Entry) -> None:
    """Reading an entry without the key that sealed it raises Undecipherable."""
    foreign = Ledger(app.ledger_table, a_cipher(KEYS[1:]), app.clock)
    for read in (foreign.request_of, foreign.fiscal_code_of):
        with pytest.raises(Undecipherable):
            read(entry)


async def test_row_and_repr_hold_no_personal_data(app: FakeApp) -> None:
    """Neither the keys, nor a column, nor the repr of an entry contains personal data."""
    entry = await app.ledger.open(a_request(content=payment()))
    kept = [*app.everything_kept(), ("repr", repr(entry))]
    assert len(kept) > 10
    assert not [(place, found) for place, text in kept if (found := personal_data_in(text))]


async def test_requests_spread_over_partitions_by_their_id(app: FakeApp) -> None:
    """Requests spread over the table's partitions, and each is found by its id alone."""
    for number in range(40):
        await app.ledger.open(a_request(request_id=f"r-{number}"))
    partitions = {partition for partition, _ in app.ledger_table.rows_by_key}
    assert len(partitions) > 20
    assert all(len(partition) == 2 for partition in partitions)
    assert app.entry("r-17").request_id == "r-17"


async def test_unknown_request_is_none(app: FakeApp) -> None:
    """Getting a request that was never opened returns None."""
    assert await app.ledger.get("r-1") is None


async def test_worker_that_dies_before_its_claim_leaves_the_request_free(app: FakeApp, entry: Entry) -> None:
    """A worker that crashes before its claim is written leaves the request free for the next claim."""
    app.steps.fail_before(Died())
    with pytest.raises(Died):
        await app.claim(entry)
    assert (await app.claim(app.entry())).attempt == 1


async def test_history_column_is_json_that_an_operator_can_read(app: FakeApp, claimed: Entry) -> None:
    """The history column holds the same list of lines as `show --json` prints."""
    (row,) = app.ledger_table.rows_by_key.values()
    assert [line["what"] for line in json.loads(row.values["history"])] == ["REQUESTED", "SENDING"]


async def test_checked_entry_is_recalled_once_without_a_read() -> None:
    """The entry that was just checked serves its send once without a read of the table."""
    app = FakeApp()
    entry = await app.ledger.open(a_request())
    app.ledger.remember(entry)
    reads = app.steps.done.count("ledger.get")
    assert await app.ledger.recall("r-1", 0) == entry
    assert app.steps.done.count("ledger.get") == reads
    await app.ledger.recall("r-1", 0)
    assert app.steps.done.count("ledger.get") == reads + 1


async def test_old_entry_is_read_again() -> None:
    """An entry remembered more than a minute ago is read."""
    app = FakeApp()
    entry = await app.ledger.open(a_request())
    app.ledger.remember(entry)
    app.clock.advance(seconds=60)
    after = await app.ledger.advance(entry, settled_at=app.clock())
    assert await app.ledger.recall("r-1", 0) == after


async def test_few_entries_are_remembered() -> None:
    """A process holds the newest few hundred entries."""
    app = FakeApp()
    entry = await app.ledger.open(a_request())
    for number in range(MOST_REMEMBERED + 1):
        app.ledger.remember(replace(entry, request_id=f"other-{number}"))
    assert await app.ledger.recall("other-0", 0) is None
    assert await app.ledger.recall(f"other-{MOST_REMEMBERED}", 0) is not None
