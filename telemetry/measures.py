"""The metrics. The process sends them to the destinations of its OpenTelemetry metrics; without a destination
they are dropped. No attribute holds a fiscal code, a key or an id."""

import time
from collections.abc import Callable, Iterator
from typing import Final

from opentelemetry import metrics

CONFIRMED_SECONDS: Final = 1200.0

_METER: Final = metrics.get_meter("postino")

io_calls: Final = _METER.create_counter(
    "postino.io.calls",
    unit="{call}",
    description="Calls to IO, by call and HTTP status or failure reason",
)
io_permit_wait: Final = _METER.create_histogram(
    "postino.io.permit_wait",
    unit="s",
    description="How long a call waits for its slot, by priority",
    explicit_bucket_boundaries_advisory=[0.05, 0.25, 1, 2.5, 5, 10, 20, 30, 45, 60],
)
io_utilisation: Final = _METER.create_histogram(
    "postino.io.utilisation",
    unit="1",
    description="How much of the account's limit is used, as IO's answers report it",
    explicit_bucket_boundaries_advisory=[0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95],
)
outcomes: Final = _METER.create_counter(
    "postino.outcomes", unit="{outcome}", description="Outcomes published on message-outcomes, by state"
)
remote_content_answers: Final = _METER.create_counter(
    "postino.remote_content.answers",
    unit="{call}",
    description="Calls of IO that fetch a remote content, by route and HTTP status",
)
remote_content_denials: Final = _METER.create_counter(
    "postino.remote_content.denials",
    unit="{call}",
    description="Denied calls for a remote content, by cause",
)
queue_depth: Final = _METER.create_gauge(
    "postino.queue.depth", unit="{message}", description="Messages on a queue, invisible ones included"
)
queue_oldest_age: Final = _METER.create_gauge(
    "postino.queue.oldest_age", unit="s", description="Age of the oldest visible message; 0 without one"
)
due_lag: Final = _METER.create_gauge(
    "postino.due.lag", unit="s", description="For how long the oldest row of an index has been due"
)


class SuspendedCalls:
    """Holds why calls to IO are held back, by service and kind of call, as far as this process knows.

    A process without calls learns nothing new, so a reason is dropped if it was not confirmed for
    CONFIRMED_SECONDS. Messages that wait for the end of a suspension are retried more often than that.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._known: dict[tuple[str, str], tuple[str, float]] = {}

    def set(self, service: str, operation: str, reason: str | None) -> None:
        """Record what holds these calls back now (None: nothing)."""
        self._known.pop((service, operation), None)
        if reason:
            self._known[service, operation] = reason, self._monotonic()

    def observed(self, _: metrics.CallbackOptions) -> Iterator[metrics.Observation]:
        """Yield a 1 for each suspension."""
        for (service, operation), (reason, confirmed_at) in list(self._known.items()):
            if self._monotonic() - confirmed_at < CONFIRMED_SECONDS:
                yield metrics.Observation(1, {"service": service, "operation": operation, "reason": reason})


class Ages:
    """Holds when each named operation last succeeded in this process. No value before the first success.

    Every process reports its own ages; the smallest age counts.
    """

    def __init__(self, attribute: str, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._attribute = attribute
        self._monotonic = monotonic
        self._last: dict[str, float] = {}

    def now(self, name: str) -> None:
        """Record a success now."""
        self._last[name] = self._monotonic()

    def observed(self, _: metrics.CallbackOptions) -> Iterator[metrics.Observation]:
        """Yield the seconds since the last success of each name."""
        for name, at in list(self._last.items()):
            yield metrics.Observation(self._monotonic() - at, {self._attribute: name})


io_suspended: Final = SuspendedCalls()
_METER.create_observable_gauge(
    "postino.io.suspended",
    [io_suspended.observed],
    description="1 while a service's calls of one kind are held back, by reason",
)
io_last_success: Final = Ages("call")
_METER.create_observable_gauge(
    "postino.io.last_success.age",
    [io_last_success.observed],
    unit="s",
    description="Seconds since IO's backend last answered this process, by call",
)
timer_last_run: Final = Ages("timer")
_METER.create_observable_gauge(
    "postino.timer.last_run.age",
    [timer_last_run.observed],
    unit="s",
    description="Seconds since this process last completed a timer's run, by timer",
)
