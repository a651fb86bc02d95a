"""The explanations of states and reasons for an operator."""

from cli.meanings import ADVICE, NOTES, OPERATIONS, REASONS, STATES
from io_api import account
from io_api.answers import GET_MESSAGE, GET_PROFILE, SUBMIT_MESSAGE
from io_api.errors import Misconfigured
from io_api.suspensions import EVERY
from send_message.deferral import DOCUMENT_MISSING
from send_message.documents import DOCUMENTS_UNANSWERED
from storage.ledger import SIGHTINGS, State


def test_every_state_has_a_meaning() -> None:
    """Each state of the ledger has a meaning, and nothing else has."""
    assert set(STATES) == set(State)


def test_every_refusal_of_a_key_has_an_advice() -> None:
    """Each reason for which a key is suspended has advice, and nothing else has."""
    rows = (*GET_PROFILE, *SUBMIT_MESSAGE, *GET_MESSAGE)
    assert set(ADVICE) == {row.reason for row in rows if row.error is Misconfigured}


def test_every_kind_of_call_has_a_name() -> None:
    """Each kind of call that a circuit can suspend has a name in words."""
    assert set(OPERATIONS) == {EVERY, account.GET_PROFILE, account.SUBMIT_MESSAGE, account.GET_MESSAGE}


def test_obstacles_of_remote_contents_have_meanings() -> None:
    """What makes a message with remote content wait has a note, and what parks it has a meaning."""
    assert {DOCUMENT_MISSING, DOCUMENTS_UNANSWERED} <= set(NOTES)
    assert {DOCUMENT_MISSING, "remote_content_not_configured"} <= set(REASONS)


def test_every_line_that_is_no_state_has_a_note() -> None:
    """Each history word that is not a state has a note, unless the word explains itself."""
    assert set(NOTES) >= set(SIGHTINGS) - set(State)
