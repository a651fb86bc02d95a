"""Every test is held to this: PagoPA's codecs read what the simulated IO was sent and what it answered."""

from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import pytest

from local.io_simulator.journal import VARIABLE
from tests.pagopa.exchanges import check_exchange

END_TO_END = Path(__file__).parent / "e2e"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Deal the end-to-end tests among the others: they wait where the others compute.

    Processes that share the tests begin at places of their own (pytest-xdist, worksteal).
    """
    slow = [item for item in items if item.path.is_relative_to(END_TO_END)]
    others = [item for item in items if not item.path.is_relative_to(END_TO_END)]
    each = len(others) // len(slow) if slow else 0
    dealt = [
        one
        for number, item in enumerate(slow)
        for one in (item, *others[number * each : (number + 1) * each])
    ]
    items[:] = [*dealt, *others[len(slow) * each :]]


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
