"""Invocations: run a function within its time limit, send its outputs, count its outcome."""

import asyncio
import logging
import secrets
import uuid
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any

from azure.core.exceptions import AzureError

from local.host.http_proxy import ForwardingFailed
from local.host.protos import TypedData
from local.host.queue_output import QueueOutputs
from local.host.storage import cause
from local.host.worker import Function, Outcome, Worker

log = logging.getLogger(__name__)

# A function that ignores its cancellation continues. The platform would restart the whole worker.
_CANCELLATION_SECONDS = 5


@dataclass
class Counts:
    """Invocations of one function since the start, and messages that went to its poison queue."""

    ok: int = 0
    failed: int = 0
    poison: int = 0


class Invoker:
    """Runs functions for the listeners."""

    def __init__(
        self, worker: Worker, outputs: QueueOutputs, functions: list[Function], timeout: float | None
    ) -> None:
        self._worker = worker
        self._outputs = outputs
        self._timeout = timeout
        self.counts = {function.name: Counts() for function in functions}
        self.running: dict[str, str] = {}

    async def invoke(
        self,
        function: Function,
        value: TypedData,
        metadata: Mapping[str, TypedData] | None = None,
        traceparent: str | None = None,
        forward: Callable[[str], Awaitable[None]] | None = None,
    ) -> Outcome:
        """Run a function and send its outputs. A failure of either is an outcome, not an exception.

        `forward` forwards the request of an HTTP function to the worker, under the id of the invocation.
        """
        invocation_id = str(uuid.uuid4())
        traceparent = traceparent or f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"
        self.running[invocation_id] = function.name
        try:
            run = self._worker.invoke(function, invocation_id, value, metadata or {}, traceparent)
            if forward:
                run = _until_forwarded(run, asyncio.ensure_future(forward(invocation_id)))
            outcome = await self._within_time(asyncio.create_task(run))
            if outcome.ok:
                outcome = await self._with_outputs(function, outcome)
        finally:
            del self.running[invocation_id]
        self.record(function, outcome, invocation_id)
        return outcome

    def record(self, function: Function, outcome: Outcome, invocation_id: str = "") -> None:
        """Count an outcome. Log a failure in the runtime's words."""
        counts = self.counts[function.name]
        if outcome.ok:
            counts.ok += 1
            return
        counts.failed += 1
        log.error(
            "function failed (--log-level debug shows the stack trace)",
            extra={"function": function.name, "invocation": invocation_id, "error": outcome.error},
        )
        log.debug("stack trace of %s\n%s", invocation_id, outcome.stack_trace)

    async def _within_time(self, run: asyncio.Task[Outcome]) -> Outcome:
        # The function needs a task of its own: a CancelledError raised inside it passes through the runtime,
        # and must not look like the cancellation of the listener.
        await asyncio.wait({run}, timeout=self._timeout)
        if not run.done():
            run.cancel()
            await asyncio.wait({run}, timeout=_CANCELLATION_SECONDS)
            return Outcome(f"timed out after functionTimeout ({self._timeout:g} s)")
        if run.cancelled():
            return Outcome("CancelledError: the function was cancelled from inside")
        return run.result()

    async def _with_outputs(self, function: Function, outcome: Outcome) -> Outcome:
        try:
            await self._outputs.send(function, outcome)
        except AzureError as error:
            return Outcome(f"output not sent: storage says {cause(error)}")
        except (ValueError, RecursionError) as error:
            return Outcome(f"output not sent: {type(error).__name__}: {error}")
        return outcome


async def _until_forwarded(run: Coroutine[Any, Any, Outcome], forwarding: asyncio.Future[None]) -> Outcome:
    """Run a function whose request is being forwarded. It ends when the caller has the whole answer."""
    try:
        outcome = await run
        await forwarding
    except ForwardingFailed as error:
        return Outcome(f"failed to proxy the request: {error}") if outcome.ok else outcome
    finally:
        forwarding.cancel()
    return outcome
