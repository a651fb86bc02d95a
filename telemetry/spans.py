"""The spans: one trace follows a message from its request to its payment.

The way of the trace is the traceparent in what the queues carry and in the ledger, never the context that
the platform attaches to an invocation. Without an exporter nothing is recorded, and a traceparent that came
with a request is carried on as it is.
"""

from collections.abc import Iterator, Mapping
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
    """The traceparent of what is being done now; `otherwise` when that has none."""
    carrier: dict[str, str] = {}
    _W3C.inject(carrier)
    return carrier.get("traceparent", otherwise)


@contextmanager
def processing(function: str, queue: str, body: bytes) -> Iterator[None]:
    """A function's work on a message of a queue, in the trace that its body names or in one of its own."""
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
    """A timer's run, a trace of its own; it counts as done also when some of its messages failed."""
    with _TRACER.start_as_current_span(timer, Context()):
        try:
            yield
        except ExceptionGroup:  # storage.due_processing raises what failed once it is through
            measures.timer_last_run.now(timer)
            raise
        measures.timer_last_run.now(timer)


@contextmanager
def handling(name: str, request_id: str, of_message: str | None) -> Iterator[None]:
    """What is done for one message in the course of something that is done for many.

    `of_message` is the message's traceparent: the visit belongs to the message's trace, so that this one
    goes on to the end, and a link leads to the run that made the visit.
    """
    run = trace.get_current_span().get_span_context()
    links = [Link(run)] if run.is_valid else []
    attributes = _request(request_id)
    with _TRACER.start_as_current_span(name, _trace_of(of_message), attributes=attributes, links=links):
        yield


class IoCall:
    """One call to IO: its span, and how it counts."""

    def __init__(self, span: Span, call: str) -> None:
        self._span = span
        self._call = call

    def answered(self, status: int, *, well: bool) -> None:
        """IO answered; `well`: it did what it was asked."""
        self._span.set_attribute("http.response.status_code", status)
        self._ended(str(status), well=well)

    def failed(self, reason: str) -> None:
        """There was no answer."""
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
    """A call to IO by the template of its path: the path itself can hold a fiscal code."""
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


def outcome(state: str, service: str | None, reason: str | None) -> None:
    """An outcome was put on message-outcomes: it counts, and the trace shows it."""
    said = {"state": state, "service": service, "reason": reason}
    attributes = {name: value for name, value in said.items() if value}
    measures.outcomes.add(1, attributes)
    trace.get_current_span().add_event("outcome", attributes)


def _envelope(body: bytes) -> Mapping[str, object]:
    try:
        return load_object(body)
    except InvalidRequest:  # for the function to judge
        return {}


def _trace_of(traceparent: object) -> Context:
    """The context of this traceparent, an empty one when it is none."""
    carrier = {"traceparent": traceparent} if isinstance(traceparent, str) else {}
    return _W3C.extract(carrier, Context())


def _request(request_id: str | None) -> dict[str, str]:
    return {"postino.request_id": request_id} if request_id else {}
