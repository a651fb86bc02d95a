"""Every test is held to this: PagoPA's codecs read what the simulated IO was sent and what it answered."""

from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import pytest

from local.io_simulator.journal import VARIABLE
from tests.pagopa.exchanges import check_exchange


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
