"""The app's telemetry for its operators: log lines, metrics and spans without personal data.

The app exports nothing, and imports nothing for it, unless the settings name a destination
(docs/observability.md).
"""

from settings import Settings
from telemetry.logs import VERBOSE_LIBRARIES, configure
from telemetry.measures import (
    CONFIRMED_SECONDS,
    SuspendedCalls,
    due_lag,
    io_permit_wait,
    io_suspended,
    io_utilisation,
    queue_depth,
    queue_oldest_age,
    remote_content_denials,
)
from telemetry.spans import handling, io_call, outcome, processing, serving, ticking, traceparent

__all__ = [
    "CONFIRMED_SECONDS",
    "VERBOSE_LIBRARIES",
    "SuspendedCalls",
    "configure",
    "due_lag",
    "export",
    "handling",
    "io_call",
    "io_permit_wait",
    "io_suspended",
    "io_utilisation",
    "outcome",
    "processing",
    "queue_depth",
    "queue_oldest_age",
    "remote_content_denials",
    "serving",
    "ticking",
    "traceparent",
]


def export(configured: Settings) -> None:
    """Send logs, metrics and spans to the destinations of the settings, if any. Raises SettingsError."""
    if configured.exports_telemetry:
        from telemetry.exporters import start

        start(configured)
