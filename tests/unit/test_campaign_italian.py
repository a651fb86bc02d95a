"""Amounts, dates, notice numbers and fiscal codes as Italian spreadsheets write them."""

from datetime import UTC, date, datetime, time
from typing import Any

import pytest

from cli.campaign_file.cells import Unreadable, letter_of, text_of
from cli.campaign_file.italian import (
    END_OF_DAY,
    START_OF_DAY,
    WrongValue,
    amount,
    check_character,
    fiscal_code,
    instant_at,
    notice_number,
)


def _code(reader: Any, value: Any) -> str:
    with pytest.raises(WrongValue) as raised:
        reader(value)
    return raised.value.code


@pytest.mark.parametrize("thousand", range(10))
def test_every_amount_to_the_cent(thousand: int) -> None:
    """Each amount from 0,01 to 9999,99 is its cents: with a comma, a point, grouped, and as a number."""
    for cents in range(max(1, thousand * 100_000), (thousand + 1) * 100_000):
        euros, rest = divmod(cents, 100)
        assert amount(f"{euros},{rest:02}") == (cents, ())
        if cents % 37 == 0:
            grouped = f"{euros:,}".replace(",", ".")
            forms = (f"{grouped},{rest:02}", f"{euros}.{rest:02}", f"€ {euros},{rest:02}", cents / 100)
            assert {amount(form)[0] for form in forms} == {cents}


@pytest.mark.parametrize(
    ("value", "cents"),
    [
        ("19,99", 1999),
        ("1,15", 115),
        ("1.234,56", 123456),
        ("1.234.567,89", 123456789),
        ("1.234.567", 123456700),
        ("1234", 123400),
        ("19,9", 1990),
        ("19.99", 1999),
        ("€ 19,99", 1999),
        ("19,99 EUR", 1999),
        ("19,99\u00a0€", 1999),
        ("+5,00", 500),
        (19.99, 1999),
        (0.1 + 0.2, 30),
        (12, 1200),
    ],
)
def test_amount(value: Any, cents: int) -> None:
    """An amount that can mean one thing only is read."""
    assert amount(value) == (cents, ())


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("1.234", "importo-ambiguo"),
        ("1,234", "importo-ambiguo"),
        ("12.34,56", "importo-illeggibile"),
        ("1,234.56", "importo-illeggibile"),
        ("dodici", "importo-illeggibile"),
        ("1e3", "importo-illeggibile"),
        ("١٢", "importo-illeggibile"),
        ("9" * 30, "importo-illeggibile"),
        (True, "importo-illeggibile"),
        (1e30, "importo-illeggibile"),
        (float("nan"), "importo-illeggibile"),
        (float("inf"), "importo-illeggibile"),
        (date(2026, 1, 1), "importo-illeggibile"),
        ("12,3456", "importo-decimali"),
        (12.345, "importo-decimali"),
        ("-5,00", "importo-negativo"),
        (-5, "importo-negativo"),
        ("0,00", "importo-zero"),
        (0, "importo-zero"),
    ],
)
def test_wrong_amount(value: Any, code: str) -> None:
    """An amount that is none, or may mean two, is refused by its own rule."""
    assert _code(amount, value) == code


@pytest.mark.parametrize(
    ("value", "instant"),
    [
        ("31/12/2026", "2026-12-31T22:59:59"),
        ("31-12-2026", "2026-12-31T22:59:59"),
        ("31.12.2026", "2026-12-31T22:59:59"),
        ("2026-12-31", "2026-12-31T22:59:59"),
        ("1/7/2026", "2026-07-01T21:59:59"),
        ("28/03/2026", "2026-03-28T22:59:59"),
        ("29/03/2026", "2026-03-29T21:59:59"),
        ("25/10/2026", "2026-10-25T22:59:59"),
        ("29/02/2028", "2028-02-29T22:59:59"),
        ("31/12/2026 12:30", "2026-12-31T11:30:00"),
        ("31/12/2026 ore 12.30", "2026-12-31T11:30:00"),
        ("2026-07-01T12:30:15", "2026-07-01T10:30:15"),
        (date(2026, 7, 1), "2026-07-01T21:59:59"),
        (datetime.fromisoformat("2026-07-01"), "2026-07-01T21:59:59"),
        (datetime.fromisoformat("2026-07-01T12:30:00"), "2026-07-01T10:30:00"),
    ],
)
def test_due_date(value: Any, instant: str) -> None:
    """A day ends at 23:59:59 in Italy, in winter and in summer; a time is a time in Italy."""
    expected = datetime.fromisoformat(instant).replace(tzinfo=UTC)
    assert instant_at(END_OF_DAY)(value) == (expected, ())


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("29/02/2027", "data-inesistente"),
        ("31/04/2026", "data-inesistente"),
        ("12/31/2026", "data-inesistente"),
        ("31/12/2026 25:00", "data-inesistente"),
        ("31/12/26", "data-anno-breve"),
        ("31/12/226", "data-illeggibile"),
        ("31/12-2026", "data-illeggibile"),
        ("fine mese", "data-illeggibile"),
        ("31/12/2026 sera", "data-illeggibile"),
        (True, "data-numero"),
        (time(12), "data-illeggibile"),
        (46387, "data-numero"),
        ("46387", "data-numero"),
        ("29/03/2026 02:30", "ora-inesistente"),
        ("25/10/2026 02:30", "ora-inesistente"),
    ],
)
def test_wrong_date(value: Any, code: str) -> None:
    """A date that does not exist, or may mean two, is refused by its own rule."""
    assert _code(instant_at(END_OF_DAY), value) == code


