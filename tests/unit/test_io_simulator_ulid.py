"""The simulator's message ids."""

import re
from datetime import UTC, datetime, timedelta

from local.io_simulator.ulid import ALPHABET, new_ulid

INSTANT = datetime(2026, 3, 1, 12, 30, 15, 250_000, tzinfo=UTC)


def test_is_a_ulid() -> None:
    """An id has 26 characters of Crockford's alphabet and fits in 128 bits."""
    assert re.fullmatch("[0-7][0-9A-HJKMNP-TV-Z]{25}", new_ulid(INSTANT))


def test_holds_the_instant() -> None:
    """The first ten characters are the milliseconds since 1970."""
    milliseconds = 0
    for character in new_ulid(INSTANT)[:10]:
        milliseconds = milliseconds * 32 + ALPHABET.index(character)
    assert milliseconds == int(INSTANT.timestamp() * 1000)


def test_sorts_by_instant_and_never_repeats() -> None:
    """Ids of later milliseconds sort later, and ids of the same one differ."""
    ids = [new_ulid(INSTANT + timedelta(milliseconds=n)) for n in range(100)]
    assert ids == sorted(ids)
    assert len({new_ulid(INSTANT) for _ in range(1000)}) == 1000
