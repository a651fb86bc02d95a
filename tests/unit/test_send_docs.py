"""docs/send.md names what `postino send` has."""

import re
from pathlib import Path

from cli.campaign_file.columns import FIELDS
from cli.rules_it import FILE_RULES, WARNINGS

TEXT = (Path(__file__).parents[2] / "docs/send.md").read_text()


def test_every_warning_is_explained() -> None:
    """Each warning that can be accepted has a row, and the codes that the document names exist."""
    named = set(re.findall(r"`([a-z]+(?:-[a-z]+)+)`", TEXT))
    assert set(WARNINGS) <= named <= {*FILE_RULES, "message-requests"}


def test_every_column_is_named() -> None:
    """Each field that a column may hold is named."""
    assert [field.name for field in FIELDS if f"`{field.name}`" not in TEXT] == []
