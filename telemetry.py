"""What the app tells its operators: log lines and metrics without personal data.

The metrics go where the process sends what OpenTelemetry measures; without such a place they are dropped.
No attribute holds a fiscal code, a key or an id.
"""

import logging
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

from opentelemetry import metrics

from contract.fiscal_code import mask_fiscal_codes

# Libraries that log each request at INFO; Azure's bring a dozen lines a call.
TALKATIVE = ("azure", "httpx", "aiohttp", "azure_functions_runtime")

CONFIRMED_SECONDS: Final = 1200.0

_METER: Final = metrics.get_meter("postino")

io_calls: Final = _METER.create_counter(
    "postino.io.calls", unit="{call}", description="Calls to IO, by call and by HTTP status or what broke"
)
io_turn_wait: Final = _METER.create_histogram(
    "postino.io.turn_wait",
    unit="s",
    description="How long a call waits for its turn, by priority",
    explicit_bucket_boundaries_advisory=[0.05, 0.25, 1, 2.5, 5, 10, 20, 30, 45, 60],
)


class StoppedCalls:
    """Why calls to IO are held back, by service and kind of call, as far as this process knows.

    Who makes no calls learns no news, so that what was not confirmed for a while is let go. Messages that
    wait for the end of a stop come round more often than that.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._known: dict[tuple[str, str], tuple[str, float]] = {}

    def tell(self, service: str, operation: str, reason: str | None) -> None:
        """What holds these calls back now; None: nothing does."""
        self._known.pop((service, operation), None)
        if reason:
            self._known[service, operation] = reason, self._monotonic()

    def observed(self, _: metrics.CallbackOptions) -> Iterator[metrics.Observation]:
        """A 1 for each stop."""
        for (service, operation), (reason, told_at) in list(self._known.items()):
            if self._monotonic() - told_at < CONFIRMED_SECONDS:
                yield metrics.Observation(1, {"service": service, "operation": operation, "reason": reason})


io_stopped: Final = StoppedCalls()
_METER.create_observable_gauge(
    "postino.io.stopped",
    [io_stopped.observed],
    description="1 while a service's calls of one kind are held back, by reason",
)


def configure() -> None:
    """Mask fiscal codes in every log record of the process, whoever writes it and wherever it goes."""
    for name in TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.setLogRecordFactory(_masked_record)


def _masked_record(*args: Any, **kwargs: Any) -> logging.LogRecord:
    record = logging.LogRecord(*args, **kwargs)
    try:
        message = record.getMessage()
    except Exception:  # noqa: BLE001 - a log line that cannot be made must not stop the work it tells of
        message = f"{record.msg} {record.args}"
    record.msg, record.args = mask_fiscal_codes(message), None
    if record.exc_info:
        text = logging.Formatter().formatException(record.exc_info)
        record.exc_text, record.exc_info = mask_fiscal_codes(text), None
    return record
