"""The metrics that the app gives to an OpenTelemetry collector."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from opentelemetry import metrics
from opentelemetry.sdk.metrics import Counter, Histogram, MeterProvider
from opentelemetry.sdk.metrics.export import AggregationTemporality, InMemoryMetricReader
from pydantic import SecretStr

import telemetry
from io_api.answers import Answer
from io_api.client import IoClient
from io_api.errors import IoError, Misconfigured, Suspended
from io_api.rate_budget import Priority
from io_api.rate_limiter import RateLimiter
from io_api.suspension_store import PROBE_AFTER, REFRESH_SECONDS, SuspensionStore
from io_api.suspensions import EVERY, Key
from measure_backlog.measure_backlog import measure_backlog
from remote_content.serve import details
from settings import RateLimit
from tests.fake_app import FakeApp
from tests.fakes import FakeTable
from tests.remote import KEY, SOMEBODY_ELSE, RemoteContentApp, a_call, remote_content_id
from tests.remote_functions import DETAILS, HEADER, call, functions_of

FISCAL_CODE = "RSSMRA80A01H501U"
SECRET = SecretStr("made-up-key")
KEYS = (Key("mensa", "primary", SECRET), Key("mensa", "secondary", SecretStr("second-key")))

Collect = Callable[[str], list[Any]]


@pytest.fixture(scope="module")
def reader() -> InMemoryMetricReader:
    """A reader of the metrics recorded from now on, as the host of the process would have it."""
    since_last_time = dict.fromkeys((Counter, Histogram), AggregationTemporality.DELTA)
    reader = InMemoryMetricReader(preferred_temporality=since_last_time)  # type: ignore[arg-type]
    metrics.set_meter_provider(MeterProvider([reader]))
    return reader


@pytest.fixture
def collect(reader: InMemoryMetricReader) -> Collect:
    """Return a function that gives the points of one metric since the last call."""
    reader.collect()

    def points(name: str) -> list[Any]:
        data = reader.get_metrics_data()
        scopes = [scope for one in (data.resource_metrics if data else []) for scope in one.scope_metrics]
        ours = [scope for scope in scopes if scope.scope.name == "postino"]
        found = [metric for scope in ours for metric in scope.metrics if metric.name == name]
        return [point for metric in found for point in metric.data.data_points]

    return points


class Board:
    """A SuspensionStore with a clock that only a test moves."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC)
        self.suspensions = SuspensionStore(
            FakeTable(), lambda: self.now, monotonic=lambda: self.now.timestamp()
        )

    async def why_stopped_later(self, seconds: float = REFRESH_SECONDS + 0.1) -> Suspended | None:
        """The error of a suspended service, or None, after this time."""
        self.now += timedelta(seconds=seconds)
        return await self.suspensions.error_if_suspended(KEYS, "submit_message")


def _reasons(points: list[Any]) -> list[str]:
    """The reasons for which the service is suspended; other tests may have suspended other services."""
    ours = [point for point in points if point.attributes["service"] == "mensa"]
    assert {point.value for point in ours} <= {1}
    return [point.attributes["reason"] for point in ours]


async def test_calls_are_counted_by_status(collect: Collect) -> None:
    """Each answer of IO counts once, by the kind of call and the HTTP status, without the fiscal code."""

    async def answer(request: web.Request) -> web.Response:
        return web.json_response({}, status=429)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    async with TestServer(app, host="127.0.0.1") as server:
        client = IoClient(str(server.make_url("/api/v1")))
        for _ in range(2):
            with pytest.raises(IoError):
                await client.get_message(FISCAL_CODE, "M-1", key=SECRET)
        await client.aclose()
    (point,) = collect("postino.io.calls")
    assert (point.value, dict(point.attributes)) == (2, {"call": "GET /messages", "status": "429"})


async def test_calls_without_an_answer_are_counted(collect: Collect, unused_tcp_port: int) -> None:
    """A call without an answer counts by its failure."""
    client = IoClient(f"http://127.0.0.1:{unused_tcp_port}/api/v1")
    with pytest.raises(IoError):
        await client.get_profile(FISCAL_CODE, key=SECRET)
    await client.aclose()
    (point,) = collect("postino.io.calls")
    assert dict(point.attributes) == {"call": "POST /profiles", "status": "unreachable"}


async def test_stop_is_shown_until_it_ends(collect: Collect) -> None:
    """The gauge is 1 while a service is paused, and absent once it is resumed."""
    board = Board()
    await board.suspensions.pause(EVERY, by="rossi@pc")
    assert await board.why_stopped_later()
    assert _reasons(collect("postino.io.suspended")) == ["paused"]
    await board.suspensions.resume(EVERY)
    assert await board.why_stopped_later() is None
    assert _reasons(collect("postino.io.suspended")) == []


async def test_reason_that_gives_way_to_another_is_over(collect: Collect) -> None:
    """A key that is refused during a pause is the only reason in the gauge after the pause."""
    board = Board()
    await board.suspensions.pause(EVERY, by="rossi@pc")
    await board.why_stopped_later()
    for key in KEYS:
        await board.suspensions.open_circuit(
            key, "get_profile", Misconfigured(reason="invalid_key", status=401)
        )
    await board.suspensions.resume(EVERY)
    await board.why_stopped_later()
    assert _reasons(collect("postino.io.suspended")) == ["invalid_key"]


