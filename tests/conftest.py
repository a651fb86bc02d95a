"""Check every test's traffic: PagoPA's codecs must read each request to the simulated IO and each answer."""

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import pytest
from hypothesis import settings

from local.io_simulator.journal import VARIABLE
from tests.pagopa.exchanges import check_exchange
from tests.shared_azurite import SharedAzurite, accounts_on, running_azurite

# On import, jsonschema builds the grammar of IRIs, which takes seconds. No schema uses that format.
sys.modules["rfc3987_syntax"] = None  # type: ignore[assignment]

# The time an example takes depends on the load of the machine.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")

# A shell ignores Ctrl-C for what it runs in the background, and children inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

END_TO_END = Path(__file__).parent / "e2e"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give each pytest-xdist process its share of the end-to-end tests, and put those first.

    End-to-end tests wait most of the time, so four of them keep two cores busy. The tests that only compute
    fill the end.
    pytest-xdist (worksteal) cuts the list into as many equal parts as there are processes.
    """
    parts = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    slow = [item for item in items if item.path.parent == END_TO_END]
    others = [item for item in items if item.path.parent != END_TO_END]
    length = len(items) // parts
    items.clear()
    for part in range(parts):
        mine = slow[part::parts]
        rest = length - len(mine) if part < parts - 1 else len(others)
        items += [*mine, *others[:rest]]
        del others[:rest]


@pytest.fixture(scope="session")
def accounts() -> Iterator[Iterator[SharedAzurite]]:
    """Accounts that no test has used, on one emulator in memory for all tests of a process."""
    with running_azurite() as running:
        yield accounts_on(running)


@pytest.fixture
def azurite(accounts: Iterator[SharedAzurite]) -> SharedAzurite:
    """An account that no other test uses, so nothing depends on the order of the tests."""
    return next(accounts)


@pytest.fixture(scope="session")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TextIO]:
    """The exchanges that all simulators of this process and of its children record."""
    path: Path = tmp_path_factory.mktemp("io") / "journal"
    path.touch()
    with path.open() as lines, pytest.MonkeyPatch.context() as environment:
        environment.setenv(VARIABLE, str(path))
        yield lines


@pytest.fixture(autouse=True)
def as_pagopa_reads_it(journal: TextIO) -> Iterator[None]:
    """Fail a test in which the simulator and PagoPA's codecs disagree."""
    yield
    for line in journal.readlines():
        check_exchange(line)
