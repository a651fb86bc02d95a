"""The host: loads an app, starts a listener for each trigger, and stops the listeners in order."""

import asyncio
import hashlib
import json
import logging
import os
import signal
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Protocol

from aiohttp import web
from azure.core.exceptions import AzureError

from local.host.app_settings import (
    check_worker_runtime,
    is_disabled,
    lease_seconds,
    load_local_settings,
    resolve,
)
from local.host.errors import ConfigurationError, StartError
from local.host.host_json import HostJson, read_host_json
from local.host.http_listener import HttpListener
from local.host.http_proxy import HttpProxy
from local.host.invocation import Invoker
from local.host.queue_listener import QueueListener
from local.host.queue_output import QueueOutputs, Wakes
from local.host.sign_in import SignIn
from local.host.storage import Accounts, cause
from local.host.timer_listener import TimerListener
from local.host.worker import Function, Worker
from ncrontab import NcrontabError, Schedule

log = logging.getLogger(__name__)

# The host has these bindings; the extension bundle has all others (Azure/azure-functions-host#3919).
_BUILT_IN = {"httpTrigger", "timerTrigger", "http"}
# A stopping host gives running invocations this long, as the platform does before it kills the host.
GRACE_SECONDS = 30

_STATE_CONTAINER = "azure-webjobs-hosts"


class Listener(Protocol):
    """The interface of queue and timer listeners."""

    function: Function

    async def prepare(self) -> None: ...

    async def run(self, stop: asyncio.Event) -> None: ...

    async def run_now(self, text: str) -> None: ...


async def run_app(app_dir: Path, port: int) -> None:
    """Run the app until SIGTERM or SIGINT. Raises HostError if it cannot start, and then consumes nothing."""
    load_local_settings(app_dir, os.environ)
    check_worker_runtime(os.environ)
    options = read_host_json(app_dir, os.environ)
    sign_in = SignIn.of(os.environ)
    worker = Worker(app_dir)
    accounts = Accounts(os.environ)
    try:
        host = FunctionsHost(await worker.load(), worker, accounts, options, app_dir, sign_in)
        await host.run(port)
    finally:
        await accounts.close()
        # Stop in a thread: a timed-out function may still run, and GRACE_SECONDS must limit its time too.
        await asyncio.to_thread(worker.stop)


class FunctionsHost:
    """Holds the listeners of one app, and their admin endpoints."""

    def __init__(
        self,
        functions: list[Function],
        worker: Worker,
        accounts: Accounts,
        options: HostJson,
        app_dir: Path,
        sign_in: SignIn,
    ) -> None:
        self._stop = asyncio.Event()
        self._wakes = Wakes()
        self._accounts = accounts
        self._options = options
        self._host_id = f"{app_dir.name.lower()}-{hashlib.sha256(bytes(app_dir)).hexdigest()[:8]}"
        self._outputs = QueueOutputs(
            accounts, os.environ, self._wakes, base64_messages=options.base64_messages
        )
        for function in functions:
            self._outputs.check(function)
        _check_extensions(functions, options)
        self._invoker = Invoker(worker, self._outputs, functions, options.function_timeout)
        self._enabled = {
            function.name for function in functions if not is_disabled(function.name, os.environ)
        }
        over_http = [function for function in functions if function.trigger["type"] == "httpTrigger"]
        self._listeners = {
            function.name: self._listener(function) for function in functions if function not in over_http
        }
        self._http = HttpListener(
            [function for function in over_http if function.name in self._enabled],
            self._admin_routes(),
            options.route_prefix,
            self._invoker,
            HttpProxy(worker.http_address, sign_in) if worker.http_address else None,
            sign_in,
        )
        self._tasks = asyncio.TaskGroup()

    async def run(self, port: int) -> None:
        """Print the one line with "ready" when everything listens. Return when everything has stopped."""
        self._handle_signals()
        listeners = [listener for name, listener in self._listeners.items() if name in self._enabled]
        await _prepare(listeners)
        bound = await self._http.start(port)
        async with self._tasks:
            for listener in listeners:
                self._tasks.create_task(listener.run(self._stop))
            print(f"ready http://127.0.0.1:{bound} functions: {', '.join(sorted(self._enabled))}", flush=True)
            await self._stop.wait()
            log.info("stopping: running functions may finish", extra={"seconds": GRACE_SECONDS})
            await self._http.stop()

    def _listener(self, function: Function) -> Listener:
        if function.trigger["type"] == "queueTrigger":
            lease = lease_seconds(os.environ)
            return QueueListener(function, self._outputs, self._wakes, self._invoker, self._options, lease)
        state = self._accounts.blobs().get_container_client(_STATE_CONTAINER)
        return TimerListener(function, _schedule(function, os.environ), state, self._host_id, self._invoker)

    def _handle_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for signum in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(signum, self._begin_stop, signum)

    def _begin_stop(self, signum: int) -> None:
        if self._stop.is_set():
            os._exit(128 + signum)
        self._stop.set()
        self._wakes.all()
        asyncio.get_running_loop().call_later(GRACE_SECONDS, self._give_up)

    def _give_up(self) -> None:
        names = ", ".join(sorted(set(self._invoker.running.values())))
        log.error("grace period over: running messages become visible again", extra={"running": names})
        os._exit(1)

    def _admin_routes(self) -> list[web.RouteDef]:
        return [
            web.get("/admin/host/status", self._status),
            web.post("/admin/functions/{name}", self._run_now),
        ]

    async def _status(self, _request: web.Request) -> web.Response:
        counts = {name: asdict(counts) for name, counts in self._invoker.counts.items()}
        return web.json_response({"state": "Running", "functions": counts})

    async def _run_now(self, request: web.Request) -> web.Response:
        """Start a timer or queue function at once, even a disabled one, with the body's {"input": "..."}."""
        listener = self._listeners.get(request.match_info["name"])
        if listener is None:
            return web.Response(status=404, text="no timer or queue function of that name\n")
        try:
            given = (await request.json()).get("input", "") if request.can_read_body else ""
        except (ValueError, AttributeError):
            return web.Response(status=400, text='the body must be {"input": "..."}\n')
        self._tasks.create_task(listener.run_now(given if isinstance(given, str) else json.dumps(given)))
        return web.Response(status=202)


async def _prepare(listeners: list[Listener]) -> None:
    try:
        await asyncio.gather(*(listener.prepare() for listener in listeners))
    except AzureError as error:
        raise StartError(
            f"storage refuses or does not answer ({cause(error)}): check AzureWebJobsStorage, "
            "or start an emulator with `python -m local.azurite`"
        ) from error


def _check_extensions(functions: list[Function], options: HostJson) -> None:
    """Require the bundle if a binding needs it. Raises ConfigurationError.

    Without the bundle the real host registers none of its bindings and receives no message.
    """
    bindings = [binding for one in functions for binding in (one.trigger, *one.outputs)]
    missing = sorted({binding["type"] for binding in bindings} - _BUILT_IN)
    if missing and not options.has_bundle:
        names = ", ".join(f"'{name}'" for name in missing)
        raise ConfigurationError(
            f"the binding type(s) {names} are not registered: host.json must name the extensionBundle"
        )


def _schedule(function: Function, environ: Mapping[str, str]) -> Schedule:
    expression = resolve(function.trigger["schedule"], environ, where=f"function {function.name}")
    try:
        return Schedule.parse(expression)
    except NcrontabError as error:
        raise ConfigurationError(f"function {function.name}: {error}") from None
