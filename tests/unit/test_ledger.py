"""The ledger: the steps that it allows, its races, its lost answers, and what it keeps."""

import json
from dataclasses import replace
from datetime import timedelta
from itertools import product

import pytest

from storage.cipher import Cipher, Undecipherable
from storage.ledger import (
    LEASE,
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
from tests.samples import KEYS, a_request, payment, personal_data_in

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
    return app.ledger.plan(replace(entry, state=State(state)), Step(word))


@pytest.mark.parametrize(("state", "word"), sorted(MOVES))
async def test_allowed_step_moves_to_its_state(app: FakeApp, entry: Entry, state: str, word: str) -> None:
    """Each way that the design draws can be gone, and the history gets a dated line."""
    planned = _plan(app, entry, state, word)
    assert planned.state == word
    assert planned.last_step == {"at": "2026-11-24T09:00:00.000+00:00", "what": word}


@pytest.mark.parametrize(("state", "word"), sorted(SEEN - MOVES))
async def test_fact_about_a_message_at_io_leaves_its_state(
    app: FakeApp, entry: Entry, state: str, word: str
) -> None:
    """What is seen of a message that IO has is written down in any order and undoes nothing."""
    planned = _plan(app, entry, state, word)
    assert (planned.state, planned.last_step["what"]) == (state, word)


@pytest.mark.parametrize(("state", "word"), sorted({*product(State, WORDS)} - MOVES - SEEN))
async def test_every_other_step_is_illegal(app: FakeApp, entry: Entry, state: str, word: str) -> None:
    """No step that the design does not draw can be planned, and none leaves an end."""
    with pytest.raises(IllegalStep, match=rf"\({state} -> {word}\)"):
        _plan(app, entry, state, word)


async def test_illegal_step_writes_nothing(app: FakeApp, entry: Entry) -> None:
    """A step that is refused leaves the row as it was."""
    with pytest.raises(IllegalStep):
        await app.ledger.advance(entry, Step(State.SENDING), Step(State.PROCESSED))
    assert app.entry() == entry


async def test_open_writes_a_request_down(app: FakeApp) -> None:
    """A new request starts as REQUESTED with what the later steps need to know of it."""
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
    """The same request under the same id is the same message, with its state; nothing is written."""
    sent = await app.ledger.advance(claimed, Step(State.ACCEPTED), message_id="M1", body={})
    assert await app.ledger.open(a_request(traceparent=None)) == sent
    assert app.entry() == sent


@pytest.mark.parametrize("change", [{"campaign": "other"}, {"content": payment()}, {"service": "tributi"}])
async def test_open_with_other_content_is_refused(
    app: FakeApp, entry: Entry, change: dict[str, object]
) -> None:
    """A request_id is never taken by another message, and the first stays as it was."""
    with pytest.raises(DifferentContent):
        await app.ledger.open(a_request(**change))
    assert app.entry() == entry


async def test_open_after_a_rotation_still_knows_the_request(app: FakeApp, entry: Entry) -> None:
    """A new first key neither makes a known request look different nor another one look the same."""
    rotated = Ledger(app.ledger_table, Cipher(KEYS[::-1]), app.clock)
    assert await rotated.open(a_request()) == entry
    with pytest.raises(DifferentContent):
        await rotated.open(a_request(campaign="other"))


async def test_open_whose_answer_was_lost_finds_its_own_row(app: FakeApp) -> None:
    """When the storage SDK repeats an insert that had worked, the request counts as opened."""
    app.steps.fail_after(Unanswered())
    with pytest.raises(Unanswered):
        await app.ledger.open(a_request())
    assert (await app.ledger.open(a_request())).state is State.REQUESTED
    assert app.history() == ["REQUESTED"]


async def test_only_one_of_two_claims_wins(app: FakeApp) -> None:
    """Of two workers that opened the same request in a race one may send, and the other stops."""
    mine, yours = await app.ledger.open(a_request()), await app.ledger.open(a_request())
    won = await app.claim(yours)
    with pytest.raises(LostRace):
        await app.claim(mine)
    assert app.entry() == won
    assert (won.state, won.attempt, won.lease_until) == (State.SENDING, 1, app.clock() + LEASE)


async def test_claim_clears_the_wait_and_names_a_new_owner_each_time(app: FakeApp, claimed: Entry) -> None:
    """An attempt after a deferral has its own owner and number."""
    later = app.clock() + timedelta(minutes=1)
    deferred = await app.ledger.advance(claimed, Step(State.DEFERRED, "unreachable"), next_at=later)
    again = await app.claim(deferred)
    assert (deferred.next_at, again.next_at, again.attempt) == (later, None, 2)
    assert again.owner != claimed.owner


@pytest.mark.parametrize("answer", [Unanswered(), Changed()])
async def test_write_whose_answer_was_lost_is_known_by_its_mark(
    app: FakeApp, entry: Entry, answer: Exception
) -> None:
    """A claim that was written counts, whether its answer never came or the SDK's repetition lost."""
    app.steps.fail_after(answer)
    claimed = await app.claim(entry)
    assert claimed == app.entry()
    assert (await app.ledger.advance(claimed, Step(State.ACCEPTED))).state is State.ACCEPTED


async def test_write_that_did_not_happen_is_not_taken_for_done(app: FakeApp, entry: Entry) -> None:
    """Without an answer and without its mark on the row a claim has failed, and nothing may be sent."""
    app.steps.fail_before(Unanswered())
    with pytest.raises(Unanswered):
        await app.claim(entry)
    assert app.entry() == entry


async def test_lost_answer_followed_by_another_worker_is_not_mine(app: FakeApp, entry: Entry) -> None:
    """A row that somebody else wrote in the meantime is not mistaken for one's own write."""
    await app.claim(entry)
    app.steps.fail_before(Changed())
    with pytest.raises(LostRace):
        await app.claim(entry)


async def test_row_that_went_away_is_not_mine(app: FakeApp, entry: Entry) -> None:
    """A request that was erased while it was worked on is not written again."""
    app.ledger_table.rows_by_key.clear()
    with pytest.raises(LostRace):
        await app.ledger.advance(entry, Step(State.SKIPPED))
    assert not app.ledger_table.rows_by_key


async def test_storage_that_stays_silent_is_unanswered(app: FakeApp, entry: Entry) -> None:
    """When the row cannot be read back either, nobody claims to know."""
    app.steps.fail_after(Changed())
    app.steps.fail_before(Unanswered(), skip=1)
    with pytest.raises(Unanswered):
        await app.claim(entry)


async def test_step_from_a_state_that_has_gone_is_not_mine(app: FakeApp, claimed: Entry) -> None:
    """Who holds an older picture of a request cannot move it, and what is there stays."""
    accepted = await app.ledger.advance(claimed, Step(State.ACCEPTED), message_id="M1")
    with pytest.raises(LostRace):
        await app.ledger.advance(claimed, Step(State.IN_DOUBT, "lease_over"))
    assert app.entry() == accepted


async def test_deferral_repeated_only_counts_up(app: FakeApp, entry: Entry) -> None:
    """Days of the same trouble make one line with a count, so that the row does not grow."""
    for _ in range(50):
        claimed = await app.claim(entry)
        app.clock.advance(minutes=1)
        entry = await app.ledger.advance(claimed, Step(State.DEFERRED, "unreachable"))
    assert app.history() == ["REQUESTED", "SENDING", "DEFERRED"]
    assert entry.last_step["times"] == 50
    assert entry.last_step["at"] == app.clock().isoformat(timespec="milliseconds")
    assert entry.attempt == 50


async def test_deferral_before_sending_repeated_only_counts_up(app: FakeApp, entry: Entry) -> None:
    """The same holds for a profile that cannot be checked, where nothing was claimed in between."""
    for _ in range(3):
        entry = await app.ledger.advance(entry, Step(State.DEFERRED, "timeout"))
    assert app.history() == ["REQUESTED", "DEFERRED"]
    assert entry.last_step["times"] == 3


async def test_deferral_for_another_reason_is_another_line(app: FakeApp, entry: Entry) -> None:
    """What changed in the trouble stays visible."""
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
    """A line tells why, and which answer of IO said so."""
    entry = await app.ledger.advance(claimed, Step(State.REFUSED, "invalid_message", 400))
    assert entry.last_step["reason"] == "invalid_message"
    assert entry.last_step["http_status"] == 400
    assert entry.accepted_at is None


async def test_time_of_acceptance_outlives_later_steps(app: FakeApp, claimed: Entry) -> None:
    """The age of a message counts from its acceptance, whatever was seen of it since."""
    accepted = await app.ledger.advance(claimed, Step(State.ACCEPTED), message_id="M1")
    at = app.clock()
    app.clock.advance(days=3)
    seen = await app.ledger.advance(accepted, Step(State.PROCESSED), Step(State.READ))
    assert (seen.accepted_at, seen.updated_at) == (at, app.clock())


async def test_body_can_be_removed_and_leaves_no_column(app: FakeApp, entry: Entry) -> None:
    """Once it is not needed the content is gone from the row, not only from the object."""
    await app.ledger.advance(entry, Step(State.SKIPPED, "recipient_not_found"), body={})
    (row,) = app.ledger_table.rows_by_key.values()
    assert not [column for column in row.values if column.startswith("body")]
    assert app.entry().body == {}


async def test_longest_request_fits_in_the_row(app: FakeApp) -> None:
    """A body near the queue's own limit takes several columns and comes back whole."""
    text = {"subject": "S" * 120, "markdown": "è" * 10_000}
    request = a_request(content=text, translations={"en_GB": text, "de_DE": text})
    entry = await app.ledger.open(request)
    assert list(entry.body) == ["body0", "body1"]
    assert app.ledger.request_of(app.entry()) == request


async def test_body_of_a_foreign_key_is_undecipherable(app: FakeApp, entry: Entry) -> None:
    """A ledger without the key that sealed an entry says so instead of guessing."""
    foreign = Ledger(app.ledger_table, Cipher(KEYS[1:]), app.clock)
    for read in (foreign.request_of, foreign.fiscal_code_of):
        with pytest.raises(Undecipherable):
            read(entry)


async def test_row_and_repr_hold_no_personal_data(app: FakeApp) -> None:
    """Neither the keys, nor a column, nor what a traceback would print shows whom the message is for."""
    entry = await app.ledger.open(a_request(content=payment()))
    kept = [*app.everything_kept(), ("repr", repr(entry))]
    assert len(kept) > 10
    assert not [(place, found) for place, text in kept if (found := personal_data_in(text))]


async def test_requests_spread_over_partitions_by_their_id(app: FakeApp) -> None:
    """Rows spread over the table's partitions, and each is found again by its id alone."""
    for number in range(40):
        await app.ledger.open(a_request(request_id=f"r-{number}"))
    partitions = {partition for partition, _ in app.ledger_table.rows_by_key}
    assert len(partitions) > 20
    assert all(len(partition) == 2 for partition in partitions)
    assert app.entry("r-17").request_id == "r-17"


async def test_unknown_request_is_none(app: FakeApp) -> None:
    """Who asks for a request that was never opened gets nothing."""
    assert await app.ledger.get("r-1") is None


async def test_worker_that_dies_before_its_claim_leaves_the_request_free(app: FakeApp, entry: Entry) -> None:
    """A crash before the intent is written leaves the request to whoever comes next."""
    app.steps.fail_before(Died())
    with pytest.raises(Died):
        await app.claim(entry)
    assert (await app.claim(app.entry())).attempt == 1


async def test_history_column_is_json_that_an_operator_can_read(app: FakeApp, claimed: Entry) -> None:
    """The column holds the plain list of lines that `show --json` prints."""
    (row,) = app.ledger_table.rows_by_key.values()
    assert [line["what"] for line in json.loads(row.values["history"])] == ["REQUESTED", "SENDING"]
