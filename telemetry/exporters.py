"""The destinations of telemetry: Application Insights, an OTLP collector, or both. Imported only to export.

The exporters are used without Azure Monitor's distribution. The distribution builds its exporter by itself,
so nothing could be masked. It also instruments HTTP libraries, whose spans would hold addresses.
"""

import logging
import os
import platform
from collections.abc import Iterator
from dataclasses import dataclass

from opentelemetry import context, metrics, trace
from opentelemetry._logs import LogRecord, SeverityNumber, get_logger, set_logger_provider
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor, LogRecordExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricExporter, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.sampling import Sampler

from settings import SAMPLER_MAXIMUM, Settings, SettingsError
from telemetry.masking import Mask, MaskedLogs, MaskedMetrics, MaskedSpans, masked_resource


@dataclass(frozen=True)
class Destination:
    """The exporters to one destination. None: the destination does not accept this signal."""

    spans: SpanExporter | None = None
    metrics: MetricExporter | None = None
    logs: LogRecordExporter | None = None


def start(configured: Settings) -> None:
    """Export the telemetry of the process from now on. Raises SettingsError."""
    if not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
        raise SettingsError(
            "PYTHON_APPLICATIONINSIGHTS_ENABLE_TELEMETRY: must be off; the app exports by itself, with "
            "personal data masked"
        )
    resource = Resource.create(
        {"service.name": "postino", "service.instance.id": f"{platform.node()}:{os.getpid()}"}
    )
    export_to([*_destinations(configured)], Mask(configured.secrets), resource, _sampler(configured))


def export_to(
    destinations: list[Destination], mask: Mask, resource: Resource, sampler: Sampler | None = None
) -> None:
    """Send the process's telemetry to these destinations, masked before any of them receives it.

    Without a `sampler` the SDK uses the one of OTEL_TRACES_SAMPLER.
    """
    resource = masked_resource(resource, mask)
    spans = TracerProvider(sampler, resource)
    logs = LoggerProvider(resource)
    for each in destinations:
        if each.spans:
            spans.add_span_processor(BatchSpanProcessor(MaskedSpans(each.spans, mask)))
        if each.logs:
            logs.add_log_record_processor(BatchLogRecordProcessor(MaskedLogs(each.logs, mask)))
    readers = [
        PeriodicExportingMetricReader(MaskedMetrics(each.metrics, mask))
        for each in destinations
        if each.metrics
    ]
    trace.set_tracer_provider(spans)
    metrics.set_meter_provider(MeterProvider(readers, resource))
    set_logger_provider(logs)
    logging.getLogger().addHandler(ToExporters())


def _destinations(configured: Settings) -> Iterator[Destination]:
    if configured.applicationinsights:
        yield _application_insights(configured.applicationinsights.get_secret_value())
    if configured.exports_otlp:
        yield _otlp(configured)


def _application_insights(connection: str) -> Destination:
    from azure.monitor.opentelemetry.exporter import (
        AzureMonitorLogExporter,
        AzureMonitorMetricExporter,
        AzureMonitorTraceExporter,
    )

    return Destination(
        AzureMonitorTraceExporter(connection_string=connection),
        AzureMonitorMetricExporter(connection_string=connection),
        AzureMonitorLogExporter(connection_string=connection),
    )


def _otlp(configured: Settings) -> Destination:
    """Return the OTLP destination.

    The exporters read the other OTEL_EXPORTER_OTLP_* variables themselves: headers, time limits, ...
    """
    from opentelemetry.exporter.otlp.json.http._log_exporter import OTLPLogExporter
    from opentelemetry.exporter.otlp.json.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.json.http.trace_exporter import OTLPSpanExporter

    every = configured.otlp
    return Destination(
        OTLPSpanExporter() if every or configured.otlp_traces else None,
        OTLPMetricExporter() if every or configured.otlp_metrics else None,
        OTLPLogExporter() if every or configured.otlp_logs else None,
    )


def _sampler(configured: Settings) -> Sampler | None:
    """Return a sampler of Azure Monitor, or None for the SDK's.

    Azure Monitor's samplers record the share that they keep, so that Azure Monitor counts correctly.
    """
    if configured.sampler not in SAMPLER_MAXIMUM:
        return None
    argument = float(configured.sampler_argument)
    from azure.monitor.opentelemetry.exporter import ApplicationInsightsSampler, RateLimitedSampler

    if configured.sampler == "microsoft.rate_limited":
        return RateLimitedSampler(argument)
    return ApplicationInsightsSampler(argument)


class ToExporters(logging.Handler):
    """Passes each log record to OpenTelemetry, with the trace of the record."""

    def emit(self, record: logging.LogRecord) -> None:
        # A record about the export would itself be exported, for ever.
        exporting = context.get_value(context._SUPPRESS_INSTRUMENTATION_KEY)
        if exporting or record.name.startswith("opentelemetry."):
            return
        stack = {"exception.stacktrace": record.exc_text} if record.exc_text else {}
        get_logger(record.name).emit(
            LogRecord(
                timestamp=int(record.created * 1e9),
                severity_text=record.levelname,
                severity_number=_severity(record.levelno),
                body=record.getMessage(),
                attributes=stack,
            )
        )


def _severity(level: int) -> SeverityNumber:
    if level >= logging.CRITICAL:
        return SeverityNumber.FATAL
    if level >= logging.ERROR:
        return SeverityNumber.ERROR
    if level >= logging.WARNING:
        return SeverityNumber.WARN
    return SeverityNumber.INFO if level >= logging.INFO else SeverityNumber.DEBUG
