"""An OpenTelemetry collector that keeps everything it gets: OTLP over HTTP, as JSON."""

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer


class Collector:
    """Keeps the posted `bodies`; `settings` make a host send its telemetry here, soon."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.settings = {
            "OTEL_BSP_SCHEDULE_DELAY": "100",
            "OTEL_BLRP_SCHEDULE_DELAY": "100",
            "OTEL_METRIC_EXPORT_INTERVAL": "500",
        }

    async def take(self, request: web.Request) -> web.Response:
        self.bodies.append(await request.read())
        return web.json_response({})

    def spans(self) -> list[dict[str, Any]]:
        """Every span."""
        return list(self._all("resourceSpans", "scopeSpans", "spans"))

    def metrics(self) -> dict[str, dict[str, Any]]:
        """The newest point of each metric, by name."""
        return {one["name"]: one for one in self._all("resourceMetrics", "scopeMetrics", "metrics")}

    def logs(self) -> list[str]:
        """The text of every log record."""
        return [one["body"]["stringValue"] for one in self._all("resourceLogs", "scopeLogs", "logRecords")]

    def tree(self, trace_id: str) -> list[str]:
        """The spans of a trace, each below its parent, in the order of their start."""
        spans = sorted(self.spans(), key=lambda span: int(span["startTimeUnixNano"]))
        names = {span["spanId"]: span["name"] for span in spans}
        ours = [span for span in spans if span["traceId"] == trace_id]
        roots = [span for span in ours if span.get("parentSpanId") not in {one["spanId"] for one in ours}]
        return [line for root in roots for line in _lines(root, ours, names, "")]

    def _all(self, resources: str, scopes: str, kind: str) -> Iterator[dict[str, Any]]:
        for body in self.bodies:
            for resource in json.loads(body).get(resources, []):
                for scope in resource[scopes]:
                    yield from scope[kind]


def _lines(
    span: dict[str, Any], spans: list[dict[str, Any]], names: dict[str, str], indent: str
) -> Iterator[str]:
    linked = "".join(f" (of {names[link['spanId']]})" for link in span.get("links", []))
    yield f"{indent}{span['name']}{linked}"
    for event in span.get("events", []):
        values = {one["key"]: one["value"].get("stringValue") for one in event["attributes"]}
        yield f"{indent}    -> message-outcomes: {values['state']}"
    for child in spans:
        if child.get("parentSpanId") == span["spanId"]:
            yield from _lines(child, spans, names, indent + "    ")


@asynccontextmanager
async def running_collector() -> AsyncIterator[Collector]:
    """Run a collector within the block."""
    collector = Collector()
    app = web.Application(client_max_size=64 * 2**20)
    app.router.add_post("/v1/{kind}", collector.take)
    async with TestServer(app, host="127.0.0.1") as server:
        collector.settings["OTEL_EXPORTER_OTLP_ENDPOINT"] = str(server.make_url("")).rstrip("/")
        yield collector
