"""Accounts on one running emulator: a start of Azurite costs a second of CPU, and a warm one is faster."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from local.azurite import Azurite

ACCOUNTS_VARIABLE = "AZURITE_ACCOUNTS"
"""The accounts of an emulator, as name1:key1;name2:key2 (the documentation of Azurite)."""
_NAMES = [f"account{number}" for number in range(2000)]
_KEY = "c2hhcmVkIGVtdWxhdG9y"
_DEFAULT = dict(part.split("=", 1) for part in Azurite().connection_string.split(";") if part)


class SharedAzurite(Azurite):
    """An account on a running emulator, which it neither starts nor stops."""

    def __init__(self, running: Azurite, name: str) -> None:
        super().__init__(ports=running.ports)
        default = running.connection_string
        named = default.replace(_DEFAULT["AccountName"], name)
        self._connection_string = named.replace(_DEFAULT["AccountKey"], _KEY)

    @property
    def connection_string(self) -> str:
        return self._connection_string

    def start(self) -> None:
        """The emulator runs."""

    def stop(self) -> None:
        """The emulator runs on."""


@contextmanager
def running_azurite() -> Iterator[Azurite]:
    """Run an emulator in memory that has `accounts_on`, besides its usual account."""
    usual = f"{_DEFAULT['AccountName']}:{_DEFAULT['AccountKey']}"
    running = Azurite()
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv(ACCOUNTS_VARIABLE, ";".join([usual, *(f"{name}:{_KEY}" for name in _NAMES)]))
        running.start()
    try:
        yield running
    finally:
        running.stop()


def accounts_on(running: Azurite) -> Iterator[SharedAzurite]:
    """The accounts of a `running_azurite`, all empty."""
    return (SharedAzurite(running, name) for name in _NAMES)
