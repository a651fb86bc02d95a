"""Numbers that are shown to others: rounded down, so that no difference reveals a small group."""

from collections import Counter
from typing import Final

SMALLEST: Final = 5
FEW: Final = f"meno di {SMALLEST}"


def suppressed(numbers: Counter[str]) -> Counter[str]:
    """Return the numbers rounded down to multiples of 5; what was below 5, zero included, is gone.

    Any two sets of numbers with the same multiples look the same. So whatever is derived from the result, by
    subtraction or otherwise, says nothing of a group below 5, not even whether there is one.
    """
    return Counter(
        {fact: number - number % SMALLEST for fact, number in numbers.items() if number >= SMALLEST}
    )


def shown_number(number: int) -> str:
    """Return a suppressed number as people read it."""
    return f"{number:,}".replace(",", ".") if number else FEW
