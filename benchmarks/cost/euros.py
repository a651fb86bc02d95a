"""The price of a million messages of a kind, from what one costs and the list prices. See docs/cost.md."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from storage.queues import MESSAGE_OUTCOMES

MILLION: Final = 1_000_000
# Flex Consumption bills an instance for at least this long once it works ("minimum execution time").
LEAST_SECONDS: Final = 1.0


def _price(default: float, meaning: str) -> float:
    return field(default=default, metadata={"help": meaning})


@dataclass(frozen=True)
class Prices:
    """List prices of November 2026, in US dollars without tax, discounts and free grants.

    Each is an option of the command. docs/cost.md names the sources and what is still to be checked.
    """

    euros_per_dollar: float = _price(0.92, "euros for a US dollar")
    table: float = _price(0.00036, "10,000 transactions of Table storage")
    queue_class_1: float = _price(0.004, "10,000 queue operations of class 1 (put, delete)")
    queue_class_2: float = _price(0.004, "10,000 queue operations of class 2 (get)")
    execution: float = _price(0.40, "a million executions of functions")
    gb_second: float = _price(0.000026, "a GB-second of an instance that works")
    instance_gb: float = _price(2.0, "memory of an instance in GB (instanceMemoryMB)")


@dataclass(frozen=True)
class Euros:
    """Euros for a million messages.

    tables, queues: the calls that Postino makes. platform: the platform's get and delete for each delivery,
    an estimate. executions: one for each delivery. busy: the instance's time while messages come as fast as
    they are handled. alone: the same if each delivery finds an idle instance.
    """

    tables: float
    queues: float
    platform: float
    executions: float
    busy: float
    alone: float

    @property
    def total(self) -> float:
        """The sum while an instance is busy."""
        return self.tables + self.queues + self.platform + self.executions + self.busy

    @property
    def total_alone(self) -> float:
        """The sum if each delivery finds an idle instance."""
        return self.total - self.busy + self.alone


def of_a_million(measured: Mapping[str, Any], prices: Prices) -> Euros:
    """Return the price of a million messages of which one was measured (`benchmarks.cost.worker`)."""
    million = MILLION * prices.euros_per_dollar
    puts = sum(count for name, count in measured["calls"].items() if name.endswith(" queue"))
    delivered = deliveries(measured)
    busy_seconds = measured["ours"]["wall_ms"] / 1000
    second = prices.instance_gb * prices.gb_second
    return Euros(
        tables=million * (measured["storage"] - puts) * prices.table / 10_000,
        queues=million * puts * prices.queue_class_1 / 10_000,
        platform=million * delivered * (prices.queue_class_1 + prices.queue_class_2) / 10_000,
        executions=prices.euros_per_dollar * delivered * prices.execution,
        busy=million * busy_seconds * second,
        alone=million * max(busy_seconds, delivered * LEAST_SECONDS) * second,
    )


def deliveries(measured: Mapping[str, Any]) -> float:
    """Return how many queue messages the platform delivers for one message.

    These are the request and what Postino puts on its own queues. The institution takes the outcomes.
    """
    calls: Mapping[str, float] = measured["calls"]
    inner = (
        count for name, count in calls.items() if name.endswith("queue") and MESSAGE_OUTCOMES not in name
    )
    return float(measured["requests"]) + sum(inner)
