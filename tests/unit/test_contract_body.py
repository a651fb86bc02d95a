"""The body of a queue message: the encodings that are read, and the ambiguous ones that are refused."""

import base64
import json

import pytest

from contract.body import load_object
from contract.violations import InvalidRequest

DOCUMENT = {"request_id": "r-1", "note": "è già tardi 🙂"}
JSON = json.dumps(DOCUMENT, ensure_ascii=False)


@pytest.mark.parametrize(
    "body",
    [
        JSON,
        JSON.encode(),
        json.dumps(DOCUMENT),
        "\ufeff \r\n" + JSON + "\n\t",
        JSON.encode("utf-8-sig"),
        base64.b64encode(JSON.encode()),
        base64.encodebytes(JSON.encode("utf-8-sig")).decode(),
    ],
    ids=["text", "bytes", "escapes", "bom and space", "utf-8-sig", "base64", "base64 in lines, with bom"],
)
def test_body_is_read_however_it_is_wrapped(body: str | bytes) -> None:
    """JSON text and its base64 give the same object, with or without a byte-order mark and white space."""
    assert load_object(body) == DOCUMENT


@pytest.mark.parametrize(
    ("body", "rule"),
    [
        (b"\xff\xfe{", "is not UTF-8 text"),
        ("", "is neither JSON nor base64 of JSON: Expecting value at line 1 column 1"),
        ('{"a": 1} x', "is neither JSON nor base64 of JSON: Extra data at line 1 column 10"),
        (base64.b64encode(b"not json"), "is neither JSON nor base64 of JSON: "),
        (base64.b64encode(b'{"a": '), "is neither JSON nor base64 of JSON: "),
        ("[1]", "must be a JSON object, is an array"),
        ("null", "must be a JSON object, is null"),
        ("1234", "must be a JSON object, is a number"),
        ('"abc"', "must be a JSON object, is a string"),
        ("true", "must be a JSON object, is true or false"),
        ('{"a": NaN}', "has NaN, which is not JSON"),
        ('{"a": -Infinity}', "has -Infinity, which is not JSON"),
        ('{"content": {"subject": 1, "subject": 2}}', "has the key 'subject' twice in one object"),
        (r'{"a": "\ud83d"}', "has half of a surrogate pair: it is not Unicode text"),
        (r'{"\udc00": 1}', "has half of a surrogate pair: it is not Unicode text"),
        ('{"a": "\ud800"}', "has half of a surrogate pair: it is not Unicode text"),
        ('{"a": ' + "9" * 5000 + "}", "has a number with too many digits"),
        ('{"a": ' + "[" * 100_000, "is nested too deeply"),
        ('{"a": ' + "[" * 100_000 + "]" * 100_000 + "}", "is nested too deeply"),
    ],
    ids=lambda value: str(value)[:24],
)
def test_body_that_is_no_plain_object_is_refused(body: str | bytes, rule: str) -> None:
    """A body that is not one unambiguous JSON object is one violation of the field body."""
    with pytest.raises(InvalidRequest) as raised:
        load_object(body)
    (violation,) = raised.value.violations
    assert violation.field == "body"
    assert violation.rule.startswith(rule)


def test_key_that_is_a_fiscal_code_is_not_shown() -> None:
    """A fiscal code that appears twice as a key is masked in the rule that names the key."""
    with pytest.raises(InvalidRequest, match=r"has the key '\[fiscal code\]' twice"):
        load_object('{"RSSMRA80A01H501U": 1, "RSSMRA80A01H501U": 2}')