def test_day_without_a_time_to_send_from_begins_in_the_morning() -> None:
    """`invia_dal` without a time is 8 in the morning in Italy."""
    assert instant_at(START_OF_DAY)("01/12/2026")[0] == datetime(2026, 12, 1, 7, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "warnings"),
    [
        ("302000100000012336", ()),
        ("'302000100000012336", ("avviso-corretto",)),
        ("3020 0010 0000 0123 36", ("avviso-corretto",)),
        ("302000100000012386", ("avviso-controllo",)),
        ("102000100000012386", ()),
        ("302000100000012000", ("avviso-arrotondato",)),
        ("ABC", ()),
    ],
)
def test_notice_number(value: str, warnings: tuple[str, ...]) -> None:
    """A notice number is repaired only where nothing is lost, and the doubts about it are warnings."""
    read, codes = notice_number(value)
    assert codes == warnings
    assert read == value.replace(" ", "").strip("'")


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("3,01E+17", "avviso-esponente"),
        ("3.01e+17", "avviso-esponente"),
        ("3E+17", "avviso-esponente"),
        ("302000100000012336.0", "avviso-decimale"),
        ("02000100000012385", "avviso-zero-perso"),
        (302000100000012336, "avviso-numero"),
        (3.02e17, "avviso-numero"),
    ],
)
def test_notice_number_that_the_spreadsheet_spoilt(value: Any, code: str) -> None:
    """Digits that are lost are not guessed: the rule says how they were lost."""
    assert _code(notice_number, value) == code


@pytest.mark.parametrize(
    ("value", "read", "warnings"),
    [
        ("RSSMRA80A01H501U", "RSSMRA80A01H501U", ()),
        (" rssmra80a01h501u", "RSSMRA80A01H501U", ("codice-fiscale-corretto",)),
        ("RSS MRA 80A01 H501U", "RSSMRA80A01H501U", ("codice-fiscale-corretto",)),
        ("RSSMRA80A01H501X", "RSSMRA80A01H501X", ("codice-fiscale-controllo",)),
        ("MRNMRA80A01H50MU", "MRNMRA80A01H50MU", ("codice-fiscale-controllo",)),
        ("RSSMRA", "RSSMRA", ()),
        (12, "12", ()),
        (1.5, "", ()),
    ],
)
def test_fiscal_code(value: Any, read: str, warnings: tuple[str, ...]) -> None:
    """A fiscal code loses spaces and gets capitals, with a warning; the contract judges its shape."""
    assert fiscal_code(value) == (read, warnings)


def test_fiscal_code_with_replaced_digits() -> None:
    """A code in which letters replace digits has a check character of its own, and no warning."""
    code = "RSSMRA80A01H50M"
    assert fiscal_code(code + check_character(code)) == (code + check_character(code), ())


@pytest.mark.parametrize("value", ["01234567890", 12345678901])
def test_code_of_an_organization_is_no_recipient(value: Any) -> None:
    """Eleven digits are an organization, which IO does not write to."""
    assert _code(fiscal_code, value) == "codice-fiscale-ente"


def test_letters_of_columns() -> None:
    """Columns have the letters that a spreadsheet shows."""
    assert [letter_of(index) for index in (0, 25, 26, 51, 52, 701, 702)] == [
        *("A", "Z", "AA", "AZ", "BA", "ZZ", "AAA")
    ]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (12.5, "12,5"),
        (1234567.0, "1234567"),
        (True, "sì"),
        (date(2026, 7, 1), "01/07/2026"),
        (datetime.fromisoformat("2026-07-01T23:59:59"), "01/07/2026"),
        (datetime.fromisoformat("2026-07-01T12:30:00"), "01/07/2026 12:30"),
        (time(9, 5), "09:05"),
        (Unreadable.ERROR, "cella-errore"),
    ],
)
def test_value_as_italians_write_it(value: Any, text: str) -> None:
    """Numbers, dates and times in a text are written as in Italy."""
    assert text_of(value) == text
