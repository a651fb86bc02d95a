"""Ten thousand generated invalid bodies, passed to the functions that receive and park them."""

import base64
import json
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storage.queues import MESSAGE_REQUESTS, MESSAGE_SENDS, poison
from tests.fake_app import FakeApp
from tests.samples import a_body, personal_data_in

EXAMPLES = settings(max_examples=2500, deadline=None, suppress_health_check=list(HealthCheck))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=8,
)
REQUEST: dict[str, Any] = json.loads(a_body())
# With any such value the field is missing, of another type, or unknown.
BROKEN_FIELD = st.sampled_from([*REQUEST, "remote_content", "amount", "reference"])


def _changed(field: str, value: Any) -> str:
    return json.dumps(REQUEST | {field: value})


def _cut(body: str, at: int) -> str:
    return body[: at % (len(body) - 1)]


async def _parked_with_a_reason(body: str, queue: str = MESSAGE_REQUESTS) -> None:
    """Deliver a body once: it must not fail, and must be parked whole with its reason."""
    app = FakeApp()
    await (app.check(body) if queue == MESSAGE_REQUESTS else app.send(body))
    for given_up in list(app.queues.take(poison(queue))):
        await app.park(given_up, queue)
    (message,) = [message async for message in app.parked.headers()]
    whole = await app.parked.get(queue, message.parked_id)
    assert whole is not None
    assert app.parked.body_of(whole) == body
    assert (message.reason, bool(message.violations)) == ("invalid", True)
    (event,) = app.events()
    assert event["type"] == "it.postino.message.parked"
    assert personal_data_in(json.dumps(event)) == []
    assert (app.io.asked, app.ledger_table.rows_by_key) == ([], {})


@EXAMPLES
@given(body=st.text() | st.binary().map(lambda data: base64.b64encode(data).decode()))
async def test_bytes_and_text_are_parked(body: str) -> None:
    """Text, and base64 of bytes that are not JSON, are parked whole with the broken rule."""
    await _parked_with_a_reason(body)


@EXAMPLES
@given(document=JSON)
async def test_any_json_is_parked(document: Any) -> None:
    """JSON of any shape that is not a request is parked whole with the broken rules."""
    await _parked_with_a_reason(json.dumps(document))


@EXAMPLES
@given(
    field=BROKEN_FIELD,
    value=st.lists(JSON, max_size=3) | st.floats() | st.text(max_size=5).map(lambda text: f"\0{text}"),
)
async def test_near_valid_requests_are_parked(field: str, value: Any) -> None:
    """A valid request with one field of a wrong type is parked whole with the field and the rule."""
    await _parked_with_a_reason(_changed(field, value))


@EXAMPLES
@given(at=st.integers(min_value=0), queue=st.sampled_from([MESSAGE_REQUESTS, MESSAGE_SENDS]))
async def test_cut_requests_are_parked(at: int, queue: str) -> None:
    """A request cut anywhere is parked whole, on either queue."""
    await _parked_with_a_reason(_cut(a_body(), at), queue)
