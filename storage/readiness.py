"""Readiness: this process can read and write each table, and its keyring is complete.

Without readiness, nothing can be decided about any message. No message is at fault, so all messages wait.
"""

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Final, NamedTuple, Self

from storage import (
    campaigns,
    due_index,
    key_checks,
    ledger,
    notices,
    parked,
    reminder_days,
    remote_contents,
    subscriptions,
)
from storage.account import StorageAccount
from storage.cipher import Cipher, Undecipherable
from storage.index_key import IndexKey
from storage.key_checks import KeyChecks
from storage.table import Table, Unanswered

log = logging.getLogger(__name__)

TABLES: Final = (
    ledger.TABLE,
    parked.TABLE,
    due_index.TABLE,
    due_index.REMINDERS_TABLE,
    due_index.ENDS_TABLE,
    notices.TABLE,
    campaigns.TABLE,
    reminder_days.TABLE,
    remote_contents.TABLE,
    subscriptions.TABLE,
    key_checks.TABLE,
)
_NO_ROW: Final = ("@readiness", "@readiness")
RECHECK_SECONDS = 5.0
LOG_SECONDS = 60.0
SHORTEST_WAIT = 5.0
# Short at first, while a role is being granted. Later, a backlog that keeps coming back costs more than it
# helps.
LONGEST_WAIT_AT_FIRST, AT_FIRST = 60.0, 3600.0
LONGEST_WAIT = 300.0
REFUSED = (401, 403)
ALL_TABLES: Final = "* (all)"
_MESSAGES: Final = {
    "refused": "table {of} refuses the app; grant its identity the role Storage Table Data Contributor",
    "unanswered": "table {of} does not answer; look at the storage account and the network",
    "missing_key": "ENCRYPTION_KEYS lacks key {of}, which has sealed rows; put it back at the end",
    "index_key": "table {of} holds an index key that no key opens; restore its row from a copy",
}


class NotReady(Exception):
    """Storage or the keyring prevents this process from deciding anything, so nothing was done."""


class Fault(NamedTuple):
    """One fault: a table that refuses or does not answer, a key that is missing, a damaged index key."""

    kind: str
    of: str

    def __str__(self) -> str:
        return _MESSAGES[self.kind].format(of=self.of)


async def _nothing() -> None:
    pass


class Readiness:
    """Proves readiness once, and again after each failure of storage. `tables` maps names to tables.

    `prepare`: what to do meanwhile, because a new process waits for storage with an idle CPU.
    """

    def __init__(
        self,
        tables: Mapping[str, Table],
        key_checks: KeyChecks,
        index_key: IndexKey,
        *,
        prepare: Callable[[], Awaitable[None]] = _nothing,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._tables = tables
        self._key_checks = key_checks
        self._index_key = index_key
        self._prepare = prepare
        self._monotonic = monotonic
        self._proving = asyncio.Lock()
        self._is_proven = False
        self._failed_at = self._logged_at = float("-inf")
        self._since: float | None = None

    @classmethod
    def of(
        cls,
        account: StorageAccount,
        cipher: Cipher,
        *others: str,
        prepare: Callable[[], Awaitable[None]] = _nothing,
    ) -> Self:
        """Build the readiness of the tables of this package and of `others`."""
        tables = {name: account.table(name) for name in (*TABLES, *others)}
        keys = tables[key_checks.TABLE]
        hashed = [tables[ledger.TABLE], tables[notices.TABLE], tables[subscriptions.TABLE]]
        return cls(tables, KeyChecks(keys, cipher), IndexKey(keys, cipher, hashed), prepare=prepare)

    async def check(self) -> None:
        """Make sure that readiness is proven. Once proven, this costs no call. Raises NotReady."""
        if not await self.holds():
            raise NotReady(NotReady.__doc__)

    async def holds(self) -> bool:
        """Return whether readiness is proven, or can be proven now. Faults are logged once a minute."""
        if not self._is_proven:
            async with self._proving:
                if not self._is_proven and self._monotonic() - self._failed_at >= RECHECK_SECONDS:
                    await self._prove()
        return self._is_proven

    def recheck(self) -> None:
        """Require a new proof before anything else: storage has failed, or a row could not be decrypted."""
        self._is_proven = False
        self._failed_at = float("-inf")
        self._since = self._monotonic() if self._since is None else self._since

    def wait(self) -> timedelta:
        """Return how long a message should stay invisible: the older the fault, the longer."""
        age = self._monotonic() - (self._since if self._since is not None else self._monotonic())
        longest = LONGEST_WAIT_AT_FIRST if age < AT_FIRST else LONGEST_WAIT
        return timedelta(seconds=min(longest, max(SHORTEST_WAIT, age / 2)) * random.uniform(0.5, 1))

    async def faults(self) -> list[Fault]:
        """Return what is wrong now. Costs two calls per table and two for the keys. Writes nothing.

        Raises Unanswered if no table answers, or all refuse.
        """
        errors = await asyncio.gather(*map(_error, self._tables.values()))
        found = zip(self._tables, errors, strict=True)
        faults = [Fault(_kind(error), name) for name, error in found if error]
        if len(faults) == len(self._tables) and errors[0]:
            raise errors[0]
        if faults:
            return faults
        if missing := await self._key_checks.missing():
            return [Fault("missing_key", name) for name in missing]
        try:
            await self._index_key.read()
        except Undecipherable:
            return [Fault("index_key", key_checks.TABLE)]
        return []

    async def _prove(self) -> None:
        try:
            faults, _ = await asyncio.gather(self.faults(), self._prepare())
            if not faults:
                await self._key_checks.note()
                await self._index_key.make()
        except Unanswered as error:
            faults = [Fault(_kind(error), ALL_TABLES)]
        self._is_proven = not faults
        if faults:
            self._failed_at = self._monotonic()
            self._since = self._failed_at if self._since is None else self._since
            self._log_faults(faults)
        elif self._since is not None:
            log.warning("messages are taken again after %.0f s", self._monotonic() - self._since)
            self._since = None
            self._logged_at = float("-inf")

    def _log_faults(self, faults: list[Fault]) -> None:
        if self._monotonic() - self._logged_at < LOG_SECONDS:
            return
        self._logged_at = self._monotonic()
        for fault in faults:
            log.error("no message is taken: %s", fault)


def _kind(error: Unanswered) -> str:
    return "refused" if error.status in REFUSED else "unanswered"


async def _error(table: Table) -> Unanswered | None:
    """Return why a table cannot be used. The row does not exist: storage only checks the right to remove."""
    try:
        await table.get(*_NO_ROW)
        await table.delete(*_NO_ROW)
    except Unanswered as error:
        return error
    return None
