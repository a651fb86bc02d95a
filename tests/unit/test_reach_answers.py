"""The file of the answers: complete after any interruption, in order at the end, and without fiscal codes."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cli.reach_file.answers import Answer, AnswerFile, Source, Verdict

NOW = datetime(2026, 11, 28, 9, 8, tzinfo=UTC)
LONG_AGO = NOW - timedelta(days=7)
YES = Answer(Verdict.YES, "", Source.IO, NOW)
NO = Answer(Verdict.NO, "sender_not_allowed", Source.IO, NOW)
SUBSCRIBER = Answer(Verdict.YES, "", Source.REGISTER, datetime(2026, 11, 28, tzinfo=UTC))
NOBODY = Answer(Verdict.NO, "not_subscribed", Source.REGISTER, datetime(2026, 11, 28, tzinfo=UTC))
WRONG = Answer(Verdict.WRONG, "wrong_fiscal_code", Source.FILE, NOW)
UNKNOWN = Answer(Verdict.UNKNOWN, "server_error", Source.IO, NOW)


@pytest.fixture
def file(tmp_path: Path) -> AnswerFile:
    return AnswerFile(tmp_path / "tari.csv.reach.csv", "abc")


def reloaded(file: AnswerFile, imprint: str = "abc", since: datetime = LONG_AGO) -> dict[int, Answer]:
    again = AnswerFile(file.path, imprint)
    again.load(since)
    return again.answers


def test_rows_are_in_order_at_the_end(file: AnswerFile) -> None:
    """The file says for each row whether, why, by whom and when, as Italians write it."""
    file.begin()
    file.add([4], NO)
    file.add([2, 7], YES)
    file.add([3], NOBODY)
    file.add([5], WRONG)
    file.finish()
    assert file.path.read_text("utf-8-sig").splitlines() == [
        "riga;contattabile;perché;risposta;impronta abc",
        "2;sì;;chiesto a IO il 28/11/2026 10:08",
        "3;no;il destinatario non è tra gli iscritti del servizio (not_subscribed);"
        "dal registro degli iscritti, aggiornato al 27/11/2026",
        "4;no;il destinatario non vuole messaggi da questo servizio (sender_not_allowed);"
        "chiesto a IO il 28/11/2026 10:08",
        "5;codice errato;il codice fiscale manca, o non è di una persona (wrong_fiscal_code);",
        "7;sì;;chiesto a IO il 28/11/2026 10:08",
    ]
    assert file.path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("content", "is_foreign"),
    [
        (None, False),
        (b"", False),
        ("riga;contattabile;perch\u00e9;risposta;impronta abc\r\n".encode("cp1252"), False),
        (b"codice_fiscale;nome\r\n", True),
        (b"PK\x03\x04\x14\x00", True),
    ],
)
def test_file_of_something_else(file: AnswerFile, content: bytes | None, is_foreign: bool) -> None:
    """A spreadsheet is told from a file of answers, also from one that another program has written again."""
    if content is not None:
        file.path.write_bytes(content)
    assert file.is_foreign() is is_foreign


def test_answers_are_read_again(file: AnswerFile) -> None:
    """After an interruption the answers that were given stand; what is not known is asked again."""
    file.begin()
    answers = {2: YES, 3: NO, 4: SUBSCRIBER, 5: NOBODY}
    for row, answer in answers.items():
        file.add([row], answer)
    file.add([6], WRONG)
    file.add([7], UNKNOWN)
    assert reloaded(file) == answers


def test_line_that_was_cut_off_is_asked_again(file: AnswerFile) -> None:
    """A crash in the middle of a line loses that line alone, wherever it cuts."""
    file.begin()
    file.add([2], YES)
    whole = file.path.read_bytes()
    file.add([3], NO)
    longer = file.path.read_bytes()
    for end in range(len(whole), len(longer) - 2):
        file.path.write_bytes(longer[:end])
        assert reloaded(file) in ({2: YES}, {2: YES, 3: NO})


def test_answers_that_are_too_old_are_asked_again(file: AnswerFile) -> None:
    """An answer older than the limit is left out, the register's by the end of its day."""
    file.begin()
    file.add([2], YES)
    file.add([3], SUBSCRIBER)
    assert reloaded(file, since=NOW) == {2: YES}
    assert reloaded(file, since=SUBSCRIBER.at) == {2: YES, 3: SUBSCRIBER}


def test_answers_of_another_file_are_not_read(file: AnswerFile) -> None:
    """If the spreadsheet or the service changed, row numbers mean other people."""
    file.begin()
    file.add([2], YES)
    assert reloaded(file, imprint="other") == {}
    file.path.write_text("riga;contattabile\n2;sì\n")
    assert reloaded(file) == {}
    file.path.write_bytes(b"\xff\xfe\x00")
    assert reloaded(file) == {}
