"""The fate of messages when a host stops, crashes, or loses its storage."""

import signal
from pathlib import Path
from typing import Any

from azure.storage.queue import QueueServiceClient

from local.azurite import Azurite
from tests.integration.host_process import MakeApp, QueueOf, StartHost, eventually

WORK = """
@app.queue_trigger(arg_name="msg", queue_name="%QUEUE%", connection="AzureWebJobsStorage")
async def work(msg: func.QueueMessage) -> None:
    body = msg.get_body().decode()
    report(began=body, dequeue_count=msg.dequeue_count)
    if body != "quick":
        await gate("open")
    report(done=body)
"""


def values(reports: list[dict[str, Any]], name: str) -> list[Any]:
    return [report[name] for report in reports if name in report]


def test_sigterm_leaves_nothing_half_done(
    make_app: MakeApp, start_host: StartHost, queue_of: QueueOf, queue_name: str
) -> None:
    """On SIGTERM running functions finish and delete their messages; the other messages stay untouched."""
    queue = queue_of(queue_name)
    queue.create_queue()
    sent = [f"m{number}" for number in range(10)]
    for body in sent:
        queue.send_message(body)
    app = make_app(WORK, batchSize=2, newBatchThreshold=0)
    host = start_host(app)
    eventually(lambda: len(app.reports()) == 2)
    host.process.terminate()
    eventually(lambda: "stopping" in host.stderr)
    app.open_gate("open")
    assert host.wait() == 0
    began, done = values(app.reports(), "began"), values(app.reports(), "done")
    assert len(began) == 2
    assert sorted(began) == sorted(done)
    left = {message.content: message.dequeue_count for message in queue.receive_messages(max_messages=32)}
    assert left == {body: 1 for body in sent if body not in done}


def test_second_signal_exits_at_once(
    make_app: MakeApp, start_host: StartHost, queue_of: QueueOf, queue_name: str
) -> None:
    """A second signal ends the host without waiting for the functions that still run."""
    app = make_app(WORK)
    host = start_host(app)
    queue_of(queue_name).send_message("endless")
    eventually(app.reports)
    host.process.send_signal(signal.SIGINT)
    eventually(lambda: "stopping" in host.stderr)
    host.process.send_signal(signal.SIGINT)
    assert host.wait() == 128 + signal.SIGINT
    assert values(app.reports(), "done") == []


def test_kill_9_redelivers_after_the_lease(
    make_app: MakeApp, start_host: StartHost, queue_of: QueueOf, queue_name: str
) -> None:
    """The message of a killed host comes back after its lease, with a higher dequeue count."""
    app = make_app(WORK)
    first = start_host(app, LOCAL_HOST_LEASE_SECONDS="2")
    queue_of(queue_name).send_message("precious")
    eventually(app.reports)
    first.kill()
    app.open_gate("open")
    start_host(app, LOCAL_HOST_LEASE_SECONDS="2")
    eventually(lambda: values(app.reports(), "done") == ["precious"])
    assert values(app.reports(), "dequeue_count") == [1, 2]


def test_two_hosts_share_the_work(
    make_app: MakeApp, start_host: StartHost, queue_of: QueueOf, queue_name: str
) -> None:
    """Two hosts on one storage account both take messages, and each message is taken once."""
    app = make_app(WORK, batchSize=1, newBatchThreshold=0)
    hosts = [start_host(app), start_host(app)]
    sent = [f"m{number}" for number in range(6)]
    for body in sent:
        queue_of(queue_name).send_message(body)
    eventually(lambda: len(values(app.reports(), "began")) == 2)
    assert {report["pid"] for report in app.reports()} == {host.process.pid for host in hosts}
    app.open_gate("open")
    eventually(lambda: len(values(app.reports(), "done")) == 6)
    assert sorted(values(app.reports(), "began")) == sent


def test_storage_outage_is_survived(
    make_app: MakeApp, start_host: StartHost, queue_name: str, tmp_path: Path
) -> None:
    """The host survives an outage of storage, deletes messages that finished in it, and takes new ones."""
    with (
        Azurite(data=tmp_path / "azurite") as azurite,
        QueueServiceClient.from_connection_string(azurite.connection_string) as queues,
    ):
        app = make_app(WORK)
        host = start_host(app, AzureWebJobsStorage=azurite.connection_string)
        queue = queues.get_queue_client(queue_name)
        queue.send_message("finished during the outage")
        eventually(app.reports)
        azurite.stop()
        app.open_gate("open")
        eventually(lambda: values(app.reports(), "done"))
        eventually(lambda: "storage fails" in host.stderr)
        azurite.start()
        eventually(lambda: queue.get_queue_properties().approximate_message_count == 0)
        queue.send_message("quick")
        eventually(lambda: "quick" in values(app.reports(), "done"))
        assert values(app.reports(), "began") == ["finished during the outage", "quick"]
        assert host.stop() == 0
        assert host.stderr.count("storage fails") == host.stderr.count("storage answers again") == 1
