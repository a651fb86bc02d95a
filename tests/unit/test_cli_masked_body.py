"""The body of a parked message, as the commands show it without `--reveal`."""

import base64

import pytest

from cli.masked_body import for_people, masked
from tests.samples import (
    BLOB,
    MARKDOWN,
    NOTICE_NUMBER,
    SUBJECT,
    a_body,
    payment,
    personal_data_in,
    remote_content,
)


def test_a_whole_request_is_masked() -> None:
    """Ids and labels are shown; recipient, texts and payment are replaced by their type or length."""
    body = masked(a_body(content=payment(), due_date=None))
    assert isinstance(body, dict)
    assert (body["request_id"], body["campaign"], body["fiscal_code"]) == (
        "r-1",
        "tari 2026",
        "[fiscal code]",
    )
    assert body["content"]["payment_data"] == {
        "amount": "[a number]",
        "notice_number": f"[{len(NOTICE_NUMBER)} UTF-16 code units]",
    }
    assert personal_data_in(str(body)) == []


def test_remote_content_is_masked() -> None:
    """Texts, titles, names of files and names of blobs are replaced by their length."""
    asked = remote_content(
        BLOB, precondition={"title": "Leggi", "markdown": "Prima.", "has_precondition": "ONCE"}
    )
    body = masked(a_body(feature_level_type="ADVANCED", remote_content=asked))
    assert isinstance(body, dict)
    assert body["remote_content"] == {
        "subject": f"[{len(SUBJECT)} UTF-16 code units]",
        "markdown": f"[{len(MARKDOWN)} UTF-16 code units]",
        "attachments": [
            {"name": "[15 UTF-16 code units]", "blob": f"[{len(BLOB)} UTF-16 code units]"},
        ],
        "precondition": {
            "title": "[5 UTF-16 code units]",
            "markdown": "[6 UTF-16 code units]",
            "has_precondition": "ONCE",
        },
    }


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        ('{"fiscal_code": "RSSMRA80A01H501"}', {"fiscal_code": "[15 UTF-16 code units]"}),
        ('{"request_id": "x-RSSMRA80A01H501U"}', {"request_id": "x-[fiscal code]"}),
        ('{"RSSMRA80A01H501U": true}', {"[fiscal code]": True}),
        ('{"note": ["Rossi", null, 7]}', {"note": ["[5 UTF-16 code units]", None, "[a number]"]}),
        ('{"content": {"subject": "😀"}}', {"content": {"subject": "[2 UTF-16 code units]"}}),
        ('{"reference": 1, "sequence": 3}', {"reference": 1, "sequence": 3}),
        ("Mario Rossi", "[11 UTF-16 code units]"),
        ('{"a": 1, "a": 2}', "[16 UTF-16 code units]"),
        (base64.b64encode(b'{"nome": "Rossi"}').decode(), {"nome": "[5 UTF-16 code units]"}),
    ],
)
def test_whatever_may_name_a_person_is_masked(body: str, shown: object) -> None:
    """Wrong, unknown and unreadable parts of a body are masked like the known ones."""
    assert masked(body) == shown


def test_masks_are_italian_for_people() -> None:
    """People read what is masked in Italian; programs read it as before."""
    body = '{"fiscal_code": "RSSMRA80A01H501U", "note": ["Rossi", 7], "content": {"subject": "x"}}'
    assert for_people(masked(body)) == {
        "fiscal_code": "[codice fiscale]",
        "note": ["[5 caratteri]", "[un numero]"],
        "content": {"subject": "[1 carattere]"},
    }
