"""The app, loaded in this process by azure-functions-runtime, the code with which the platform runs it."""

import asyncio
import contextlib
import json
import logging
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import azure_functions_runtime as runtime

from local.host import protos
from local.host.errors import AppError
from local.host.protos import TypedData

_ATTEMPTS, _DELAY = 200, 0.05

# As in function.json: {"type": "queueTrigger", "direction": "IN", "name": ..., "queueName": ..., ...}
type Binding = dict[str, Any]


@dataclass(frozen=True)
class Function:
    """One function of the app."""

    id: str
    name: str
    trigger: Binding
    outputs: list[Binding]


@dataclass(frozen=True)
class Outcome:
    """The end of an invocation. `error` is empty on success. `outputs` are by name, `$return` the result."""

    error: str = ""
    stack_trace: str = ""
    outputs: dict[str, TypedData] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        return not self.error


class Worker:
    """Loads a folder's app and runs its functions. A process has one only: the runtime keeps global state.

    `http_address` is where the worker serves HTTP itself, for an app with the streaming extension, or "".
    """

    def __init__(self, app_dir: Path) -> None:
        self._app_dir = app_dir
        self.http_address = ""

    async def load(self) -> list[Function]:
        """Import function_app.py and index it. Raises AppError with the app's own message."""
        if not (self._app_dir / "function_app.py").exists():
            raise AppError(f"no function_app.py in {self._app_dir}: give the app's folder with --app")
        sys.path.insert(0, str(self._app_dir))
        os.chdir(self._app_dir)
        runtime.start_threadpool_executor()
        init = SimpleNamespace(capabilities={}, function_app_directory=str(self._app_dir))
        answer = await runtime.worker_init_request(
            SimpleNamespace(
                request=SimpleNamespace(worker_init_request=init),
                properties={"host": "127.0.0.1", "protos": protos},
            )
        )
        if answer.result.status != protos.StatusResult.Success:
            raise AppError(answer.result.exception.message, answer.result.exception.stack_trace)
        self.http_address = answer.capabilities.get("HttpUri", "")
        if self.http_address:
            await _until_it_listens(self.http_address)
        found = (await runtime.functions_metadata_request(None)).function_metadata_results
        if not found:
            raise AppError("function_app.py registers no function")
        return [_function(metadata) for metadata in found]

    async def invoke(
        self,
        function: Function,
        invocation_id: str,
        value: TypedData,
        metadata: Mapping[str, TypedData],
        traceparent: str,
    ) -> Outcome:
        """Run `function` on its trigger's `value`. The function's exception becomes the outcome's error."""
        request = SimpleNamespace(
            invocation_id=invocation_id,
            function_id=function.id,
            input_data=[protos.ParameterBinding(name=function.trigger["name"], data=value)],
            trigger_metadata=metadata,
            trace_context=SimpleNamespace(trace_parent=traceparent, trace_state="", attributes={}),
            retry_context=SimpleNamespace(retry_count=0, max_retry_count=0, exception=None),
        )
        answer = await runtime.invocation_request(
            SimpleNamespace(request=SimpleNamespace(invocation_request=request))
        )
        if answer.result.status != protos.StatusResult.Success:
            return Outcome(answer.result.exception.message, answer.result.exception.stack_trace)
        outputs = {output.name: output.data for output in answer.output_data}
        return Outcome(outputs=outputs | ({"$return": answer.return_value} if answer.return_value else {}))

    def stop(self) -> None:
        # The real host kills its worker. Here the worker's HTTP server is cancelled, and logs an error.
        logging.getLogger("uvicorn.error").disabled = True
        runtime.stop_threadpool_executor()


async def _until_it_listens(address: str) -> None:
    """Wait for the worker's HTTP server. It handles signals from its start on, until the host's handlers
    replace its own.
    """
    url = urlsplit(address)
    for _ in range(_ATTEMPTS):
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection(url.hostname, url.port)
            writer.close()
            return
        await asyncio.sleep(_DELAY)
    raise AppError(f"the worker's HTTP server does not listen at {address}")


def _function(metadata: Any) -> Function:
    bindings: list[Binding] = [json.loads(text) for text in metadata.raw_bindings]
    inputs = [binding for binding in bindings if binding["direction"] == "IN"]
    outputs = [binding for binding in bindings if binding["direction"] == "OUT"]
    trigger = inputs[0] if len(inputs) == 1 else {"type": "several inputs"}
    unknown = {trigger["type"]} - {"queueTrigger", "timerTrigger", "httpTrigger"}
    unknown |= {output["type"] for output in outputs} - {"queue", "http"}
    if unknown:
        raise AppError(
            f"{metadata.name}: {', '.join(sorted(unknown))}: the local host knows queue, timer and HTTP "
            "triggers, queue and HTTP outputs; use the `func` CLI for this app"
        )
    return Function(metadata.function_id, metadata.name, trigger, outputs)
