"""Bodies at the edge of the contract and beyond: what can be sent is, the rest is parked with its reason."""

import base64
import json
import random
from typing import Any

from storage.queues import MESSAGE_REQUESTS, MESSAGE_SENDS
from tests.e2e.sample import MARKDOWN, as_text, fiscal_code, request
from tests.e2e.world import World

LARGEST = 64 * 1024
"""Bytes of text in one queue message (Azure Queue Storage, Put Message)."""
EMOJI = "\N{PARTY POPPER}"
"""Two UTF-16 units."""


def as_large_as_can_be(request_id: str, person: str) -> str:
    """A body of exactly LARGEST bytes."""
    languages = ("en_GB", "es_ES", "de_DE", "fr_FR")
    text = {"subject": "Largest of all", "markdown": "a" * 10_000}
    asked = request(request_id, person, content={"markdown": ""}, translations=dict.fromkeys(languages, text))
    letters, rest = divmod(LARGEST - len(json.dumps(asked)), len(json.dumps("è")) - 2)
    asked["content"]["markdown"] = "è" * letters + "e" * rest
    return json.dumps(asked)


def written(subject: str = "Un oggetto di prova", markdown: str = MARKDOWN) -> dict[str, Any]:
    """The field `content` with this text."""
    return {"content": {"subject": subject, "markdown": markdown}}


FINE = {
    "specimen": as_text(request("specimen", "AAAAAA00A00A000A")),
    "omocodia": as_text(request("omocodia", "RSSMRAULALMHRLMU")),
    "shortest": json.dumps(request("shortest", fiscal_code(1), **written(EMOJI * 5, EMOJI * 40))),
    "longest": json.dumps(request("longest", fiscal_code(2), **written(EMOJI * 60, EMOJI * 5000))),
    "largest": as_large_as_can_be("largest", fiscal_code(3)),
}

NO_REQUEST = {
    "no text": "",
    "spaces": "   ",
    "no JSON": "Gentile cittadino,",
    "a list": "[]",
    "a number": "7",
    "cut off": as_text(request("cut-off", fiscal_code(1)))[:-9],
    "bytes in base64": base64.b64encode(random.Random(7).randbytes(3000)).decode(),
    "odd characters": "\u202e\u2028\u2029 e\u0301\u200d \x7f\x85 {] ]]> <a>&amp;</a> \U000e0041 " + EMOJI,
    "a key twice": '{"request_id": "twice", "request_id": "twice"}',
    "half a pair": '{"request_id": "\\ud83c"}',
    "no end": '{"content": ' * 5_000,
    "endless number": '{"request_id": 1' + "0" * 6000 + "}",
    "not a number": '{"request_id": NaN}',
    "as large as can be": "x" * LARGEST,
}

INVALID = {
    "unknown": (request("unknown", fiscal_code(1), priority=1), {"priority"}),
    "inside": (request("inside", fiscal_code(1), content={"priority": 1}), {"content.priority"}),
    "number": (request("number", fiscal_code(1)) | {"fiscal_code": 7}, {"fiscal_code"}),
    "text": (request("text", fiscal_code(1)) | {"content": "text"}, {"content"}),
    "null": (request("null", fiscal_code(1)) | {"content": None}, {"content"}),
    "lower": (request("lower", fiscal_code(1).lower()), {"fiscal_code"}),
    "service": (request("service", fiscal_code(1), service="nobody"), {"service"}),
    "few": (
        request("few", fiscal_code(1), **written(EMOJI * 4, EMOJI * 39)),
        {"content.subject", "content.markdown"},
    ),
    "many": (
        request("many", fiscal_code(1), **written(EMOJI * 61, EMOJI * 5001)),
        {"content.subject", "content.markdown"},
    ),
    "nothing": ({"request_id": "nothing"}, {"fiscal_code", "content"}),
}

# Names of the platform's own facts about a message: it lets a body's fields take their place.
PLATFORM_FIELDS = {
    "id": 7,
    "dequeueCount": "molte",
    "expirationTime": "domani",
    "insertionTime": "ieri",
    "nextVisibleTime": "mai",
    "popReceipt": "nessuna",
}


async def test_bodies_at_the_edge(world: World) -> None:
    """The oddest requests that the contract allows are sent as they are."""
    await world.start_hosts()
    await world.put_text(*FINE.values())
    await world.until_gone(dict.fromkeys(FINE, "SENDING ACCEPTED"))
    assert len(FINE["largest"]) == LARGEST
    asked = [json.loads(body) for body in FINE.values()]
    sent = {message["fiscal_code"]: message["content"] for message in await world.io.messages()}
    assert sent == {one["fiscal_code"]: one["content"] for one in asked}
    assert await world.all_parked() == []


async def test_bodies_that_are_no_request(world: World) -> None:
    """Whatever comes on the inner queues that is no request is parked as it is and told once."""
    await world.start_hosts()
    for queue in (MESSAGE_REQUESTS, MESSAGE_SENDS):
        await world.put_text(*NO_REQUEST.values(), queue=queue)
    await world.until_parked(2 * len(NO_REQUEST))
    kept = await world.all_parked()
    for queue in (MESSAGE_REQUESTS, MESSAGE_SENDS):
        bodies = {world.parked.body_of(message) for message in kept if message.queue == queue}
        assert bodies == set(NO_REQUEST.values())
    assert {(one.reason, *(broken.field for broken in one.violations)) for one in kept} == {
        ("invalid", "body")
    }
    assert sorted(event["data"]["parked_id"] for event in world.events) == sorted(m.parked_id for m in kept)
    assert await world.io.calls() == {}


async def test_invalid_requests(world: World) -> None:
    """A request that breaks the contract is parked as it is and told with every field that is wrong."""
    await world.start_hosts()
    bodies = {request_id: json.dumps(asked) for request_id, (asked, _) in INVALID.items()}
    await world.put_text(*bodies.values())
    await world.until_parked(len(INVALID))
    kept = await world.all_parked()
    assert {message.request_id: world.parked.body_of(message) for message in kept} == bodies
    expected = {request_id: fields for request_id, (_, fields) in INVALID.items()}
    assert {one.request_id: {broken.field for broken in one.violations} for one in kept} == expected
    told = {event["subject"]: event["data"]["violations"] for event in world.events}
    assert {request_id: {one["field"] for one in broken} for request_id, broken in told.items()} == expected
    assert (len(world.events), await world.entries(), await world.io.calls()) == (len(INVALID), {}, {})


async def test_invalid_request_that_is_wrong_again(world: World) -> None:
    """A request that was mended and is still invalid is told again, as another event."""
    await world.start_hosts()
    await world.put(request("again", fiscal_code(1).lower()), request("again", fiscal_code(1), priority=1))
    await world.until_parked(2)
    assert len({event["id"] for event in world.events}) == 2


async def test_fields_with_a_name_of_the_platform(world: World) -> None:
    """A body whose fields are called like the platform's own facts about it is parked like any other."""
    await world.start_hosts()
    await world.put(
        *(request(name, fiscal_code(1)) | {name: value} for name, value in PLATFORM_FIELDS.items())
    )
    await world.until_parked(len(PLATFORM_FIELDS))
