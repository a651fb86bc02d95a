"""The Italian fiscal code: IO's own pattern, and functions that find and mask a code in any text.

Postino does not verify the check character, because IO does not. IO checks only `^[A-Z]{6}...` of
pagopa/io-ts-commons `src/strings.ts`, and PagoPA's specimen AAAAAA00A00A000A must pass.
"""

import hashlib
import re
from collections.abc import Iterator
from itertools import product
from string import ascii_uppercase

_DIGIT = "[0-9LMNPQRSTUV]"  # omocodia: letters replace digits when the codes of two persons collide
_CODE = f"[A-Z]{{6}}{_DIGIT}{{2}}[ABCDEHLMPRST]{_DIGIT}{{2}}[A-Z]{_DIGIT}{{3}}[A-Z]"
_CODE_OF_DIGITS = _CODE.replace(_DIGIT, "[0-9]")

# A random identifier sometimes looks like a fiscal code, so the search skips two kinds: long hexadecimal
# strings, and ULIDs (IO's message ids are ULIDs, and those of this age start with 01). Any word can resemble
# a code with replaced digits: such a code counts only alone, or after an escape of JSON or of a URL.
_IDENTIFIER = r"(?<![0-9A-Z])(?:01[0-9A-HJKMNP-TV-Z]{24}|[0-9A-F]{32,})(?![0-9A-Z])"
_START = r"(?:(?<![0-9A-Z])|(?<=%[0-9A-F]{2})|(?<=\\[nrt])|(?<=\\u[0-9A-F]{4}))"
_FOUND = re.compile(
    rf"{_IDENTIFIER}|(?P<code>{_CODE_OF_DIGITS}|{_START}{_CODE}(?![0-9A-Z]))", re.IGNORECASE | re.ASCII
)
_HIDDEN = re.compile(rf"{_IDENTIFIER}|(?P<code>{_CODE})", re.IGNORECASE | re.ASCII)

_WHOLE = re.compile(_CODE, re.ASCII)
_ANYWHERE = re.compile(f"(?=({_CODE}))", re.ASCII)
_LONG_WORD = re.compile("[0-9A-Z]{16}", re.IGNORECASE | re.ASCII)
_AS_DIGIT = {letter: str(digit) for digit, letter in enumerate("LMNPQRSTUV")}
_AS_LETTER = {digit: letter for letter, digit in _AS_DIGIT.items()}
_DIGITS_AT = frozenset({6, 7, 9, 10, 12, 13, 14})

FISCAL_CODE_PATTERN = f"^{_CODE}$"
FISCAL_CODE_SHAPE = re.compile(_CODE, re.IGNORECASE | re.ASCII)
"""Matches the shape anywhere, even inside a longer word. Use where a false alarm costs nothing."""

MASK = "[fiscal code]"


def contains_fiscal_code(text: str) -> bool:
    """Return whether `text` contains something shaped like a fiscal code, in upper or lower case."""
    # Nearly every text has no word long enough, and the search for one is ten times faster.
    return bool(_LONG_WORD.search(text)) and any(found["code"] for found in _FOUND.finditer(text))


def is_person_in(text: str, fiscal_code: str) -> bool:
    """Return whether `text` contains this very code: any case, any omocodia form, signs in between."""
    person = _person(fiscal_code.upper())
    return bool(person) and any(_person(code) == person for code in codes_in(text))


def codes_in(text: str) -> Iterator[str]:
    """Yield everything in `text` that can be a code, in upper case: any case, signs in between."""
    yield from (found[1] for found in _ANYWHERE.finditer(_letters(text)))


def normalized(text: str) -> str | None:
    """Return the code that `text` is, in upper case and without blanks and signs; None if it is none."""
    code = _letters(text)
    return code if _WHOLE.fullmatch(code) else None


def hash_at_io(fiscal_code: str) -> str:
    """Return IO's hash of a fiscal code: its SHA-256 in lower-case hex (GET /subscriptions-feed/{date}).

    Anyone can enumerate it: never store it as is.
    """
    return hashlib.sha256(fiscal_code.upper().encode()).hexdigest()


def omocodia_forms(fiscal_code: str) -> frozenset[str]:
    """Return each form of a code: letters in place of any of its digits, with any check character.

    The forms of one code are given to different persons whose codes collide: to the first person the form
    with digits only, to each later one another form (decree of 23 December 1976, article 6).
    """
    person = _person(fiscal_code)
    if person is None:
        return frozenset()
    choices = [sign + _AS_LETTER[sign] if at in _DIGITS_AT else sign for at, sign in enumerate(person)]
    return frozenset("".join(signs) for signs in product(*choices, ascii_uppercase))


def _letters(text: str) -> str:
    return "".join(filter(str.isalnum, text.upper()))


def _person(code: str) -> str | None:
    """Return the part that all omocodia forms of a code share; None if `code` is no fiscal code."""
    if not _WHOLE.fullmatch(code):
        return None
    return "".join(
        _AS_DIGIT.get(sign, sign) if at in _DIGITS_AT else sign for at, sign in enumerate(code[:15])
    )


def mask_fiscal_codes(text: str) -> str:
    """Return `text` with MASK in place of everything shaped like a fiscal code."""
    return _FOUND.sub(lambda found: MASK if found["code"] else found[0], text)


def mask_hidden_fiscal_codes(text: str) -> str:
    """Mask as `mask_fiscal_codes` does, also inside a longer word. Use for text that leaves Postino.

    The function sometimes masks a word that is no fiscal code.
    """
    return _HIDDEN.sub(lambda found: MASK if found["code"] else found[0], text)
