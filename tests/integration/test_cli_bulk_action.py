"""The commands of `postino` that change requests: redrive, drop, resend, settle."""

import json
from typing import Any

import pytest

from cli.connection import Operator, ask
from storage.ledger import Entry, State, Step
from tests.integration.cli_account import CliAccount
from tests.samples import a_request


def _entry(account: CliAccount, request_id: str) -> Entry:
    entry = ask(lambda stores: stores.ledger.get(request_id))
    assert entry is not None
    return entry


def _in_doubt(account: CliAccount) -> Entry:
    """A request in doubt, whose POST timed out."""

    async def doubt(stores: Operator) -> Entry:
        claimed = await stores.ledger.commit(
            stores.ledger.intent(await stores.ledger.open(a_request(request_id=account.new_id())))
        )
        return await stores.ledger.advance(claimed, Step(State.IN_DOUBT, "timeout"))

    return ask(doubt)


def _refused(account: CliAccount) -> Entry:
    """A request that IO refused, parked as the poison trigger parks it."""

    async def refuse(stores: Operator) -> Entry:
        claimed = await stores.ledger.commit(
            stores.ledger.intent(await stores.ledger.open(a_request(request_id=account.new_id())))
        )
        return await stores.ledger.advance(claimed, Step(State.REFUSED, "invalid_message", 400))

    entry = ask(refuse)
    account.park("{}", parked_id=entry.request_id, request_id=entry.request_id, reason="invalid_message")
    return entry


def _depth(queue: str) -> int:
    return ask(lambda stores: stores.queues.depth(queue))


def _actions_on(target: str) -> list[str]:
    async def find(stores: Operator) -> list[dict[str, Any]]:
        return [row async for row in stores.audit.actions_on(target)]

    return [row["action"] for row in ask(find)]


def test_nothing_changes_without_execute(account: CliAccount) -> None:
    """Redrive and drop show what they would do, and act only with --execute."""
    entry = _refused(account)
    for command in ("redrive", "drop"):
        result = account.run("parked", command, entry.request_id, "--json")
        assert result.exit_code == 0
        assert json.loads(result.stdout)["results"] == {entry.request_id: "would"}
    assert _entry(account, entry.request_id).state is State.REFUSED
    assert _actions_on(entry.request_id) == []


def test_redriven_request_starts_over_once(account: CliAccount) -> None:
    """A redriven request is REQUESTED again and on message-requests, and a second redrive finds nothing."""
    entry, before = _refused(account), _depth("message-requests")
    first = account.run("parked", "redrive", entry.request_id, "--execute", "--json")
    assert json.loads(first.stdout)["results"] == {entry.request_id: "redriven"}
    again = account.run("parked", "redrive", entry.request_id, "--execute")
    assert again.exit_code == 1
    assert _entry(account, entry.request_id).state is State.REQUESTED
    assert _depth("message-requests") == before + 1
    assert _actions_on(entry.request_id) == ["redrive"]


def test_redriven_body_goes_back_as_it_came(account: CliAccount) -> None:
    """A parked body without a ledger entry goes back to its own queue unchanged."""
    queue = f"back-{account.new_id().rpartition(':')[2]}"
    message = account.park("così com'è", queue=queue)
    account.run("parked", "redrive", message.parked_id, "--execute")
    assert _depth(queue) == 1


def test_dropped_message_is_forgotten(account: CliAccount) -> None:
    """Dropping removes the parked row and the body, and the ledger entry stays."""
    entry = _refused(account)
    account.run("parked", "drop", entry.request_id, "--execute")
    assert account.run("parked", "show", entry.request_id).exit_code == 1
    after = _entry(account, entry.request_id)
    assert (after.state, after.body) == (State.REFUSED, {})


def test_change_of_everything_must_be_asked_for(account: CliAccount) -> None:
    """Without an id and without a filter nothing is redriven, and the error asks for a filter."""
    result = account.run("parked", "redrive", "--execute")
    assert result.exit_code == 2
    assert "filtro" in result.stderr


def test_filters_choose_what_is_redriven(account: CliAccount) -> None:
    """Only messages that match every filter are changed."""
    campaign = account.new_id()
    wanted = account.park("a", campaign=campaign, reason="conflict")
    account.park("b", campaign=campaign, reason="invalid")
    result = account.run("parked", "redrive", "--campaign", campaign, "--reason", "conflict", "--json")
    assert list(json.loads(result.stdout)["results"]) == [wanted.parked_id]


def test_doubts_are_listed_with_their_reason(account: CliAccount) -> None:
    """The list has each request in doubt with its reason and the time from which it may be resent."""
    entry = _in_doubt(account)
    listed = json.loads(account.run("in-doubt", "list", "--json").stdout)
    fact = next(fact for fact in listed if fact["request_id"] == entry.request_id)
    assert fact["reason"] == "timeout"
    assert fact["resend_at"] > fact["since"]


