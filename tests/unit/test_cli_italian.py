"""Values as Italians write them."""

from datetime import UTC, datetime, timedelta

import pytest

from report.italian import counted, duration, euros, joined, moment, number


@pytest.mark.parametrize(
    ("at", "text"),
    [
        (datetime(2026, 11, 24, 9, 8, 25, tzinfo=UTC), "24/11/2026 10:08"),
        (datetime(2026, 6, 30, 21, 59, 59, tzinfo=UTC), "30/06/2026 23:59"),
        (datetime(2026, 12, 31, 23, 30, tzinfo=UTC), "01/01/2027 00:30"),
        (datetime(2026, 10, 25, 0, 30, tzinfo=UTC), "25/10/2026 02:30 (ora legale)"),
        (datetime(2026, 10, 25, 1, 30, tzinfo=UTC), "25/10/2026 02:30 (ora solare)"),
        (datetime(2026, 3, 29, 1, 0, tzinfo=UTC), "29/03/2026 03:00"),
    ],
)
def test_instants_are_those_of_the_clock_in_italy(at: datetime, text: str) -> None:
    """An instant is shown in Italian time, whatever the season, and the doubled hour is told apart."""
    assert moment(at) == text


@pytest.mark.parametrize(
    ("time", "text"),
    [
        (timedelta(0), "meno di un secondo"),
        (timedelta(seconds=1), "1 secondo"),
        (timedelta(minutes=1, seconds=30), "1 minuto e 30 secondi"),
        (timedelta(hours=3, minutes=20, seconds=5), "3 ore e 20 minuti"),
        (timedelta(hours=1, seconds=5), "1 ora"),
        (timedelta(days=1, hours=12), "1 giorno e 12 ore"),
        (timedelta(days=72), "72 giorni"),
    ],
)
def test_durations_have_their_two_largest_units(time: timedelta, text: str) -> None:
    """A duration has at most two units next to each other, each singular or plural."""
    assert duration(time) == text


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (1234, "1.234"), (29.4, "29,4"), (12.0, "12"), (1234.56, "1.234,56")]
)
def test_numbers_have_a_decimal_comma(value: float, text: str) -> None:
    """Numbers have a decimal comma, and points between thousands."""
    assert number(value) == text


@pytest.mark.parametrize(
    ("cents", "text"), [(1, "0,01 €"), (12950, "129,50 €"), (123456789, "1.234.567,89 €")]
)
def test_amounts_have_two_decimals(cents: int, text: str) -> None:
    """An amount in cents is written in euros, with both decimals."""
    assert euros(cents) == text


def test_nouns_follow_their_number() -> None:
    """One is singular, and every other number is plural."""
    assert [counted(count, "messaggio", "messaggi") for count in (0, 1, 2)] == [
        "0 messaggi",
        "1 messaggio",
        "2 messaggi",
    ]
    assert [joined(words) for words in ([], ["a"], ["a", "b"], ["a", "b", "c"])] == [
        "",
        "a",
        "a e b",
        "a, b e c",
    ]
