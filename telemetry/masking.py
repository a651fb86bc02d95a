"""Masks all telemetry on its way into an exporter, whatever the exporter and the source.

The exporters are wrapped. A processor beside theirs would mask nothing: a span that has ended cannot be
changed, so only the input of an exporter can be.
"""

import copy
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any, Final
from urllib.parse import quote, unquote

from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk._logs.export import LogRecordExporter, LogRecordExportResult
from opentelemetry.sdk.metrics.export import MetricExporter, MetricExportResult, MetricsData
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import Link, Status

from contract.fiscal_code import mask_hidden_fiscal_codes

SECRET: Final = "[secret]"
# A shorter text is no secret, and would match in ordinary words.
_LEAST_SECRET: Final = 8
# A value may be encoded in a URL that is encoded in another URL.
_URL_DECODINGS: Final = 3


class Mask:
    """Masks fiscal codes and the given secrets of the instance in any value of telemetry."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        forms = {
            form for secret in secrets if len(secret) >= _LEAST_SECRET for form in (secret, quote(secret, ""))
        }
        longest_first = sorted(forms, key=len, reverse=True)
        self._secrets = re.compile("|".join(map(re.escape, longest_first))) if forms else None

    def __call__(self, value: Any) -> Any:
        """Return the value with every text masked at any depth, including the keys of mappings."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, bytes):
            return self.text(value.decode("latin-1")).encode("latin-1")
        if isinstance(value, Mapping):
            return {self(name): self(one) for name, one in value.items()}
        if isinstance(value, list | tuple):
            return type(value)([self(one) for one in value])
        if is_dataclass(value) and not isinstance(value, type):
            return replace(value, **{each.name: self(getattr(value, each.name)) for each in fields(value)})
        return value

    def text(self, text: str) -> str:
        """Return the text masked. If only URL decoding shows a match, return the text decoded and masked."""
        masked = self._plain(text)
        decoded = masked
        for _ in range(_URL_DECODINGS):
            if "%" not in decoded:
                break
            decoded = unquote(decoded)
            if (found := self._plain(decoded)) != decoded:
                return self.text(found)
        return masked

    def _plain(self, text: str) -> str:
        without_secrets = self._secrets.sub(SECRET, text) if self._secrets else text
        return mask_hidden_fiscal_codes(without_secrets)


class MaskedSpans(SpanExporter):
    """Masks spans and exports them through another exporter."""

    def __init__(self, exporter: SpanExporter, mask: Mask) -> None:
        self._exporter = exporter
        self._mask = mask

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        return self._exporter.export([self._masked(span) for span in spans])

    def shutdown(self) -> None:
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        return self._exporter.force_flush(timeout_millis)

    def _masked(self, span: ReadableSpan) -> ReadableSpan:
        mask = self._mask
        return ReadableSpan(
            mask(span.name),
            context=span.context,
            parent=span.parent,
            resource=span.resource,
            attributes=mask(span.attributes or {}),
            events=[
                Event(mask(event.name), mask(event.attributes or {}), event.timestamp)
                for event in span.events
            ],
            links=[Link(link.context, mask(link.attributes or {})) for link in span.links],
            kind=span.kind,
            status=Status(span.status.status_code, mask(span.status.description)),
            start_time=span.start_time,
            end_time=span.end_time,
            instrumentation_scope=span.instrumentation_scope,
        )


class MaskedLogs(LogRecordExporter):
    """Masks log records and exports them through another exporter."""

    def __init__(self, exporter: LogRecordExporter, mask: Mask) -> None:
        self._exporter = exporter
        self._mask = mask

    def export(self, batch: Sequence[ReadableLogRecord]) -> LogRecordExportResult:
        return self._exporter.export([self._masked(record) for record in batch])

    def shutdown(self) -> None:
        self._exporter.shutdown()  # type: ignore[no-untyped-call]

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        return self._exporter.force_flush(timeout_millis)

    def _masked(self, record: ReadableLogRecord) -> ReadableLogRecord:
        masked = copy.copy(record.log_record)
        masked.body, masked.attributes = self._mask(masked.body), self._mask(masked.attributes or {})
        masked.event_name = self._mask(masked.event_name)
        masked.exception = None  # the SDK has put its text into the attributes
        return replace(record, log_record=masked)


class MaskedMetrics(MetricExporter):
    """Masks metrics and exports them through another exporter."""

    def __init__(self, exporter: MetricExporter, mask: Mask) -> None:
        # The metric reader reads its exporter's preferences from these names.
        super().__init__(exporter._preferred_temporality, exporter._preferred_aggregation)
        self._exporter = exporter
        self._mask = mask

    def export(
        self, metrics_data: MetricsData, timeout_millis: float = 10_000, **kwargs: object
    ) -> MetricExportResult:
        return self._exporter.export(self._mask(metrics_data), timeout_millis, **kwargs)

    def shutdown(self, timeout_millis: float = 30_000, **kwargs: object) -> None:
        self._exporter.shutdown(timeout_millis, **kwargs)

    def force_flush(self, timeout_millis: float = 10_000) -> bool:
        return self._exporter.force_flush(timeout_millis)


def masked_resource(resource: Resource, mask: Mask) -> Resource:
    """Return the resource with its attributes masked. The attributes can come from the environment."""
    return Resource(mask(resource.attributes), resource.schema_url)
