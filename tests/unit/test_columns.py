"""No column exceeds the limits of a table, in the worst cases."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.request import parse_request
from contract.violations import InvalidRequest
from io_api.errors import Refused
from poison.redrive import TooOften, redrive
from storage.ledger import MOST_DEFERRALS, State, Step
from tests.fake_app import FakeApp
from tests.samples import PDF, a_body, a_request

STRING, BYTES = 32_000, 64 * 1024
ENDLESS = 8 * MOST_DEFERRALS
REASONS = [reason * 5 for reason in ("unreachable", "not_ready", "invalid_key", "io_unavailable")]


def _longest(app: FakeApp) -> int:
    tables = (app.ledger_table, app.parked_table, app.contents_table)
    rows = [row for table in tables for row in table.rows_by_key.values()]
    values = [value for row in rows for value in row.values.values()]
    assert all(len(value) <= BYTES for value in values if isinstance(value, bytes))
    return max(len(value) for value in values if isinstance(value, str))


@settings(max_examples=10)
@given(st.lists(st.sampled_from(REASONS), min_size=1, max_size=6))
async def test_history_of_a_message_that_waits_for_ever(reasons: list[str]) -> None:
    """Endless deferrals for any reasons leave a row within the limits, and all are counted."""
    app = FakeApp()
    entry = await app.ledger.open(a_request())
    for number in range(ENDLESS):
        step = Step(State.DEFERRED, reasons[number % len(reasons)], 503)
        entry = await app.ledger.advance(entry, step, sequence=entry.sequence + 1)
    deferrals = [line for line in entry.history if line["what"] == State.DEFERRED]
    assert len(deferrals) <= MOST_DEFERRALS
    assert sum(line.get("times", 1) for line in deferrals) == ENDLESS
    assert _longest(app) < STRING
    assert entry.history[0]["what"] == State.REQUESTED


async def test_history_of_a_message_that_is_redriven_for_ever() -> None:
    """An operator who redrives a refused message again and again gets TooOften when its history is full."""
    app = FakeApp()
    app.io.submitted = Refused(reason="payment_amount_not_allowed", status=400)
    await app.check(a_body())
    await app.run()
    with pytest.raises(TooOften):
        await _redrive_again_and_again(app)
    assert 20_000 < _longest(app) < STRING


async def _redrive_again_and_again(app: FakeApp) -> None:
    for _ in range(1000):
        (message,) = [one async for one in app.parked.all()]
        await redrive(message, app.stores)
        await app.run()


def _worst() -> dict[str, Any]:
    wrong: dict[str, Any] = {f"{'x' * 100}{number}": number for number in range(200)}
    return {**json.loads(a_body()), "content": wrong, "translations": wrong, "service": "s" * 64}


@pytest.mark.parametrize("character", ["x", "à", "\u2028", "\U0001f600"])
async def test_violations_of_unknown_fields_in_any_script(character: str) -> None:
    """Unknown fields fit in their column and in the outcome, however many bytes their names take."""
    unknown = {f"{character * 70}{number}": number for number in range(60)}
    app = FakeApp()
    await app.check(json.dumps(json.loads(a_body()) | unknown, ensure_ascii=False))
    await app.run()
    assert 0 < _longest(app) < STRING
    (message,) = [one async for one in app.parked.all()]
    assert message.reason == "invalid"


async def test_violations_of_a_body_in_which_all_is_wrong() -> None:
    """Hundreds of violations fit in their column; those left out are counted."""
    services = [f"servizio-con-un-nome-lungo-{number:037}" for number in range(60)]
    with pytest.raises(InvalidRequest) as raised:
        parse_request(json.dumps(_worst()), services=services)
    assert len(json.dumps([one.model_dump() for one in raised.value.violations])) < STRING
    assert raised.value.violations[-1].rule.endswith("more rules")
    app = FakeApp()
    await app.check(json.dumps(_worst()))
    await app.run()
    assert 0 < _longest(app) < STRING


def _longest_remote_content() -> dict[str, Any]:
    text = "\u0001" * 10_000  # six characters each in JSON
    return {
        "subject": "€" * 120,
        "markdown": "€" * 10_000,
        "attachments": [{"name": "€" * 123 + ".pdf", "blob": "a" * 512} for _ in range(10)],
        "precondition": {"title": "€" * 120, "markdown": text},
    }


async def test_longest_request_with_a_remote_content() -> None:
    """The longest texts, all languages and ten documents fit in the rows of ledger, contents and parked."""
    app = FakeApp()
    app.documents.blobs["a" * 512] = PDF
    text = {"subject": "€" * 120, "markdown": "€" * 10_000}
    languages = ("en_GB", "es_ES", "de_DE", "fr_FR")
    body = a_body(
        feature_level_type="ADVANCED",
        content=text,
        translations=dict.fromkeys(languages, text),
        remote_content=_longest_remote_content(),
    )
    app.io.submitted = Refused(reason="invalid_message", status=400)
    await app.check(body)
    assert 0 < _longest(app) < STRING
    await app.run()
    assert len(app.parked_table.rows_by_key) == 1
    assert 0 < _longest(app) < STRING
    ((message, _),) = app.io.sent
    assert message.content.third_party_data
    kept = await app.remote_contents.get(message.content.third_party_data.id)
    assert kept
    content = app.ledger.request_of(app.entry()).remote_content
    assert content
    assert app.remote_contents.content_of(kept) == content
    corrected = await app.remote_contents.correct(kept, content, app.clock())
    assert app.remote_contents.content_of(corrected) == content
    assert 0 < _longest(app) < STRING
