"""The fiscal code: the pattern that IO accepts, and the codes that are found and masked in text."""

import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contract.fiscal_code import (
    FISCAL_CODE_PATTERN,
    MASK,
    codes_in,
    contains_fiscal_code,
    mask_fiscal_codes,
    normalized,
    omocodia_forms,
)

UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
CODES = st.from_regex(FISCAL_CODE_PATTERN.replace("$", r"\Z"), alphabet=st.characters(codec="ascii"))
WITH_LETTERS_FOR_DIGITS = "RSSMRAULALMHRLMU"


@pytest.mark.parametrize("code", ["RSSMRA80A01H501U", "AAAAAA00A00A000A", "RSSMRA8LA01H50MU"])
def test_pattern_takes_what_io_takes(code: str) -> None:
    """Ordinary codes, PagoPA's specimen and codes with letters for digits match."""
    assert re.fullmatch(FISCAL_CODE_PATTERN, code)


@pytest.mark.parametrize("code", ["rssmra80a01h501u", "RSSMRA80F01H501U", "RSSMRA80A01H501", "01234567890"])
def test_pattern_refuses_what_io_refuses(code: str) -> None:
    """Lower case, a letter of no month, a missing character and an organization's code do not match."""
    assert not re.fullmatch(FISCAL_CODE_PATTERN, code)


@UNHURRIED
@given(code=CODES, before=st.sampled_from(["", " ", "/", "_", "%22", "\\n", "\\u0027", "è", "="]))
def test_code_that_stands_alone_is_masked(code: str, before: str) -> None:
    """Every code is masked in either case, even right after an escape of JSON or of a URL."""
    for written in (code, code.lower()):
        assert mask_fiscal_codes(f"{before}{written} seen") == f"{before}{MASK} seen"


def test_code_inside_a_longer_word_is_masked() -> None:
    """A code joined to a year and a counter, as in senders' keys, is masked."""
    assert mask_fiscal_codes("TARI2026RSSMRA80A01H501U001") == f"TARI2026{MASK}001"


def test_every_code_of_a_text_is_masked() -> None:
    """Codes next to each other are all masked, and the rest of the text stays."""
    text = f"a RSSMRA80A01H501U,AAAAAA00A00A000A {WITH_LETTERS_FOR_DIGITS} b"
    assert mask_fiscal_codes(text) == f"a {MASK},{MASK} {MASK} b"


@pytest.mark.parametrize(
    "identifier",
    [
        "01RSSMRA80A01H501V00000000",  # a ULID by its shape
        "aaaaaa00a00a000aaaaaaa00a00a000a",  # the hexadecimal of a UUID or of a trace
        f"X{WITH_LETTERS_FOR_DIGITS}X",  # a word
    ],
)
def test_identifiers_are_left_alone(identifier: str) -> None:
    """A random identifier that happens to contain the shape is neither reported nor masked."""
    assert not contains_fiscal_code(identifier)
    assert mask_fiscal_codes(f"id {identifier}.") == f"id {identifier}."


@UNHURRIED
@given(text=st.text(), code=CODES)
def test_masked_text_is_clean(text: str, code: str) -> None:
    """A masked text contains no fiscal code."""
    assert not contains_fiscal_code(mask_fiscal_codes(f"{text} {code} {text}"))


@pytest.mark.parametrize("text", ["rssmra80a01h501u", " RSSMRA 80A01 H501U\n", "RSSMRA-80A01-H501-U"])
def test_code_is_normalized(text: str) -> None:
    """Small letters, blanks and signs do not matter in a code that stands alone."""
    assert normalized(text) == "RSSMRA80A01H501U"


@pytest.mark.parametrize("text", ["", "RSSMRA80A01H501", "RSSMRA80A01H501U VRDLGU80A01H501X", "12345678901"])
def test_what_is_no_code_is_not_normalized(text: str) -> None:
    """A code that is too short, two codes and an organization's code are no person's code."""
    assert normalized(text) is None


def test_forms_of_a_code() -> None:
    """Each of seven digits or its letter, with any check character; the forms of a form are the same."""
    forms = omocodia_forms("RSSMRA80A01H501U")
    assert len(forms) == 2**7 * 26
    assert forms == omocodia_forms(WITH_LETTERS_FOR_DIGITS)
    assert all(re.fullmatch(FISCAL_CODE_PATTERN, form) for form in forms)
    assert omocodia_forms("no code") == frozenset()


def test_codes_are_found_in_a_text() -> None:
    """Codes are found in any case and with signs in between, each as it stands."""
    assert list(codes_in("di rssmra-80a01-h501u e VRDLGU80A01H501X")) == [
        "RSSMRA80A01H501U",
        "VRDLGU80A01H501X",
    ]
