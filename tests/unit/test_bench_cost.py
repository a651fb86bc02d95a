"""The euros of a million messages, computed from what one costs."""

from dataclasses import replace
from typing import Any

import pytest

from benchmarks.cost.euros import Prices, deliveries, of_a_million

MEASURED: dict[str, Any] = {
    "calls": {"POST ledger": 6.0, "POST message-sends queue": 1.0, "POST message-outcomes queue": 1.0},
    "storage": 8.0,
    "requests": 1,
    "ours": {"wall_ms": 20.0},
}
PRICES = Prices(1.0, 0.0004, 0.004, 0.005, 0.4, 0.00002, 2.0)


def test_million_messages_are_priced_by_the_measured_calls() -> None:
    """Each part is the measured number times its price; the platform gets and deletes each delivery."""
    euros = of_a_million(MEASURED, PRICES)
    assert euros.tables == pytest.approx(6 * 0.04)
    assert euros.queues == pytest.approx(2 * 0.4)
    assert euros.platform == pytest.approx(2 * 0.9)
    assert euros.executions == pytest.approx(2 * 0.4)
    assert euros.busy == pytest.approx(20_000 * 2 * 0.00002)
    assert euros.total == pytest.approx(0.24 + 0.8 + 1.8 + 0.8 + 0.8)


def test_delivery_that_finds_an_idle_instance_is_billed_a_second() -> None:
    """Two deliveries alone are two seconds of an instance, whatever their work takes."""
    euros = of_a_million(MEASURED, PRICES)
    assert euros.alone == pytest.approx(2_000_000 * 2 * 0.00002)
    assert euros.total_alone - euros.total == pytest.approx(euros.alone - euros.busy)


def test_work_of_a_timer_is_no_delivery() -> None:
    """What a timer starts costs no delivery but those of the messages that it puts on Postino's queues."""
    assert deliveries(MEASURED | {"requests": 0}) == 1
    outcomes_only = MEASURED | {"requests": 0, "calls": {"POST message-outcomes queue": 2.0}}
    assert deliveries(outcomes_only) == 0
    assert of_a_million(outcomes_only, PRICES).alone == of_a_million(outcomes_only, PRICES).busy


def test_euros_follow_the_dollar() -> None:
    """Every part is converted at the given rate."""
    half = of_a_million(MEASURED, replace(PRICES, euros_per_dollar=0.5))
    assert half.total == pytest.approx(of_a_million(MEASURED, PRICES).total / 2)
    assert half.alone == pytest.approx(of_a_million(MEASURED, PRICES).alone / 2)
