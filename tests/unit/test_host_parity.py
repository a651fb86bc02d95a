"""docs/host-parity.md names a test for each behaviour of the local host."""

import json
import re
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
TEXT = (PROJECT / "docs/host-parity.md").read_text()
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in TEXT.partition("## ")[0].splitlines()
    if line.startswith("|")
][2:]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_row_has_a_source_and_a_test(row: list[str]) -> None:
    """Each behaviour has a source, and the test that it names exists."""
    _, source, ours, test = row
    assert source
    assert ours
    file, _, name = test.strip("`").partition("::")
    assert re.search(rf"^(async )?def {name}\(", (PROJECT / file).read_text(), re.MULTILINE)


def test_every_setting_of_host_json_has_its_source() -> None:
    """The table of host.json has each setting that the app makes, except the version and the log level."""
    document = json.loads((PROJECT / "host.json").read_text())
    queues = document.pop("extensions")["queues"]
    settings = {*document, *queues} - {"version", "logging"}
    assert {name for name in settings if f"`{name}`" in TEXT or f"`queues.{name}`" in TEXT} == settings
