"""What the app tells its operators: log lines, metrics and spans without personal data.

Nothing is exported, or imported for that, unless the settings name a place for it (docs/observability.md).
"""

from settings import Settings
from telemetry.logs import TALKATIVE, configure
from telemetry.measures import (
    CONFIRMED_SECONDS,
    SuspendedCalls,
    due_lag,
    io_permit_wait,
    io_suspended,
    io_utilisation,
    queue_depth,
    queue_oldest_age,
)
from telemetry.spans import handling, io_call, outcome, processing, ticking, traceparent

__all__ = [
    "CONFIRMED_SECONDS",
    "TALKATIVE",
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
    "ticking",
    "traceparent",
]


def export(configured: Settings) -> None:
    """Send logs, metrics and spans where the settings say, if they do. Raises SettingsError."""
    if configured.exports_telemetry:
        from telemetry.exporters import start

        start(configured)
