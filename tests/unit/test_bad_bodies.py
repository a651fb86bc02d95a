"""Ten thousand generated invalid bodies, passed to the functions that receive and park them."""

import base64
import json
import math
import random
from functools import partial
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storage.queues import MESSAGE_REQUESTS, MESSAGE_SENDS, poison
from tests.fake_app import FakeApp
from tests.samples import a_body, personal_data_in

EXAMPLES = settings(max_examples=250, deadline=None, suppress_health_check=list(HealthCheck))
BODIES = 10
"""The bodies of an example: one app takes them all, as it costs more than a body does."""
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


def _near_valid(field: str, seed: int) -> str:
    rng = random.Random(seed)
    wrong = [[_any_json(rng) for _ in range(rng.randrange(4))], rng.uniform(-1e9, 1e9), "\0" + _any_text(rng)]
    return json.dumps(REQUEST | {field: rng.choice(wrong)})


def _cut(body: str, at: int) -> str:
    return body[: at % (len(body) - 1)]


def _bodies(one: st.SearchStrategy[str]) -> st.SearchStrategy[list[str]]:
    return st.lists(one, min_size=BODIES, max_size=BODIES, unique=True)


async def _parked_with_a_reason(bodies: list[str], queue: str = MESSAGE_REQUESTS) -> None:
    """Deliver each body once: none must fail, and all must be parked whole with a reason."""
    app = FakeApp()
    for body in bodies:
        await (app.check(body) if queue == MESSAGE_REQUESTS else app.send(body))
    for given_up in list(app.queues.take(poison(queue))):
        await app.park(given_up, queue)
    headers = [message async for message in app.parked.headers()]
    whole = [await app.parked.get(queue, header.parked_id) for header in headers]
    assert {app.parked.body_of(message) for message in whole if message} == set(bodies)
    assert all((header.reason, bool(header.violations)) == ("invalid", True) for header in headers)
    assert {event["type"] for event in app.events()} == {"it.postino.message.parked"}
    assert len(app.events()) == len(bodies)
    assert personal_data_in(json.dumps(app.events())) == []
    assert (app.io.asked, app.ledger_table.rows_by_key) == ([], {})


@EXAMPLES
@given(bodies=_bodies(st.text() | st.binary().map(lambda data: base64.b64encode(data).decode())))
async def test_bytes_and_text_are_parked(bodies: list[str]) -> None:
    """Text, and base64 of bytes that are not JSON, are parked whole with the broken rule."""
    await _parked_with_a_reason(bodies)


@EXAMPLES
@given(bodies=_bodies(SEEDS.map(lambda seed: json.dumps(_any_json(random.Random(seed))))))
async def test_any_json_is_parked(bodies: list[str]) -> None:
    """JSON of any shape that is not a request is parked whole with the broken rules."""
    await _parked_with_a_reason(bodies)


@EXAMPLES
@given(bodies=_bodies(st.builds(_near_valid, BROKEN_FIELD, SEEDS)))
async def test_near_valid_requests_are_parked(bodies: list[str]) -> None:
    """A valid request with one field of a wrong type is parked whole with the field and the rule."""
    await _parked_with_a_reason(bodies)


@EXAMPLES
@given(
    bodies=_bodies(st.integers(min_value=0).map(partial(_cut, a_body()))),
    queue=st.sampled_from([MESSAGE_REQUESTS, MESSAGE_SENDS]),
)
async def test_cut_requests_are_parked(bodies: list[str], queue: str) -> None:
    """A request cut anywhere is parked whole, on either queue."""
    await _parked_with_a_reason(bodies, queue)
