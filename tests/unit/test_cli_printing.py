"""The output of the commands."""

from datetime import UTC, datetime

import pytest

from cli.printing import print_facts, print_json, print_table


def test_a_row_is_one_line_with_its_words_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    """A row is one line with its words unchanged: long ids are not cut, and markup in them is not applied."""
    row = ("a:key:b", "[bold]x[/bold]", "y" * 500)
    print_table(("uno", "due", "tre"), [row])
    assert capsys.readouterr().out.splitlines()[1].split() == list(row)


def test_a_value_cannot_break_the_line_or_command_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """Line breaks and control characters in a value are printed as spaces."""
    print_table(("motivo",), [("uno\ndue\x1b[2J",)])
    assert capsys.readouterr().out.splitlines()[1].rstrip() == "uno due [2J"


def test_facts_that_are_not_known_are_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    """A fact without a value is left out; zero is a value."""
    print_facts({"attempt": "invii", "campaign": "campagna"}, {"attempt": 0, "campaign": None})
    assert capsys.readouterr().out.split() == ["invii", "0"]


def test_instants_in_json_are_those_of_the_history(capsys: pytest.CaptureFixture[str]) -> None:
    """An instant in JSON has the format of the ledger's history, and Italian letters are not escaped."""
    print_json({"perché": datetime(2026, 11, 24, 9, tzinfo=UTC)})
    assert capsys.readouterr().out == '{\n  "perché": "2026-11-24T09:00:00.000+00:00"\n}\n'


def test_values_are_written_as_italians_write_them(capsys: pytest.CaptureFixture[str]) -> None:
    """Instants are in Italian time, numbers have a comma, and yes and no are Italian; JSON keeps UTC."""
    print_table(("a", "b", "c"), [(datetime(2026, 11, 24, 9, tzinfo=UTC), 29.4, True)])
    assert capsys.readouterr().out.splitlines()[1].split("  ")[:3] == ["24/11/2026 10:00", "29,4", "sì"]


def test_empty_columns_are_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    """A column that no row fills is left out with its heading, and a table without rows prints nothing."""
    print_table(("uno", "due", "tre"), [("a", None, ""), ("b", None, "c")])
    assert [line.split() for line in capsys.readouterr().out.splitlines()] == [
        ["uno", "tre"],
        ["a"],
        ["b", "c"],
    ]
    print_table(("uno",), [])
    assert capsys.readouterr().out == ""
