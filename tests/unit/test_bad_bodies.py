"""Ten thousand generated invalid bodies, passed to the functions that receive and park them."""

import base64
import json
import math
import random
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storage.queues import MESSAGE_REQUESTS, MESSAGE_SENDS, poison
from tests.fake_app import FakeApp
from tests.samples import a_body, personal_data_in

EXAMPLES = settings(max_examples=2500, deadline=None, suppress_health_check=list(HealthCheck))
SEEDS = st.integers(0, 2**64 - 1)
REQUEST: dict[str, Any] = json.loads(a_body())
# With any such value the field is missing, of another type, or unknown.
BROKEN_FIELD = st.sampled_from([*REQUEST, "remote_content", "amount", "reference"])


def _any_json(rng: random.Random, depth: int = 3) -> Any:
    """Any JSON value. Drawn from a seed, it costs a tenth of what a recursive strategy does."""
    match rng.randrange(8 if depth else 6):
        case 0:
            return rng.choice([None, True, False])
        case 1:
            return rng.choice([0, -1, 2**31, -(2**63), 10**400, rng.getrandbits(70)])
        case 2:
            return rng.choice([0.0, -0.0, 1e308, 5e-324, math.nan, math.inf, -math.inf, rng.random()])
        case 6:
            return [_any_json(rng, depth - 1) for _ in range(rng.randrange(5))]
        case 7:
            return {_any_text(rng): _any_json(rng, depth - 1) for _ in range(rng.randrange(5))}
        case _:
            return _any_text(rng)


def _any_text(rng: random.Random) -> str:
    """Up to 20 characters of any plane, lone surrogates and control characters included."""
    planes = [(0, 0x20), (0x20, 0x7F), (0x20, 0x7F), (0x80, 0x800), (0xD800, 0xE000), (0x10000, 0x110000)]
    return "".join(chr(rng.randrange(*rng.choice(planes))) for _ in range(rng.randrange(21)))


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
@given(seed=SEEDS)
async def test_any_json_is_parked(seed: int) -> None:
    """JSON of any shape that is not a request is parked whole with the broken rules."""
    await _parked_with_a_reason(json.dumps(_any_json(random.Random(seed))))


@EXAMPLES
@given(field=BROKEN_FIELD, seed=SEEDS)
async def test_near_valid_requests_are_parked(field: str, seed: int) -> None:
    """A valid request with one field of a wrong type is parked whole with the field and the rule."""
    rng = random.Random(seed)
    wrong = [[_any_json(rng) for _ in range(rng.randrange(4))], rng.uniform(-1e9, 1e9), "\0" + _any_text(rng)]
    await _parked_with_a_reason(_changed(field, rng.choice(wrong)))


@EXAMPLES
@given(at=st.integers(min_value=0), queue=st.sampled_from([MESSAGE_REQUESTS, MESSAGE_SENDS]))
async def test_cut_requests_are_parked(at: int, queue: str) -> None:
    """A request cut anywhere is parked whole, on either queue."""
    await _parked_with_a_reason(_cut(a_body(), at), queue)
