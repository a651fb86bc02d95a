"""Timer triggers of the local host."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from azure.storage.blob import BlobClient, BlobLeaseClient, BlobServiceClient, ContainerClient

from local.azurite import Azurite
from tests.integration.host_process import MakeApp, SampleApp, StartHost, eventually

TIMER = """
@app.timer_trigger(arg_name="timer", schedule="%SCHEDULE%")
async def tick(timer: func.TimerRequest) -> None:
    report(past_due=timer.past_due, status=timer.schedule_status)
"""
EVERY_SECOND = "* * * * * *"
NEW_YEAR = "0 0 0 1 1 *"


@pytest.fixture
def state(azurite: Azurite) -> Iterator[ContainerClient]:
    """The container in which hosts store the leases and statuses of timers."""
    with BlobServiceClient.from_connection_string(azurite.connection_string) as blobs:
        yield blobs.get_container_client("azure-webjobs-hosts")


def blob_of(state: ContainerClient, app: SampleApp, kind: str) -> BlobClient:
    names = [name for name in state.list_blob_names() if app.folder.name in name and name.startswith(kind)]
    assert len(names) == 1
    return state.get_blob_client(names[0])


def pids(app: SampleApp) -> set[int]:
    return {report["pid"] for report in app.reports()}


SLOW = """
    global running
    running += 1
    report(running=running)
    await asyncio.sleep(1.2)
    running -= 1
"""


def test_ticks_never_overlap(make_app: MakeApp, start_host: StartHost, state: ContainerClient) -> None:
    """A function that takes longer than its interval never runs twice at once, even when run by hand."""
    app = make_app("running = 0\n" + TIMER + SLOW)
    host = start_host(app, SCHEDULE=EVERY_SECOND)
    eventually(app.reports)
    host.run_now("tick")
    eventually(lambda: host.counts("tick")["ok"] >= 3)
    assert {report["running"] for report in app.reports() if "running" in report} == {1}
    # A timer that fires more than once a minute keeps no status, as on the platform.
    assert not [name for name in state.list_blob_names(name_starts_with="timers/") if app.folder.name in name]


def test_one_host_ticks_and_another_takes_over(
    make_app: MakeApp, start_host: StartHost, state: ContainerClient
) -> None:
    """Of two hosts one runs the timer, and when it is killed the other takes over after its lease."""
    app = make_app(TIMER)
    first = start_host(app, SCHEDULE=EVERY_SECOND)
    eventually(app.reports)
    second = start_host(app, SCHEDULE=EVERY_SECOND)
    before = len(app.reports())
    eventually(lambda: len(app.reports()) >= before + 3)
    assert pids(app) == {first.process.pid}
    first.kill()
    eventually(lambda: pids(app) == {first.process.pid, second.process.pid})
    # A clean stop releases the lease at once.
    assert second.stop() == 0
    assert blob_of(state, app, "locks/").get_blob_properties().lease.state == "available"


def test_losing_the_lease_stops_the_timer(
    make_app: MakeApp, start_host: StartHost, state: ContainerClient
) -> None:
    """A host that loses its lease runs the timer no more until it has the lease again."""
    app = make_app(TIMER)
    host = start_host(app, SCHEDULE=EVERY_SECOND)
    eventually(app.reports)
    lease = BlobLeaseClient(blob_of(state, app, "locks/"))
    lease.break_lease(0)
    lease.acquire()
    eventually(lambda: "timer lease lost" in host.stderr)
    ticks = len(app.reports())
    host.run_now("tick")
    eventually(lambda: len(app.reports()) == ticks + 1)
    lease.release()
    eventually(lambda: len(app.reports()) >= ticks + 3)


def test_missed_tick_fires_once_as_past_due(
    make_app: MakeApp, start_host: StartHost, state: ContainerClient
) -> None:
    """A tick missed while no host ran fires once at the start, as past due, unless the schedule changed."""
    app = make_app(TIMER)
    host = start_host(app, SCHEDULE=NEW_YEAR)
    eventually(lambda: "runs the timer" in host.stderr)
    assert host.stop() == 0
    status = blob_of(state, app, "timers/")
    old = dict.fromkeys(("Last", "LastUpdated"), "2020-06-01T00:00:00+00:00") | {
        "Next": "2021-01-01T00:00:00+00:00"
    }
    status.upload_blob(json.dumps(old), overwrite=True)

    changed = start_host(app, SCHEDULE="0 0 0 2 1 *")
    eventually(lambda: json.loads(status.download_blob().readall()) != old)
    assert changed.stop() == 0
    assert app.reports() == []

    status.upload_blob(json.dumps(old), overwrite=True)
    host = start_host(app, SCHEDULE=NEW_YEAR)
    eventually(lambda: host.counts("tick")["ok"] == 1)
    assert host.stop() == 0
    (report,) = app.reports()
    assert (report["past_due"], report["status"]) == (True, old)
    written: dict[str, Any] = json.loads(status.download_blob().readall())
    assert written["Next"] > written["Last"] > old["Next"]
