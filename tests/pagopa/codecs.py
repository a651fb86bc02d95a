"""PagoPA's own codecs of IO's bodies, of its npm package io-functions-commons, which IO's code decodes with.

They run in a node process, started when first needed, that ends with the process of the tests.
"""

import atexit
import json
import subprocess
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

SCRIPT = Path(__file__).with_name("decode.cjs")


@dataclass(frozen=True)
class Verdict:
    """What a codec makes of a body: the fields that it refuses ("" is all of it), or what it keeps."""

    refused: frozenset[str]
    decoded: Any = None


@lru_cache(maxsize=1000)
def decode(codec: str, body: str | bytes) -> Verdict:
    """Decode a JSON text, which JavaScript parses; `codec` is a name such as NewMessage."""
    text = body if isinstance(body, str) else body.decode()
    answer = _process().ask({"codec": codec, "body": text})
    return Verdict(frozenset(answer["refused"]), answer.get("decoded"))


def check(codec: str, document: Any) -> None:
    """The codec takes the document, and drops none of its fields."""
    verdict = decode(codec, json.dumps(document))
    assert not verdict.refused, f"{codec} refuses {sorted(verdict.refused)}"
    assert not (dropped := _dropped(document, verdict.decoded)), f"{codec} does not know {dropped}"


def check_sent(body: bytes) -> None:
    """What Postino sends is a NewMessage, as IO reads it."""
    check("NewMessage", json.loads(body))


def _dropped(document: Any, decoded: Any, path: str = "") -> list[str]:
    if not isinstance(document, dict):
        return []
    missing = [path + name for name in document if name not in decoded]
    kept = [name for name in document if name in decoded]
    return missing + [
        lost for name in kept for lost in _dropped(document[name], decoded[name], f"{path}{name}.")
    ]


class _Process:
    def __init__(self) -> None:
        self._node = subprocess.Popen(
            ["node", str(SCRIPT)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def ask(self, question: dict[str, str]) -> dict[str, Any]:
        assert self._node.stdin is not None
        assert self._node.stdout is not None
        self._node.stdin.write(json.dumps(question) + "\n")
        self._node.stdin.flush()
        line = self._node.stdout.readline()
        assert line, "PagoPA's codecs do not run: is `make setup` done?"
        answer: dict[str, Any] = json.loads(line)
        return answer

    def end(self) -> None:
        self._node.communicate()


@cache
def _process() -> _Process:
    process = _Process()
    atexit.register(process.end)
    return process