def test_resend_waits_for_the_quarantine(account: CliAccount) -> None:
    """A resend is deferred to the end of the quarantine, and a second resend changes nothing."""
    entry = _in_doubt(account)
    for said in ("resend", "already_resent"):
        result = account.run("in-doubt", "resend", entry.request_id, "--execute", "--json")
        assert json.loads(result.stdout)["results"] == {entry.request_id: said}
    after = _entry(account, entry.request_id)
    assert (after.state, after.sequence) == (State.DEFERRED, entry.sequence + 1)
    assert after.next_at is not None
    assert entry.lease_until is not None
    assert after.next_at > entry.lease_until
    assert _actions_on(entry.request_id) == ["resend", "resend"]


@pytest.mark.parametrize("more", [[], ["--max", "5"], ["--rate", "1"]])
def test_resend_of_everything_must_be_asked_for(account: CliAccount, more: list[str]) -> None:
    """Without a REQUEST_ID or a filter nothing is resent, and the error asks for one."""
    entry = _in_doubt(account)
    result = account.run("in-doubt", "resend", "--execute", *more)
    assert (result.exit_code, _entry(account, entry.request_id).state) == (2, State.IN_DOUBT)
    assert "Indica i REQUEST_ID, o un filtro" in result.stderr


def test_settled_as_accepted_is_followed(account: CliAccount) -> None:
    """A request settled as accepted is ACCEPTED with IO's id."""
    entry = _in_doubt(account)
    message_id = "01J5Q8ZC4V7R2M9T6W1X3Y5B7D"
    arguments = ("--accepted", "--message-id", message_id, "--execute")
    assert account.run("in-doubt", "settle", entry.request_id, *arguments).exit_code == 0
    after = _entry(account, entry.request_id)
    assert (after.state, after.message_id) == (State.ACCEPTED, message_id)


def test_settled_as_not_sent_is_parked(account: CliAccount) -> None:
    """A request settled as not sent is REFUSED and goes to the poison queue; it is told how to go on."""
    before = _depth("message-sends-poison")
    entry = _in_doubt(account)
    result = account.run("in-doubt", "settle", entry.request_id, "--not-sent", "--execute")
    assert "parte solo con `postino parked redrive`" in result.stdout
    assert "REFUSED" not in result.output
    assert _entry(account, entry.request_id).state is State.REFUSED
    assert _depth("message-sends-poison") == before + 1


def test_impossible_message_id_is_refused(account: CliAccount) -> None:
    """A message id that IO cannot have given is refused."""
    entry = _in_doubt(account)
    result = account.run("in-doubt", "settle", entry.request_id, "--accepted", "--message-id", "..")
    assert result.exit_code == 2


@pytest.mark.parametrize(
    "command", [["show"], ["resend", "--execute"], ["settle", "--not-sent", "--execute"]]
)
def test_only_doubts_can_be_decided(account: CliAccount, command: list[str]) -> None:
    """A request that is not in doubt gets no advice, no resend, no settlement and no row in the audit."""
    entry = account.accepted()
    result = account.run("in-doubt", *command, entry.request_id)
    assert result.exit_code == 1
    assert "postino show" in result.stderr
    assert "--execute" not in result.stdout
    assert _actions_on(entry.request_id) == []


def test_resent_request_is_not_settled(account: CliAccount) -> None:
    """A request that was resent is no longer in doubt, so settling it is an error."""
    entry = _in_doubt(account)
    account.run("in-doubt", "resend", entry.request_id, "--execute")
    assert account.run("in-doubt", "settle", entry.request_id, "--not-sent", "--execute").exit_code == 1


def test_settling_asks_how_it_ended(account: CliAccount) -> None:
    """Settling without --accepted or --not-sent is an error that names both."""
    result = account.run("in-doubt", "settle", _in_doubt(account).request_id, "--execute")
    assert result.exit_code == 2
    assert "--accepted" in result.stderr
    assert "--not-sent" in result.stderr


def test_parked_message_is_chosen_by_its_request_id_too(account: CliAccount) -> None:
    """A parked message is selected by its request_id or by its parked_id."""
    message = account.park("a", request_id=account.new_id())
    result = account.run("parked", "drop", str(message.request_id), "--json")
    assert list(json.loads(result.stdout)["results"]) == [message.parked_id]


def test_revealing_a_body_is_written_down(account: CliAccount) -> None:
    """Revealing a body leaves a row in the audit."""
    message = account.park("segreto")
    assert "segreto" in account.run("parked", "show", message.parked_id, "--reveal").stdout
    assert _actions_on(message.parked_id) == ["reveal"]
