"""API Management: the checks and faults that a call meets before the backend."""

import time
from collections.abc import Awaitable, Callable
from functools import partial

from aiohttp import web

from local.io_simulator.answers import (
    KEY_INVALID,
    KEY_MISSING,
    NO_SUCH_PATH,
    Answer,
    RefusedError,
    rate_limited,
)
from local.io_simulator.backend import Call
from local.io_simulator.calls import Operation
from local.io_simulator.misbehaviour import Victim, misbehave
from local.io_simulator.simulator import Simulator

KEY_HEADER = "Ocp-Apim-Subscription-Key"

Backend = Callable[[Simulator, Call], Answer]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Gateway:
    """Checks key and rate limit, applies faults, and calls the backend."""

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator

    def handler(self, operation: Operation, backend: Backend) -> Handler:
        """Return the HTTP handler of one operation."""

        async def handle(request: web.Request) -> web.StreamResponse:
            calls = self._simulator.calls
            body = await request.read()
            calls.receive(operation)
            whole = None
            try:
                response = await self._serve(operation, backend, request, body)
                if request.transport is not None and not request.transport.is_closing():
                    calls.answer(operation, response.status)
                    whole = response
            finally:
                self._simulator.journal.write(operation, body, whole)
            return response

        return handle

    async def _serve(
        self, operation: Operation, backend: Backend, request: web.Request, body: bytes
    ) -> web.StreamResponse:
        simulator = self._simulator
        key = request.headers.get(KEY_HEADER)
        found = simulator.services.by_key(key) if key else None
        if key is None or found is None:
            return to_response(None, KEY_INVALID if key else KEY_MISSING)
        service_id, service, manages = found
        admission = simulator.rate_limiter.admit(service.account, time.monotonic())
        if admission.retry_after is not None:
            return to_response(0, rate_limited(admission.retry_after))
        call = Call(service_id, service, key, request.remote or "", request.match_info, body, manages)
        victim = Victim(
            request,
            effect=partial(_run, backend, simulator, call),
            respond=partial(to_response, admission.remaining),
            cleared=simulator.faults.cleared,
        )
        fault = simulator.faults.take(operation)
        return victim.respond(victim.effect()) if fault is None else await misbehave(fault, victim)


def _run(backend: Backend, simulator: Simulator, call: Call) -> Answer:
    try:
        return backend(simulator, call)
    except RefusedError as refused:
        return refused.answer


def to_response(remaining: int | None, answer: Answer) -> web.Response:
    """Return the HTTP response. `remaining` counts the calls left in the account's window, if any."""
    response = web.Response(status=answer.status, body=answer.body, headers=answer.headers)
    response.content_type = answer.content_type
    if remaining is not None:
        response.headers["x-rate-limit-remaining"] = str(remaining)
    return response


async def no_such_path(request: web.Request) -> web.Response:
    """Return the gateway's answer to a path or method that no API has, with any key."""
    return to_response(None, NO_SUCH_PATH)
