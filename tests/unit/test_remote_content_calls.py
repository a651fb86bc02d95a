"""Thousands of generated calls: nobody reads what is not theirs, and every answer has its form."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from contract.remote_content import RemoteContent
from tests.remote import CONTENT, KEY, PDF, SECOND_KEY, SOMEBODY_ELSE, RemoteContentApp, remote_content_id
from tests.remote_functions import ATTACHMENT, DETAILS, HEADER, PRECONDITION, call, functions_of
from tests.samples import FISCAL_CODE

CALLS = 5_000
RECIPIENTS = {remote_content_id(0): FISCAL_CODE, remote_content_id(1): SOMEBODY_ELSE}
HEADERS = ["fiscal_code", HEADER, "x-forwarded-for", "signature", "x-pagopa-lollipop-user-id"]
SIGNS = "".join(map(chr, (*range(0x20, 0x180), 0x661, 0x2028, 0x1F600))) + "./\\%-_" * 9


@dataclass(frozen=True)
class Generated:
    """One call: its path's parameters, and its headers as they are sent."""

    content_id: str
    url: str
    headers: list[tuple[str, str]]

    def values(self, header: str) -> list[str]:
        return [value for name, value in self.headers if name == header]

    @property
    def is_authorised(self) -> bool:
        """Whether the one fiscal code is the recipient's, and the one key is valid."""
        (code, *codes), (key, *keys) = (self.values(name) or [""] for name in HEADERS[:2])
        return RECIPIENTS.get(self.content_id) == code and key in (KEY, SECOND_KEY) and not codes + keys


def a_value(random: Random, good: Sequence[str]) -> str:
    """A good value, or one that differs from it a little, or any text."""
    value = random.choice(good)
    kind = random.random()
    if kind < 0.75:
        return value
    at = random.randrange(len(value))
    if kind < 0.85:
        return value[:at] + random.choice(SIGNS) * random.randrange(3) + value[at + 1 :]
    if kind < 0.9:
        return random.choice([value.swapcase(), value + value, value[:at], f"../{value}", f" {value} "])
    return "".join(random.choices(SIGNS, k=random.randrange(60)))


def a_generated_call(random: Random) -> Generated:
    headers = [
        ("fiscal_code", a_value(random, [FISCAL_CODE, SOMEBODY_ELSE])),
        (HEADER, a_value(random, [KEY, SECOND_KEY])),
    ]
    random.shuffle(headers)
    if random.random() < 0.2:
        headers.append((random.choice(HEADERS), a_value(random, [FISCAL_CODE, KEY])))
    if random.random() < 0.1:
        headers.pop(0)
    content_id = a_value(random, [*RECIPIENTS, remote_content_id(2)])
    return Generated(content_id, a_value(random, ["1.pdf", "2.pdf", "3.pdf", "precondition"]), headers)


async def test_no_call_reads_what_is_not_the_callers() -> None:
    """Of 5,000 calls exactly those of a recipient with a key are served; each other one gets a problem."""
    app = RemoteContentApp()
    await app.keep()
    await app.keep(RemoteContent(attachments=CONTENT.attachments), 1, SOMEBODY_ELSE)
    functions = functions_of(app)
    random = Random("remote content")
    statuses: Counter[int] = Counter()
    for _ in range(CALLS):
        route, made = random.choice([DETAILS, PRECONDITION, ATTACHMENT]), a_generated_call(random)
        sent = [(name.lower().encode(), value.encode()) for name, value in made.headers]
        params = {"id": made.content_id, "attachment_url": made.url}
        status, headers, body = await call(functions[route], params, sent)
        statuses[status] += 1
        assert headers["cache-control"] == "no-store"
        if made.is_authorised and _is_there(route, made):
            assert (status, headers["content-type"]) == (200, _TYPES[route])
            assert _is_right(route, made, body)
        else:
            assert (status, headers["content-type"]) in [(one, "application/json") for one in (400, 404)]
            assert json.loads(body).items() >= {("type", "about:blank"), ("status", status)}
    assert min(statuses[status] for status in (200, 400, 404)) > CALLS / 20


_TYPES = {
    DETAILS: "application/json",
    PRECONDITION: "application/json",
    ATTACHMENT: "application/octet-stream",
}


def _is_there(route: str, made: Generated) -> bool:
    if route == PRECONDITION:
        return made.content_id == remote_content_id(0)
    return route == DETAILS or made.url in ("1.pdf", "2.pdf")


def _is_right(route: str, made: Generated, body: bytes) -> bool:
    if route == ATTACHMENT:
        return body == PDF + CONTENT.attachments[int(made.url[0]) - 1].blob.encode()
    if route == PRECONDITION:
        return set(json.loads(body)) == {"title", "markdown"}
    return ("details" in json.loads(body)) == (made.content_id == remote_content_id(0))
