"""Every test is held to this: PagoPA's codecs read what the simulated IO was sent and what it answered."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import pytest
from hypothesis import settings

from local.io_simulator.journal import VARIABLE
from tests.pagopa.exchanges import check_exchange

# At its import jsonschema builds the grammar of IRIs, which takes seconds; no schema here names that format.
sys.modules["rfc3987_syntax"] = None  # type: ignore[assignment]

# How long an example takes is a matter of what else the machine does.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")

END_TO_END = Path(__file__).parent / "e2e"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give each process that shares the tests its part of the end-to-end tests, and those first.

    They wait most of the time, so that four of them keep two cores busy; what only computes fills the end.
    pytest-xdist (worksteal) cuts the list in as many equal parts as there are processes.
    """
    parts = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    slow = [item for item in items if item.path.is_relative_to(END_TO_END)]
    others = [item for item in items if not item.path.is_relative_to(END_TO_END)]
    length = len(items) // parts
    items.clear()
    for part in range(parts):
        mine = slow[part::parts]
        rest = length - len(mine) if part < parts - 1 else len(others)
        items += [*mine, *others[:rest]]
        del others[:rest]


@pytest.fixture(scope="session")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TextIO]:
    """What all simulators of this process and of its children write down."""
    path: Path = tmp_path_factory.mktemp("io") / "journal"
    path.touch()
    with path.open() as lines, pytest.MonkeyPatch.context() as environment:
        environment.setenv(VARIABLE, str(path))
        yield lines


@pytest.fixture(autouse=True)
def as_pagopa_reads_it(journal: TextIO) -> Iterator[None]:
    """Fails a test in which the simulator and PagoPA's codecs differ."""
    yield
    for line in journal.readlines():
        check_exchange(line)