async def test_service_with_one_good_key_is_not_stopped(collect: Collect) -> None:
    """One refused key of two does not suspend the service; two do, even while a probe is allowed."""
    board = Board()
    wrong_key = Misconfigured(reason="invalid_key", status=401)
    await board.suspensions.open_circuit(KEYS[0], "get_profile", wrong_key)
    assert await board.why_stopped_later() is None
    await board.suspensions.open_circuit(KEYS[1], "get_profile", wrong_key)
    assert await board.why_stopped_later(PROBE_AFTER.total_seconds()) is None
    assert _reasons(collect("postino.io.suspended")) == ["invalid_key"]


async def test_waits_for_a_permit_are_measured(collect: Collect) -> None:
    """Each permit counts once in the histogram of its priority, with the seconds until its slot."""
    rate_limiter = RateLimiter(FakeTable(), RateLimit(10, 1))
    for _ in range(4):
        await rate_limiter.reserve(Priority.SEND)
    await rate_limiter.reserve(Priority.POLL)
    by_priority = {point.attributes["priority"]: point for point in collect("postino.io.permit_wait")}
    assert {name: point.count for name, point in by_priority.items()} == {"send": 4, "poll": 1}
    assert 0.1 < by_priority["send"].max < 1


async def test_backlog_is_measured(collect: Collect) -> None:
    """Each queue has its depth and the age of its oldest message, and each index its lag."""
    app = FakeApp()
    clock, queues, index = app.clock, app.queues, app.due_index
    await queues.put("message-requests", "one")
    await queues.put("message-requests", "two")
    await queues.put("message-sends", "later", delay=timedelta(hours=1))
    await index.put("r-1", clock())
    clock.now += timedelta(minutes=5)
    await measure_backlog(app.stores)
    depth = {point.attributes["queue"]: point.value for point in collect("postino.queue.depth")}
    assert (depth["message-requests"], depth["message-sends"], depth["message-outcomes"]) == (2, 1, 0)
    age = {point.attributes["queue"]: point.value for point in collect("postino.queue.oldest_age")}
    assert (age["message-requests"], age["message-sends"]) == (300, 0)
    lag = {point.attributes["index"]: point.value for point in collect("postino.due.lag")}
    assert 299 <= lag["due"] <= 301
    assert lag["reminders"] == 0


async def test_use_of_the_limit_is_measured(collect: Collect) -> None:
    """The share of the limit that is used is computed from the calls left in an answer."""
    rate_limiter = RateLimiter(FakeTable(), RateLimit(150, 5))
    rate_limiter.observe(Answer(200, {"x-rate-limit-remaining": "30"}, b""))
    (point,) = collect("postino.io.utilisation")
    assert point.sum == pytest.approx(0.8)


async def test_outcomes_are_counted(collect: Collect) -> None:
    """Each outcome counts by its state, service and reason."""
    telemetry.outcome("parked", "tributi", "invalid")
    (point,) = collect("postino.outcomes")
    assert dict(point.attributes) == {"state": "parked", "service": "tributi", "reason": "invalid"}


async def test_timer_that_did_not_end_did_not_run(collect: Collect) -> None:
    """The age of a timer's last run counts only from runs that ended without an error."""
    with pytest.raises(ValueError, match="broken"), telemetry.ticking("never"):
        raise ValueError("broken")
    with telemetry.ticking("always"):
        pass
    ages = {point.attributes["timer"]: point.value for point in collect("postino.timer.last_run.age")}
    assert "never" not in ages
    assert 0 <= ages["always"] < 60


async def test_calls_for_remote_contents_are_counted(collect: Collect) -> None:
    """Answers are counted by route and status, and denied calls by their cause."""
    app = RemoteContentApp()
    await app.keep()
    function = functions_of(app)[DETAILS]
    params, code = {"id": remote_content_id()}, (b"fiscal_code", FISCAL_CODE.encode())
    key = (HEADER.lower().encode(), KEY.encode())
    await call(function, params, [code, key])
    await call(function, params, [code])
    await call(function, params, [(b"fiscal_code", SOMEBODY_ELSE.encode()), key])
    await call(function, {"id": remote_content_id(9)}, [code, key])
    await call(function, params, [key])
    answers = {point.attributes["status"]: point.value for point in collect("postino.remote_content.answers")}
    assert answers == {"200": 1, "404": 3, "400": 1}


async def test_causes_of_denials_are_counted(collect: Collect) -> None:
    """A wrong key, a wrong recipient, an unknown id and a malformed call are told apart."""
    app = RemoteContentApp()
    await app.keep()
    for one in (a_call(key="x"), a_call(fiscal_code=SOMEBODY_ELSE), a_call(9), a_call(fiscal_code="x")):
        await details(one, app.access)
    causes = {point.attributes["cause"]: point.value for point in collect("postino.remote_content.denials")}
    assert causes == dict.fromkeys(("key", "recipient", "id", "malformed"), 1)
