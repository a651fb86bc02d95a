"""The telemetry that leaves the process: spans, metrics and logs."""

import json
from datetime import timedelta

from storage.queues import MESSAGE_SETTLED
from tests.e2e.collector import running_collector
from tests.e2e.personal_data import sightings
from tests.e2e.sample import fiscal_code, payment, request
from tests.e2e.world import World

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACEPARENT = f"00-{TRACE}-00f067aa0ba902b7-01"
EXPECTED = """
check_recipient process
    POST /profiles
    send_message process
        -> message-outcomes: accepted
        POST /messages
    follow (of check_status)
        -> message-outcomes: processed
        GET /messages/{fiscal_code}/{id}
    settle (of settle_payment process)
        -> message-outcomes: paid
""".strip().splitlines()
METRICS = {
    "postino.io.calls",
    "postino.io.last_success.age",
    "postino.io.permit_wait",
    "postino.io.utilisation",
    "postino.outcomes",
    "postino.timer.last_run.age",
}


async def test_one_trace_from_the_request_to_the_payment(world: World) -> None:
    """A request's trace continues over four queues and a timer, and no telemetry contains a code or a key."""
    person = fiscal_code(7)
    asked = request("tari-7", person, feature_level_type="ADVANCED", content={"payment_data": payment()})
    await world.io.citizens({person: {"reads_after_seconds": None}})
    async with running_collector() as collector:
        await world.start_hosts(settings=collector.settings)
        await world.put(asked | {"traceparent": TRACEPARENT})
        await world.until_gone({"tari-7": "SENDING ACCEPTED"})
        await world.io.advance(timedelta(seconds=30))  # processed
        await world.make_due()
        await world.until_gone({"tari-7": "SENDING ACCEPTED PROCESSED"})
        await world.put_text(json.dumps({"request_id": "tari-7"}), queue=MESSAGE_SETTLED)
        await world.until_gone({"tari-7": "SENDING ACCEPTED PROCESSED PAID"})
        await world.stop_hosts()
    tree = collector.tree(TRACE)
    print("\n".join(tree))
    assert tree == EXPECTED
    assert collector.metrics().keys() >= METRICS
    assert any("outcome request_id=tari-7 attempt=1 state=ACCEPTED" in line for line in collector.logs())
    assert sightings([person, "simulator-key"], collector.bodies) == {}
