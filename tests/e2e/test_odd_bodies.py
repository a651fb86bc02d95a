"""Bodies at the edge of the contract and beyond: valid ones are sent, the others parked with their reason."""

import base64
import json
import random
from collections import Counter
from typing import Any

from storage.queues import MESSAGE_REQUESTS, MESSAGE_SENDS
from tests.e2e.sample import MARKDOWN, as_text, fiscal_code, request
from tests.e2e.world import World

LARGEST = 64 * 1024
"""The maximum bytes of text in one queue message (Azure Queue Storage, Put Message)."""
EMOJI = "\N{PARTY POPPER}"
"""A character of two UTF-16 units."""


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

NO_REQUEST = [
    "",
    "   ",
    "Gentile cittadino,",
    "[]",
    "7",
    as_text(request("cut-off", fiscal_code(1)))[:-9],
    base64.b64encode(random.Random(7).randbytes(3000)).decode(),
    "\u202e\u2028\u2029 e\u0301\u200d \x7f\x85 {] ]]> <a>&amp;</a> \U000e0041 " + EMOJI,
    '{"request_id": "twice", "request_id": "twice"}',
    '{"request_id": "\\ud83c"}',
    '{"content": ' * 5_000,
    '{"request_id": 1' + "0" * 6000 + "}",
    '{"request_id": NaN}',
    "x" * LARGEST,
]


INVALID: list[tuple[dict[str, Any], set[str]]] = [
    (request("unknown", fiscal_code(1), priority=1), {"priority"}),
    (request("inside", fiscal_code(1), content={"priority": 1}), {"content.priority"}),
    (request("number", fiscal_code(1)) | {"fiscal_code": 7}, {"fiscal_code"}),
    (request("text", fiscal_code(1)) | {"content": "text"}, {"content"}),
    (request("null", fiscal_code(1)) | {"content": None}, {"content"}),
    (request("service", fiscal_code(1), service="nobody"), {"service"}),
    ({"request_id": "nothing"}, {"fiscal_code", "content"}),
    (
        request("few", fiscal_code(1), **written(EMOJI * 4, EMOJI * 39)),
        {"content.subject", "content.markdown"},
    ),
    (
        request("many", fiscal_code(1), **written(EMOJI * 61, EMOJI * 5001)),
        {"content.subject", "content.markdown"},
    ),
    # The same request_id twice, with different violations.
    (request("again", fiscal_code(1).lower()), {"fiscal_code"}),
    (request("again", fiscal_code(1), priority=1), {"priority"}),
    # Names of the platform's own metadata of a message, which a body's fields replace.
    (request("p1", fiscal_code(1), id=7), {"id"}),
    (request("p2", fiscal_code(1), dequeueCount="molte"), {"dequeueCount"}),
    (request("p3", fiscal_code(1), expirationTime="domani"), {"expirationTime"}),
    (request("p4", fiscal_code(1), insertionTime="ieri"), {"insertionTime"}),
    (request("p5", fiscal_code(1), nextVisibleTime="mai"), {"nextVisibleTime"}),
    (request("p6", fiscal_code(1), popReceipt="nessuna"), {"popReceipt"}),
]


async def test_bodies_at_the_edge(world: World) -> None:
    """The oddest requests that the contract allows are sent unchanged."""
    await world.start_hosts()
    await world.put_text(*FINE.values())
    await world.until_gone(dict.fromkeys(FINE, "SENDING ACCEPTED"))
    assert len(FINE["largest"]) == LARGEST
    asked = [json.loads(body) for body in FINE.values()]
    sent = {message["fiscal_code"]: message["content"] for message in await world.io.messages()}
    assert sent == {one["fiscal_code"]: one["content"] for one in asked}
    assert await world.all_parked() == []


async def test_bodies_that_cannot_be_sent(world: World) -> None:
    """Every other body is parked unchanged with all its violations, and published once."""
    await world.start_hosts()
    wrong = {(MESSAGE_REQUESTS, json.dumps(asked)): fields for asked, fields in INVALID}
    wrong |= {(queue, body): {"body"} for body in NO_REQUEST for queue in (MESSAGE_REQUESTS, MESSAGE_SENDS)}
    for queue, body in wrong:
        await world.put_text(body, queue=queue)
    await world.until_parked(len(wrong))
    kept = await world.all_parked()
    found = {
        (message.queue, world.stores.parked.body_of(message)): {broken.field for broken in message.violations}
        for message in kept
    }
    assert found == wrong
    assert {message.reason for message in kept} == {"invalid"}
    told = Counter(event.get("subject") for event in world.events)
    assert told == Counter([asked["request_id"] for asked, _ in INVALID] + [None] * 2 * len(NO_REQUEST))
    assert len({event["id"] for event in world.events}) == len(wrong)
    assert (await world.entries(), await world.io.calls()) == ({}, {})
