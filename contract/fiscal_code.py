"""The Italian fiscal code: IO's own pattern, and how one is found and masked in any text.

The check character is not verified, because IO does not: `^[A-Z]{6}...` of pagopa/io-ts-commons
`src/strings.ts` is all that it asks, and PagoPA's specimen AAAAAA00A00A000A must pass.
"""

import re

_DIGIT = "[0-9LMNPQRSTUV]"  # omocodia: when two persons' codes collide, letters replace digits
_CODE = f"[A-Z]{{6}}{_DIGIT}{{2}}[ABCDEHLMPRST]{_DIGIT}{{2}}[A-Z]{_DIGIT}{{3}}[A-Z]"
_CODE_OF_DIGITS = _CODE.replace(_DIGIT, "[0-9]")

# Random identifiers look like fiscal codes now and then, so two of them are known and stepped over
# (IO's message ids are ULIDs, and those of this age start with 01), and a code with replaced digits,
# which any word can resemble, counts only when it stands alone or after an escape of JSON or of a URL.
_IDENTIFIER = r"(?<![0-9A-Z])(?:01[0-9A-HJKMNP-TV-Z]{24}|[0-9A-F]{32,})(?![0-9A-Z])"
_START = r"(?:(?<![0-9A-Z])|(?<=%[0-9A-F]{2})|(?<=\\[nrt])|(?<=\\u[0-9A-F]{4}))"
_FOUND = re.compile(
    rf"{_IDENTIFIER}|(?P<code>{_CODE_OF_DIGITS}|{_START}{_CODE}(?![0-9A-Z]))", re.IGNORECASE | re.ASCII
)
_HIDDEN = re.compile(rf"{_IDENTIFIER}|(?P<code>{_CODE})", re.IGNORECASE | re.ASCII)

_WHOLE = re.compile(_CODE, re.ASCII)
_AS_DIGIT = {letter: str(digit) for digit, letter in enumerate("LMNPQRSTUV")}
_DIGITS_AT = frozenset({6, 7, 9, 10, 12, 13, 14})

FISCAL_CODE_PATTERN = f"^{_CODE}$"
FISCAL_CODE_SHAPE = re.compile(_CODE, re.IGNORECASE | re.ASCII)
"""Matches the shape anywhere, even inside a longer word: for text where a false alarm costs nothing."""

MASK = "[fiscal code]"


def contains_fiscal_code(text: str) -> bool:
    """Tell whether `text` holds something shaped like a fiscal code, in either case."""
    return any(found["code"] for found in _FOUND.finditer(text))


def is_person_in(text: str, fiscal_code: str) -> bool:
    """Tell whether `text` holds this very code, in any case, any omocodia form, and with signs in between."""
    person = _person(fiscal_code.upper())
    letters = "".join(filter(str.isalnum, text.upper()))
    return bool(person) and any(_person(letters[at : at + 16]) == person for at in range(len(letters) - 15))


def _person(code: str) -> str | None:
    """What all omocodia forms of a code have in common; None for what is no code."""
    if not _WHOLE.fullmatch(code):
        return None
    return "".join(
        _AS_DIGIT.get(sign, sign) if at in _DIGITS_AT else sign for at, sign in enumerate(code[:15])
    )


def mask_fiscal_codes(text: str) -> str:
    """Return `text` with MASK in place of everything shaped like a fiscal code."""
    return _FOUND.sub(lambda found: MASK if found["code"] else found[0], text)


def mask_hidden_fiscal_codes(text: str) -> str:
    """As `mask_fiscal_codes`, also where the code is part of a longer word: for text that leaves the house.

    Now and then it masks a word that is none.
    """
    return _HIDDEN.sub(lambda found: MASK if found["code"] else found[0], text)
