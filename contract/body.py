"""Reads a queue message's body as a JSON object. Refuses any body that two readers could read differently."""

import base64
import json
from typing import NoReturn

from contract.violations import InvalidRequest, Violation, kind_of, shown_name


class _BodyError(Exception):
    """The body breaks the rule that the message states."""


def load_object(body: str | bytes) -> dict[str, object]:
    """Return the JSON object in `body`: UTF-8 text, or its base64 (the default of many queue bindings).

    A byte-order mark and surrounding white space are allowed. Raises InvalidRequest with the field "body"
    for anything else, duplicate keys included.
    """
    try:
        return _object(_without_base64(_text(body)))
    except _BodyError as error:
        rule = str(error)
    except RecursionError:
        rule = "is nested too deeply"
    raise InvalidRequest([Violation(field="body", rule=rule)])


def _text(body: str | bytes) -> str:
    try:
        text = body.decode() if isinstance(body, bytes) else body
    except UnicodeDecodeError:
        raise _BodyError("is not UTF-8 text") from None
    return text.strip("\ufeff \t\r\n")


def _without_base64(text: str) -> str:
    if text.startswith("{"):
        return text
    try:
        decoded = _text(base64.b64decode("".join(text.split()), validate=True))
    except (ValueError, _BodyError):
        return text
    return decoded if decoded.startswith("{") else text


def _object(text: str) -> dict[str, object]:
    try:
        document = json.loads(text, object_pairs_hook=_unique_keys, parse_constant=_no_constant)
        # An escaped half of a surrogate pair parses as a string, but no encoding can carry that string.
        json.dumps(document, ensure_ascii=False).encode()
    except json.JSONDecodeError as error:
        where = f"line {error.lineno} column {error.colno}"
        raise _BodyError(f"is neither JSON nor base64 of JSON: {error.msg} at {where}") from None
    except UnicodeEncodeError:
        raise _BodyError("has half of a surrogate pair: it is not Unicode text") from None
    except ValueError:
        raise _BodyError("has a number with too many digits") from None
    if not isinstance(document, dict):
        raise _BodyError(f"must be a JSON object, is {kind_of(document)}")
    return document


def _unique_keys(pairs: list[tuple[str, object]]) -> dict[str, object]:
    seen: dict[str, object] = {}
    for key, value in pairs:
        if key in seen:
            raise _BodyError(f"has the key {shown_name(key)!r} twice in one object")
        seen[key] = value
    return seen


def _no_constant(name: str) -> NoReturn:
    raise _BodyError(f"has {name}, which is not JSON")
