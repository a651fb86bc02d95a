"""Tables of English sentences with their Italian ones, for texts that other parts of the program write."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property


@dataclass(frozen=True)
class Phrases:
    """The Italian sentence of each English one: a pattern, whose groups are {0}, {1} in the sentence."""

    table: tuple[tuple[str, str], ...]

    @cached_property
    def _patterns(self) -> list[tuple[re.Pattern[str], str]]:
        return [(re.compile(pattern, re.DOTALL), sentence) for pattern, sentence in self.table]

    def of(self, text: str, within: Callable[[str], str] = str) -> str | None:
        """Return the Italian sentence; None for a text that no pattern matches.

        `within` returns what takes the place of each group.
        """
        for pattern, sentence in self._patterns:
            if found := pattern.fullmatch(text):
                return sentence.format(*(within(group or "") for group in found.groups()))
        return None
