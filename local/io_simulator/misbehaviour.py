"""The consequences of a scripted fault for a call: for its effect, its answer and its connection."""

import asyncio
import math
import socket
import struct
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass

from aiohttp import web

from local.io_simulator.answers import Answer, rate_limited, server_error
from local.io_simulator.faults import Fault, Kind

RESET_ON_CLOSE = struct.pack("ii", 1, 0)


@dataclass(frozen=True, slots=True)
class Victim:
    """The call that a fault hits.

    `effect` runs the backend; `respond` turns an answer into the response; `cleared` is set when the faults
    are.
    """

    request: web.Request
    effect: Callable[[], Answer]
    respond: Callable[[Answer], web.StreamResponse]
    cleared: asyncio.Event

    def cut(self, *, reset: bool) -> web.StreamResponse:
        """Close the connection, at once and with a TCP reset, or after the data already written."""
        transport = self.request.transport
        if transport is not None and reset:
            connection = transport.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
            transport.abort()
        elif transport is not None:
            transport.close()
        return web.Response()  # never sent: the connection is closed


async def _rate_limited(fault: Fault, victim: Victim) -> web.StreamResponse:
    return victim.respond(rate_limited(math.ceil(fault.seconds or 1)))


async def _error_before(fault: Fault, victim: Victim) -> web.StreamResponse:
    return victim.respond(server_error(int(fault.kind[:3])))


async def _error_after(fault: Fault, victim: Victim) -> web.StreamResponse:
    victim.effect()
    return victim.respond(server_error(int(fault.kind[:3])))


async def _accept_then_hang(fault: Fault, victim: Victim) -> web.StreamResponse:
    answer = victim.effect()
    await asyncio.sleep(fault.seconds or math.inf)
    return victim.respond(answer)


async def _hang(fault: Fault, victim: Victim) -> web.StreamResponse:
    await asyncio.sleep(math.inf)
    return victim.cut(reset=True)


async def _reset_before(fault: Fault, victim: Victim) -> web.StreamResponse:
    return victim.cut(reset=True)


async def _reset_after(fault: Fault, victim: Victim) -> web.StreamResponse:
    victim.effect()
    return victim.cut(reset=True)


async def _half_response(fault: Fault, victim: Victim) -> web.StreamResponse:
    answer = victim.effect()
    headers = {"Content-Type": answer.content_type, **answer.headers}
    response = web.StreamResponse(status=answer.status, headers=headers)
    response.content_length = len(answer.body)
    await response.prepare(victim.request)
    await response.write(answer.body[: len(answer.body) // 2])
    return victim.cut(reset=False)


async def _slow(fault: Fault, victim: Victim) -> web.StreamResponse:
    with suppress(TimeoutError):
        await asyncio.wait_for(victim.cleared.wait(), fault.seconds)
    return victim.respond(victim.effect())


async def _accept_without_id(fault: Fault, victim: Victim) -> web.StreamResponse:
    answer = victim.effect()
    return victim.respond(Answer(201, b"{}") if answer.status == 201 else answer)


_MISBEHAVIOURS: dict[Kind, Callable[[Fault, Victim], Awaitable[web.StreamResponse]]] = {
    "429": _rate_limited,
    "500_before": _error_before,
    "502_before": _error_before,
    "503_before": _error_before,
    "500_after": _error_after,
    "502_after": _error_after,
    "accept_then_hang": _accept_then_hang,
    "hang": _hang,
    "reset_before": _reset_before,
    "reset_after": _reset_after,
    "half_response": _half_response,
    "slow": _slow,
    "accept_without_id": _accept_without_id,
}


async def misbehave(fault: Fault, victim: Victim) -> web.StreamResponse:
    """Carry a fault out and return the response, which is never sent if the fault cut the connection."""
    return await _MISBEHAVIOURS[fault.kind](fault, victim)
