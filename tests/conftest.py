"""Check every test's traffic: PagoPA's codecs must read each request to the simulated IO and each answer."""

import functools
import gc
import math
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import pytest
import typer.testing
from hypothesis import settings

from local.io_simulator.journal import VARIABLE
from tests.pagopa.exchanges import check_exchange
from tests.shared_azurite import SharedAzurite, accounts_on, running_azurite

# On import, jsonschema builds the grammar of IRIs, which takes seconds. No schema uses that format.
sys.modules["rfc3987_syntax"] = None  # type: ignore[assignment]

# Typer's runner builds the whole tree of commands for each command that it runs, which takes 20 ms.
typer.testing._get_command = functools.cache(typer.testing._get_command)  # type: ignore[attr-defined]

# The time an example takes depends on the load of the machine.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")

# A shell ignores Ctrl-C for what it runs in the background, and children inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

END_TO_END = Path(__file__).parent / "e2e"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the end-to-end tests first on every second pytest-xdist process, and none on the others.

    End-to-end tests wait most of the time, while the others compute: side by side they keep two cores busy.
    pytest-xdist (worksteal) cuts the list into as many equal parts as there are processes, and takes the end
    of the longest for a process that has nothing left.
    """
    processes = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    waiting = math.ceil(processes / 2)
    slow = [item for item in items if item.path.parent == END_TO_END]
    others = [item for item in items if item.path.parent != END_TO_END]
    length = len(items) // processes
    items.clear()
    for part in range(waiting):
        mine = slow[part::waiting]
        rest = max(0, length - len(mine))
        items += [*mine, *others[:rest]]
        del others[:rest]
    items += others


def pytest_collection_finish() -> None:
    """Keep the garbage collector from going through all that was imported and collected."""
    gc.freeze()


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
