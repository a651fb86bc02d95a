"""The spans: one trace follows a message from its request to its payment.

The traceparent in queue messages and in the ledger carries the trace, never the context that the platform
attaches to an invocation. Without an exporter no span is recorded, and the traceparent of a request is passed
on unchanged.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, Span, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from contract.body import load_object
from contract.fields import usable_request_id
from contract.violations import InvalidRequest
from telemetry import measures

_TRACER: Final = trace.get_tracer("postino")
_W3C: Final = TraceContextTextMapPropagator()


def traceparent(otherwise: str | None = None) -> str | None:
    """Return the traceparent of the current span, or `otherwise` if there is none."""
    carrier: dict[str, str] = {}
    _W3C.inject(carrier)
    return carrier.get("traceparent", otherwise)


@contextmanager
def processing(function: str, queue: str, body: bytes) -> Iterator[None]:
    """Record a function's work on a queue message, in the trace that the body names or in a new trace."""
    envelope = _envelope(body)
    attributes = {
        "messaging.system": "azure_storage_queues",
        "messaging.destination.name": queue,
        "messaging.operation.type": "process",
        **_request(usable_request_id(envelope)),
    }
    context = _trace_of(envelope.get("traceparent"))
    with _TRACER.start_as_current_span(f"{function} process", context, SpanKind.CONSUMER, attributes):
        yield


@contextmanager
def ticking(timer: str) -> Iterator[None]:
    """Record a timer's run in its own trace. The run counts as done even if some of its messages failed."""
    with _TRACER.start_as_current_span(timer, Context()):
        try:
            yield
        except ExceptionGroup:  # storage.due_processing raises the failures at its end
            measures.timer_last_run.now(timer)
            raise
        measures.timer_last_run.now(timer)


@contextmanager
def handling(name: str, request_id: str, of_message: str | None) -> Iterator[None]:
    """Record the work for one message within a run over many messages.

    `of_message` is the message's traceparent. The work belongs to the message's trace, so that this trace
    continues to the end. A link leads to that run.
    """
    run = trace.get_current_span().get_span_context()
    links = [Link(run)] if run.is_valid else []
    attributes = _request(request_id)
    with _TRACER.start_as_current_span(name, _trace_of(of_message), attributes=attributes, links=links):
        yield


class IoCall:
    """One call to IO: its span and its metrics."""

    def __init__(self, span: Span, call: str) -> None:
        self._span = span
        self._call = call

    def answered(self, status: int, *, well: bool) -> None:
        """Record IO's answer. `well`: IO's backend answered, and not a gateway."""
        self._span.set_attribute("http.response.status_code", status)
        self._ended(str(status), well=well)

    def failed(self, reason: str) -> None:
        """Record that no answer came."""
        self._ended(reason, well=False)

    def _ended(self, status: str, *, well: bool) -> None:
        measures.io_calls.add(1, {"call": self._call, "status": status})
        if well:
            measures.io_last_success.now(self._call)
        else:
            self._span.set_attribute("error.type", status)
            self._span.set_status(Status(StatusCode.ERROR))


@contextmanager
def io_call(method: str, route: str, server: str) -> Iterator[IoCall]:
    """Record a call to IO by the template of its path, because the path itself can hold a fiscal code."""
    attributes = {"http.request.method": method, "url.template": route, "server.address": server}
    resource = route.split("/")[1]
    with _TRACER.start_as_current_span(
        f"{method} {route}",
        kind=SpanKind.CLIENT,
        attributes=attributes,
        record_exception=False,
        set_status_on_exception=False,
    ) as span:
        yield IoCall(span, f"{method} /{resource}")


@contextmanager
def serving(route: str) -> Iterator[Callable[[int], None]]:
    """Record a call of IO by the template of its path. Yields a function that takes the HTTP status."""
    attributes = {"http.request.method": "GET", "http.route": route}
    with _TRACER.start_as_current_span(f"GET {route}", Context(), SpanKind.SERVER, attributes) as span:

        def answered(status: int) -> None:
            span.set_attribute("http.response.status_code", status)
            measures.remote_content_answers.add(1, {"route": route, "status": str(status)})

        yield answered


def outcome(state: str, service: str | None, reason: str | None) -> None:
    """Count an outcome that was published on message-outcomes, and add it to the trace."""
    said = {"state": state, "service": service, "reason": reason}
    attributes = {name: value for name, value in said.items() if value}
    measures.outcomes.add(1, attributes)
    trace.get_current_span().add_event("outcome", attributes)


def _envelope(body: bytes) -> Mapping[str, object]:
    try:
        return load_object(body)
    except InvalidRequest:  # the function decides about an invalid body
        return {}


def _trace_of(traceparent: object) -> Context:
    """Return the context of this traceparent, or an empty context if the value is not one."""
    carrier = {"traceparent": traceparent} if isinstance(traceparent, str) else {}
    return _W3C.extract(carrier, Context())


def _request(request_id: str | None) -> dict[str, str]:
    return {"postino.request_id": request_id} if request_id else {}
