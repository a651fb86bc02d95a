"""The fiscal code as IO accepts it: upper case, the check character not verified (ts-commons, strings)."""

import re
from typing import Annotated

from pydantic import StringConstraints

PATTERN = "^[A-Z]{6}[0-9LMNPQRSTUV]{2}[ABCDEHLMPRST][0-9LMNPQRSTUV]{2}[A-Z][0-9LMNPQRSTUV]{3}[A-Z]$"

FiscalCode = Annotated[str, StringConstraints(pattern=PATTERN)]


def is_fiscal_code(text: str) -> bool:
    """Return whether IO accepts the text in a path."""
    return re.fullmatch(PATTERN, text) is not None
