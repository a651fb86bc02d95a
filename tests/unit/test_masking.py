"""No telemetry takes a fiscal code or a key out of the process."""

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry._logs import LogRecord
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import (
    MetricExporter,
    MetricExportResult,
    MetricsData,
    PeriodicExportingMetricReader,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Status, StatusCode

from contract.fiscal_code import MASK
from telemetry.masking import Mask, MaskedLogs, MaskedMetrics, MaskedSpans, masked_resource

CODE = "RSSMRA80A01H501U"
KEY = "0123456789abcdef/+key"
MASKED = Mask([KEY])

HIDING: list[Callable[[str], str]] = [
    lambda secret: secret,
    lambda secret: f"GET /messages/{secret}/01ABC",
    lambda secret: f"https://x.test/api/v1/messages/{quote(secret, '')}/01?cf={secret}",
    lambda secret: f"https://x.test/?next={quote(quote('/messages/' + secret, ''), '')}",
    lambda secret: json.dumps({"fiscal_code": secret}),
    lambda secret: repr({"body": f'{{"cf":"{secret}"}}'.encode()}),
    lambda secret: f"ValueError: no {secret}\n  File 'x.py', line 3\n",
    lambda secret: f"prefix{secret}suffix" if secret == KEY else f"x_{secret}_y",
]
secrets = st.sampled_from([CODE, CODE.lower(), KEY])
texts = st.builds(lambda hide, secret: hide(secret), st.sampled_from(HIDING), secrets)
values = st.one_of(texts, st.lists(texts, min_size=1, max_size=3))


def hides_nothing(shown: object) -> bool:
    text = repr(shown).lower()
    return CODE.lower() not in text and KEY.lower() not in text and quote(KEY, "").lower() not in text


@given(name=texts, value=values, event=texts, failure=texts, status=texts, resource=texts)
def test_spans(name: str, value: Any, event: str, failure: str, status: str, resource: str) -> None:
    """A span is masked in its name, attributes, events, exceptions, status, links and resource."""
    kept = InMemorySpanExporter()
    provider = TracerProvider(resource=masked_resource(Resource({"host": resource}), MASKED))
    provider.add_span_processor(SimpleSpanProcessor(MaskedSpans(kept, MASKED)))
    with provider.get_tracer("x").start_as_current_span(name, attributes={"value": value}) as span:
        span.add_event(event, {"value": value})
        span.record_exception(ValueError(failure))
        span.add_link(span.get_span_context(), {"value": value})
        span.set_status(Status(StatusCode.ERROR, status))
    (exported,) = kept.get_finished_spans()
    assert hides_nothing(exported.to_json())
    assert exported.context == span.get_span_context()


@given(body=values, value=values)
def test_logs(body: Any, value: Any) -> None:
    """A log record is masked in its body and attributes, whatever their shape."""
    kept = InMemoryLogRecordExporter()  # type: ignore[no-untyped-call]
    provider = LoggerProvider()
    provider.add_log_record_processor(SimpleLogRecordProcessor(MaskedLogs(kept, MASKED)))
    record = LogRecord(timestamp=1, body={"of": body}, attributes={"value": value})
    provider.get_logger("x").emit(record)
    (exported,) = kept.get_finished_logs()
    assert hides_nothing((exported.log_record.body, exported.log_record.attributes))


class Kept(MetricExporter):
    """An exporter that keeps the text of the metrics."""

    def __init__(self) -> None:
        super().__init__()
        self.text = ""

    def export(self, metrics_data: MetricsData, *_: object, **__: object) -> MetricExportResult:
        self.text += metrics_data.to_json()
        return MetricExportResult.SUCCESS

    def shutdown(self, *_: object, **__: object) -> None:
        pass

    def force_flush(self, *_: object, **__: object) -> bool:
        return True


@given(value=texts, description=texts)
def test_metrics(value: str, description: str) -> None:
    """A metric is masked in its attributes and its description."""
    kept = Kept()
    provider = MeterProvider([PeriodicExportingMetricReader(MaskedMetrics(kept, MASKED), 3_600_000)])
    provider.get_meter("x").create_counter("calls", description=description).add(1, {"value": value})
    provider.force_flush()
    provider.shutdown()
    assert '"value"' in kept.text
    assert hides_nothing(kept.text)


@pytest.mark.parametrize(
    "text", ["tari-2026:17", "01JWCZ5V6Q4M3N2P1R0T9S8W7X", "GET /messages/{fiscal_code}/{id}", "100%", ""]
)
def test_ordinary_text_stays(text: str) -> None:
    """Ids, routes and numbers are not changed."""
    assert MASKED(text) == text


def test_what_is_no_text_stays() -> None:
    """Numbers, booleans and None are not changed."""
    assert MASKED({"a": (1, 2.5, True, None)}) == {"a": (1, 2.5, True, None)}


def test_mask_without_secrets_masks_codes() -> None:
    """A mask without usable secrets still masks fiscal codes."""
    assert Mask(["short"])(f"of {CODE} short") == f"of {MASK} short"
