"""The control endpoints, under /simulator. The package's docstring describes their bodies and answers."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Literal

from aiohttp import web
from pydantic import Field, TypeAdapter, ValidationError

from local.io_simulator.citizens import Citizen
from local.io_simulator.clock import iso
from local.io_simulator.faults import Fault
from local.io_simulator.fiscal_code import FiscalCode
from local.io_simulator.messages import Message
from local.io_simulator.opening import open_message
from local.io_simulator.script import Script, ScriptError
from local.io_simulator.services import Service
from local.io_simulator.simulator import Simulator

FILTERS = frozenset({"id", "service", "fiscal_code", "subject", "feature_level_type", "key"})


class Opening(Script):
    """A citizen opens a message. `wait_seconds`: how long the app may wait for documents that come later."""

    id: str
    wait_seconds: Annotated[float, Field(ge=0)] = 0


class Advance(Script):
    """The time by which the simulated clock goes forward."""

    advance_seconds: Annotated[float, Field(ge=0)]


CITIZENS = TypeAdapter(dict[FiscalCode | Literal["default"], Citizen])
SERVICES = TypeAdapter(dict[str, Service])
KEYS = TypeAdapter(dict[str, tuple[str, ...]])
FAULTS = TypeAdapter(tuple[Fault, ...])
ADVANCE = TypeAdapter(Advance)
OPENING = TypeAdapter(Opening)


class Control:
    """Holds one method per endpoint. Each returns the document of its answer."""

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator

    async def get_clock(self, request: web.Request) -> object:
        return {"now": iso(self._simulator.clock.now())}

    async def advance_clock(self, request: web.Request) -> object:
        advance = ADVANCE.validate_json(await request.read())
        self._simulator.clock.advance(advance.advance_seconds)
        return await self.get_clock(request)

    async def put_citizens(self, request: web.Request) -> object:
        citizens = CITIZENS.validate_json(await request.read())
        self._simulator.messages.settle()
        self._simulator.citizens.put(citizens)
        return {"scripted": len(citizens)}

    async def put_services(self, request: web.Request) -> object:
        services = SERVICES.validate_json(await request.read())
        self._simulator.services.put(services)
        return {"services": sorted(services)}

    async def set_keys(self, request: web.Request) -> object:
        keys = KEYS.validate_json(await request.read())
        self._simulator.services.set_keys(keys)
        return {"services": sorted(keys)}

    async def get_faults(self, request: web.Request) -> object:
        return self._simulator.faults.document()

    async def add_faults(self, request: web.Request) -> object:
        self._simulator.faults.add(FAULTS.validate_json(await request.read()))
        return self._simulator.faults.document()

    async def clear_faults(self, request: web.Request) -> object:
        self._simulator.faults.clear()
        return []

    async def get_messages(self, request: web.Request) -> object:
        unknown = sorted(set(request.query) - FILTERS)
        if unknown:
            raise ScriptError(f"unknown filter {unknown[0]}: use {', '.join(sorted(FILTERS))}")
        wanted = request.query.items()
        documents = (_document(message) for message in self._simulator.messages)
        found = [document for document in documents if all(document[k] == v for k, v in wanted)]
        return {"count": len(found), "messages": found}

    async def open_message(self, request: web.Request) -> object:
        opening = OPENING.validate_json(await request.read())
        message = self._simulator.messages.find(opening.id)
        if message is None:
            raise ScriptError(f"unknown message {opening.id}: GET /simulator/messages lists them")
        return await open_message(self._simulator, message, opening.wait_seconds)

    async def get_calls(self, request: web.Request) -> object:
        return {
            "operations": self._simulator.calls.document(),
            "busiest_window": self._simulator.rate_limiter.busiest_window,
        }

    async def reset(self, request: web.Request) -> object:
        self._simulator.reset()
        return {}


def _document(message: Message) -> dict[str, Any]:
    return {
        "order": message.order,
        "id": message.id,
        "service": message.service,
        "key": message.key,
        "fiscal_code": message.fiscal_code,
        "subject": message.content["subject"],
        "feature_level_type": message.feature_level_type,
        "time_to_live": message.time_to_live,
        "content": message.content,
        "accepted_at": iso(message.accepted_at),
        "status": message.status,
    }


Endpoint = Callable[[web.Request], Awaitable[object]]


def _json(endpoint: Endpoint) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def handle(request: web.Request) -> web.StreamResponse:
        try:
            return web.json_response(await endpoint(request))
        except ValidationError as invalid:
            return web.json_response({"errors": _mistakes(invalid)}, status=400)
        except ScriptError as mistake:
            return web.json_response({"errors": [str(mistake)]}, status=400)

    return handle


def _mistakes(invalid: ValidationError) -> list[str]:
    errors = invalid.errors(include_url=False, include_context=False, include_input=False)
    return [f"{'.'.join(map(str, error['loc'])) or 'body'}: {error['msg']}" for error in errors]


def control_routes(simulator: Simulator) -> list[web.RouteDef]:
    """Return the routes of all control endpoints."""
    control = Control(simulator)
    endpoints: list[tuple[str, str, Endpoint]] = [
        ("GET", "clock", control.get_clock),
        ("POST", "clock", control.advance_clock),
        ("POST", "citizens", control.put_citizens),
        ("POST", "services", control.put_services),
        ("POST", "keys", control.set_keys),
        ("GET", "faults", control.get_faults),
        ("POST", "faults", control.add_faults),
        ("DELETE", "faults", control.clear_faults),
        ("GET", "messages", control.get_messages),
        ("POST", "open", control.open_message),
        ("GET", "calls", control.get_calls),
        ("POST", "reset", control.reset),
    ]
    return [web.route(method, f"/simulator/{name}", _json(endpoint)) for method, name, endpoint in endpoints]
