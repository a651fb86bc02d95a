"""Timer triggers: one host of a storage account at a time runs each timer, and never two ticks at once.

They follow the timer extension. Times are UTC, as on Linux plans, where WEBSITE_TIME_ZONE has no effect.
"""

import asyncio
import contextlib
import json
import logging
from datetime import UTC, datetime

from azure.core.exceptions import AzureError
from azure.storage.blob.aio import ContainerClient

from local.host.blob_lease import BlobLease
from local.host.invocation import Invoker
from local.host.protos import TypedData
from local.host.storage import Outage
from local.host.timer_status import TimerStatus, load, save
from local.host.waiting import happens_within
from local.host.worker import Function
from ncrontab import Schedule

log = logging.getLogger(__name__)


class TimerListener:
    """The listener of one function. Leases and statuses are in the container `state`, under `host_id`."""

    # After a host is killed, the others wait until its lease expires. The platform takes 60 s; storage allows
    # no less than 15.
    lease_seconds = 15

    def __init__(
        self, function: Function, schedule: Schedule, state: ContainerClient, host_id: str, invoker: Invoker
    ) -> None:
        self.function = function
        self._schedule = schedule
        self._invoker = invoker
        self._outage = Outage(function=function.name)
        self._status_blob = state.get_blob_client(f"timers/{host_id}/Host.Functions.{function.name}/status")
        self._lease = BlobLease(
            state,
            f"locks/{host_id}/Host.Functions.{function.name}.Listener",
            self.lease_seconds,
            self._outage,
        )
        self._monitored = function.trigger.get("useMonitor", True) and not schedule.more_than_once_a_minute
        self._one_at_a_time = asyncio.Lock()

    async def prepare(self) -> None:
        """Create nothing: the lease creates its own container."""

    async def run(self, stop: asyncio.Event) -> None:
        """Run ticks while this host has the lease, until `stop`. A running tick finishes first."""
        stopped = asyncio.create_task(stop.wait())
        while not stop.is_set():
            try:
                acquired = await self._lease.acquire()
                self._outage.over()
                if acquired:
                    await self._hold(stopped)
            except AzureError as error:
                self._outage.failed(error)
            await happens_within(stop, self.lease_seconds / 5)

    async def run_now(self, _text: str) -> None:
        """Run the function once, outside its schedule."""
        await self._tick(TimerStatus.first(self._schedule, datetime.now(UTC)), past_due=False)

    async def _hold(self, stopped: asyncio.Task[bool]) -> None:
        lost = asyncio.create_task(self._lease.keep())
        log.info("this host runs the timer", extra={"function": self.function.name})
        try:
            await self._tick_until({stopped, lost})
        finally:
            if lost.done():
                log.warning(
                    "timer lease lost, another host may have it", extra={"function": self.function.name}
                )
            lost.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await lost
            await self._lease.release()

    async def _tick_until(self, ends: set[asyncio.Task[bool] | asyncio.Task[None]]) -> None:
        status, past_due = await self._initial_status()
        at_once = past_due or self.function.trigger.get("runOnStartup", False)
        while True:
            wait = 0.0 if at_once else (status.next - datetime.now(UTC)).total_seconds()
            ended, _ = await asyncio.wait(ends, timeout=max(0.0, wait), return_when=asyncio.FIRST_COMPLETED)
            if ended:
                return
            now = datetime.now(UTC)
            await self._tick(status, past_due=past_due)
            # After a tick that comes a moment early, the next tick must not have the same time again.
            status = TimerStatus.after_tick(self._schedule, now if at_once else max(now, status.next))
            at_once = past_due = False
            await self._save(status)

    async def _initial_status(self) -> tuple[TimerStatus, bool]:
        """Return the status to start from, and whether a tick was missed since it was written."""
        now = datetime.now(UTC)
        stored = await load(self._status_blob) if self._monitored else None
        if stored and stored.follows(self._schedule):
            return stored, now > stored.next
        status = TimerStatus.first(self._schedule, now)
        await self._save(status)
        return status, False

    async def _tick(self, status: TimerStatus, *, past_due: bool) -> None:
        document = {
            "Schedule": {"AdjustForDST": True},
            "ScheduleStatus": status.to_document() if self._monitored else None,
            "IsPastDue": past_due,
        }
        async with self._one_at_a_time:
            await self._invoker.invoke(self.function, TypedData(json=json.dumps(document)))

    async def _save(self, status: TimerStatus) -> None:
        """Save the status. A failure may repeat this tick as past due at the next start; ticks continue."""
        if not self._monitored:
            return
        try:
            await save(self._status_blob, status)
        except AzureError as error:
            self._outage.failed(error)
