"""The store of suspensions, which all workers read and write.

No worker calls IO on a state older than about a second, so all workers know of a pause, a refused key or the
end of either within that time.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timedelta
from typing import Final

import telemetry
from io_api.errors import Misconfigured, Suspended
from io_api.suspensions import EVERY, WRONG_KEY, Circuit, Key, Pause, Suspensions
from storage.table import Changed, Row, Table, Unanswered

PARTITION: Final = "suspensions"
COLUMN: Final = "suspension"

REFRESH_SECONDS = 1.0
# A call that has its answer waits at most this long to share what the answer says about a key.
SHARE_SECONDS = 5.0
PROBE_AFTER = timedelta(seconds=30)
SHORTEST_WAIT = 5.0
LONGEST_WAIT = 900.0

type Usable = tuple[Key, Circuit | None]
"""A key to try, with the circuit that the call probes."""

log = logging.getLogger(__name__)


class SuspensionStore:
    """Reads and writes the rows of suspensions. `clock` gives the time in UTC."""

    def __init__(
        self,
        table: Table,
        clock: Callable[[], datetime],
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._table = table
        self._clock = clock
        self._monotonic = monotonic
        self._reading = asyncio.Lock()
        self._known = Suspensions()
        self._known_at = float("-inf")

    async def current(self) -> Suspensions:
        """Return the suspensions, at most a second old. Raises Unanswered."""
        if self._is_old():
            async with self._reading:
                if self._is_old():
                    asked_at = self._monotonic()
                    _, self._known = await self._read()
                    self._known_at = asked_at
        return self._known

    async def pause(self, service: str, by: str) -> Suspensions:
        """Suspend all calls for this service ("*": for all) until `resume`. Raises Unanswered.

        Return the suspensions after the change.
        """
        await self._change(
            lambda suspensions: suspensions.with_pause(service, Pause(at=self._clock(), by=by))
        )
        return self._known

    async def resume(self, service: str) -> Suspensions:
        """Remove a pause and return the suspensions after the change. Raises Unanswered."""
        await self._change(lambda suspensions: suspensions.with_pause(service, None))
        return self._known

    async def error_if_suspended(self, keys: tuple[Key, ...], operation: str) -> Suspended | None:
        """Return why waiting for a permit is useless: a pause, or IO accepts no key and no probe is due."""
        suspensions, now = await self.current(), self._clock()
        suspension = suspensions.suspension_of(keys, operation)
        telemetry.io_suspended.set(keys[0].service, operation, suspension.reason if suspension else None)
        circuits = [suspensions.circuit_of(key, operation) for key in keys]
        may_probe = any(circuit and circuit.probe_at <= now for circuit in circuits)
        is_held = isinstance(suspension, Pause) or not may_probe
        return self._suspended(suspension) if suspension and is_held else None

    async def usable(
        self, keys: tuple[Key, ...], operation: str, held: Collection[Usable] = ()
    ) -> list[Usable]:
        """Return the keys to try, in this order, with the circuit that each probes. Raises Suspended.

        Only one caller gets a key whose probe is due. `held` is what the same caller got less than
        PROBE_AFTER ago: its probes still belong to this caller.
        """
        suspensions = await self.current()
        suspended = suspensions.pause_of(keys[0].service)
        own = {circuit.name for _, circuit in held if circuit}
        circuits = [(key, suspensions.circuit_of(key, operation)) for key in keys]
        usable = [pair for pair in circuits if not suspended and await self._may_try(pair[1], own)]
        # A wrong key does no harm. A key that works again is found only by trying it before the other key.
        usable.sort(key=lambda pair: pair[1] is None or pair[1].reason != WRONG_KEY)
        if not usable:
            raise self._suspended(suspended or circuits[0][1])
        return usable

    async def open_circuit(self, key: Key, operation: str, error: Misconfigured) -> None:
        """Open a key's circuit for all workers. A wrong key is wrong for every kind of call. Never fails."""
        now = self._clock()
        circuit = Circuit(
            service=key.service,
            key=key.name,
            fingerprint=key.fingerprint,
            operation=EVERY if error.reason == WRONG_KEY else operation,
            reason=error.reason,
            http_status=error.status,
            at=now,
            probe_at=now + PROBE_AFTER,
        )
        self._known = self._known.with_circuits(circuit)  # this process stops before other workers know
        if await self._share(
            lambda suspensions: None if suspensions.covers(circuit) else suspensions.with_circuits(circuit)
        ):
            log.warning("circuit opened %s", _described(circuit))

    async def close_circuit(self, probed: Circuit) -> None:
        """Close an accepted key's circuit and, unless the key was wrong, the other key's too. Never fails."""
        if await self._share(lambda suspensions: suspensions.without(probed)):
            log.info("circuit closed %s", _described(probed))

    async def _may_try(self, circuit: Circuit | None, own: Collection[str]) -> bool:
        now = self._clock()
        if circuit is None or circuit.name in own:
            return True
        if circuit.probe_at > now:
            return False
        probing = circuit.model_copy(update={"probe_at": now + PROBE_AFTER})

        def take(suspensions: Suspensions) -> Suspensions | None:
            return (
                suspensions.with_circuits(probing)
                if suspensions.circuits.get(circuit.name) == circuit
                else None
            )

        return await self._change(take)

    def _suspended(self, by: Pause | Circuit | None) -> Suspended:
        assert by is not None
        error = Suspended(reason=by.reason, status=by.http_status)
        age = (self._clock() - by.at).total_seconds()
        error.retry_after = min(LONGEST_WAIT, max(SHORTEST_WAIT, age / 2))
        return error

    def _is_old(self) -> bool:
        return self._monotonic() - self._known_at > REFRESH_SECONDS

    async def _read(self) -> tuple[dict[str, Row], Suspensions]:
        found = self._table.rows("PartitionKey eq @partition", partition=PARTITION)
        rows = {row.key: row async for row in found}
        return rows, Suspensions.of({key: row.values[COLUMN] for key, row in rows.items()})

    async def _share(self, decide: Callable[[Suspensions], Suspensions | None]) -> bool:
        """Change the rows, or give up after SHARE_SECONDS: a slow write must not lose IO's answer.

        If that fails, the next call with this key finds out again and shares it.
        """
        try:
            async with asyncio.timeout(SHARE_SECONDS):
                return await self._change(decide)
        except (TimeoutError, Unanswered) as error:
            log.warning("suspension change not shared reason=%s", type(error).__name__)
            return False

    async def _change(self, decide: Callable[[Suspensions], Suspensions | None]) -> bool:
        """Write what `decide` returns for the rows (None: nothing). Retry while other workers write first."""
        while True:
            rows, suspensions = await self._read()
            after = decide(suspensions)
            if after is None or after == suspensions:
                self._known = suspensions
                return False
            if await self._write(rows, after.rows()):
                self._known = after
                return True

    async def _write(self, rows: Mapping[str, Row], wanted: Mapping[str, str]) -> bool:
        """Write and remove the rows that differ. Return False if another worker changed one meanwhile."""
        for key in sorted(rows.keys() | wanted.keys()):
            row, text = rows.get(key), wanted.get(key)
            if row and row.values[COLUMN] == text:
                continue
            if not await self._put(key, row, text):
                return False
        return True

    async def _put(self, key: str, row: Row | None, text: str | None) -> bool:
        if text is not None:
            return bool(await self._table.write(PARTITION, key, row, {COLUMN: text}))
        try:
            assert row is not None
            await self._table.delete_as_read(PARTITION, key, row.etag)
        except Changed:
            return False
        return True


def _described(circuit: Circuit) -> str:
    return (
        f"service={circuit.service} key={circuit.key} operation={circuit.operation} "
        f"reason={circuit.reason} http_status={circuit.http_status}"
    )
