"""Queue triggers and outputs of the local host, on Azurite."""

import base64
from typing import Any

import pytest
from azure.core.exceptions import ResourceNotFoundError
from azure.storage.queue import QueueClient

from tests.integration.host_process import MakeApp, QueueOf, StartHost, eventually

WORK = """
@app.queue_trigger(arg_name="msg", queue_name="%QUEUE%", connection="AzureWebJobsStorage")
async def work(msg: func.QueueMessage) -> None:
    body = msg.get_body().decode()
    report(body=body, id=msg.id, dequeue_count=msg.dequeue_count)
"""
FAILING = WORK + "    raise ValueError('cannot work')\n"


def bodies(queue: QueueClient) -> list[str]:
    return [message.content for message in queue.receive_messages()]


def is_empty(queue: QueueClient) -> bool:
    """Whether the queue is empty, invisible messages included."""
    return queue.get_queue_properties().approximate_message_count == 0


def test_success_deletes_the_message(
    make_app: MakeApp, start_host: StartHost, queue_of: QueueOf, queue_name: str
) -> None:
    """A message reaches the function with its metadata, and is deleted when the function returns."""
    app = make_app(WORK)
    host = start_host(app)
    sent = queue_of(queue_name).send_message("perché no?")
    eventually(lambda: is_empty(queue_of(queue_name)))
    (report,) = app.reports()
    assert (report["body"], report["id"], report["dequeue_count"]) == ("perché no?", sent.id, 1)
    assert host.counts("work") == {"ok": 1, "failed": 0, "poison": 0}


def test_failure_is_retried_then_poisoned(
    make_app: MakeApp, start_host: StartHost, queue_of: QueueOf, queue_name: str
) -> None:
    """A failing message is tried maxDequeueCount times, and then its body moves to the poison queue."""
    app = make_app(FAILING, maxDequeueCount=3)
    host = start_host(app)
    queue_of(queue_name).send_message("hopeless")
    eventually(lambda: is_empty(queue_of(queue_name)))
    assert [report["dequeue_count"] for report in app.reports()] == [1, 2, 3]
    assert bodies(queue_of(f"{queue_name}-poison")) == ["hopeless"]
    assert host.counts("work") == {"ok": 0, "failed": 3, "poison": 1}
    assert host.stderr.count("error=ValueError: cannot work") == 3
    assert "reason=failed maxDequeueCount times" in host.stderr
    assert "hopeless" not in host.stderr
    assert "Traceback" not in host.stderr


def test_visibility_timeout_delays_a_failed_message(
    make_app: MakeApp, start_host: StartHost, queue_of: QueueOf, queue_name: str
) -> None:
    """A failed message stays in the queue, invisible, for visibilityTimeout."""
    app = make_app(FAILING, visibilityTimeout="01:00:00")
    host = start_host(app)
    queue_of(queue_name).send_message("later")
    eventually(lambda: host.counts("work")["failed"] == 1)
    assert host.stop() == 0
    assert bodies(queue_of(queue_name)) == []
    assert not is_empty(queue_of(queue_name))


def test_app_setting_overrides_visibility_timeout(
    make_app: MakeApp, start_host: StartHost, queue_of: QueueOf, queue_name: str
) -> None:
    """AzureFunctionsJobHost__extensions__queues__visibilityTimeout overrides host.json in a running host."""
    app = make_app(FAILING, visibilityTimeout="01:00:00", maxDequeueCount=2)
    host = start_host(app, AzureFunctionsJobHost__extensions__queues__visibilityTimeout="00:00:00")
    queue_of(queue_name).send_message("now")
    eventually(lambda: host.counts("work")["poison"] == 1)


def test_count_above_maximum_is_poisoned_without_a_call(
    make_app: MakeApp, start_host: StartHost, queue_of: QueueOf, queue_name: str
) -> None:
    """A message dequeued too often by hosts that crashed goes to the poison queue without a call."""
    queue = queue_of(queue_name)
    queue.create_queue()
    queue.send_message("killer")
    assert len(list(queue.receive_messages(visibility_timeout=1))) == 1
    app = make_app(WORK, maxDequeueCount=1)
    host = start_host(app)
    eventually(lambda: host.counts("work")["poison"] == 1)
    assert app.reports() == []
    assert bodies(queue_of(f"{queue_name}-poison")) == ["killer"]


def test_base64_bodies_are_decoded_and_others_poisoned_raw(
    make_app: MakeApp, start_host: StartHost, queue_of: QueueOf, queue_name: str
) -> None:
    """By default a base64 body is decoded; any other goes to the poison queue unchanged, without a call."""
    app = make_app(WORK, messageEncoding="base64")
    host = start_host(app)
    queue_of(queue_name).send_message("{plain}")
    queue_of(queue_name).send_message(base64.b64encode(b"encoded").decode())
    eventually(lambda: host.counts("work") == {"ok": 1, "failed": 0, "poison": 1})
    assert [report["body"] for report in app.reports()] == ["encoded"]
    assert bodies(queue_of(f"{queue_name}-poison")) == ["{plain}"]


def test_poison_queues_have_no_poison_queue(
    make_app: MakeApp, start_host: StartHost, queue_of: QueueOf, queue_name: str
) -> None:
    """A message that fails on a -poison queue stays there, and no -poison-poison queue is created."""
    poison = queue_of(f"{queue_name}-poison")
    app = make_app(FAILING, maxDequeueCount=2)
    host = start_host(app, QUEUE=poison.queue_name or "", LOCAL_HOST_LEASE_SECONDS="1")
    poison.send_message("stays")
    eventually(lambda: [report["dequeue_count"] for report in app.reports()] == [1, 2])
    assert host.stop() == 0
    eventually(lambda: bodies(poison) == ["stays"])
    with pytest.raises(ResourceNotFoundError):
        queue_of(f"{poison.queue_name}-poison").get_queue_properties()


def test_fields_of_the_body_overwrite_metadata(
    make_app: MakeApp, start_host: StartHost, queue_of: QueueOf, queue_name: str
) -> None:
    """Top-level fields of a JSON body replace trigger metadata of the same name, as on the platform."""
    app = make_app(WORK)
    start_host(app)
    queue_of(queue_name).send_message('{"id": "mine", "dequeuecount": 7, "list": [], "none": null}')
    eventually(app.reports)
    (report,) = app.reports()
    assert (report["id"], report["dequeue_count"]) == ("mine", 7)


def test_odd_bodies_are_only_text(
    make_app: MakeApp, start_host: StartHost, queue_of: QueueOf, queue_name: str
) -> None:
    """An empty body and a deeply nested one reach the function like any text."""
    odd = {"", '{"a":' * 10_000, "[" * 10_000}
    app = make_app(WORK)
    host = start_host(app)
    for body in odd:
        queue_of(queue_name).send_message(body)
    eventually(lambda: host.counts("work") == {"ok": 3, "failed": 0, "poison": 0})
    assert {report["body"] for report in app.reports()} == odd


OUTPUTS = """
@app.queue_trigger(arg_name="msg", queue_name="%QUEUE%", connection="AzureWebJobsStorage")
@app.queue_output(arg_name="out", queue_name="%QUEUE%-out", connection="AzureWebJobsStorage")
def work(msg: func.QueueMessage, out: func.Out[bytes]) -> None:
    body = msg.get_body()
    out.set(body[6:] if body.startswith(b"bytes ") else body.decode())
"""


def test_text_output_that_looks_like_json_is_parsed(
    make_app: MakeApp, start_host: StartHost, queue_of: QueueOf, queue_name: str
) -> None:
    """A text output that is a JSON array becomes many messages, an object is indented; bytes stay as is."""
    host = start_host(make_app(OUTPUTS))
    out = queue_of(f"{queue_name}-out")
    expected = {
        "plain text": ["plain text"],
        '["a", {"b": 1}, 2]': ["a", '{\n  "b": 1\n}', "2"],
        '{"b":"è"}': ['{\n  "b": "è"\n}'],
        'bytes ["a","b"]': ['["a","b"]'],
    }
    for text, messages in expected.items():
        queue_of(queue_name).send_message(text)
        eventually(lambda: is_empty(queue_of(queue_name)))
        assert _drain(out) == messages
    queue_of(queue_name).send_message("{not json}")
    eventually(lambda: host.counts("work")["failed"] > 0)
    assert _drain(out) == []
    assert "output not sent: JSONDecodeError" in host.stderr


def _drain(queue: QueueClient) -> list[str]:
    messages = list(queue.receive_messages(max_messages=32))
    for message in messages:
        queue.delete_message(message)
    return [message.content for message in messages]


GATED = """
running = 0
@app.queue_trigger(arg_name="msg", queue_name="%QUEUE%", connection="AzureWebJobsStorage")
async def work(msg: func.QueueMessage) -> None:
    global running
    running += 1
    report(running=running)
    if msg.get_body() != b"quick":
        await gate("open")
    running -= 1
"""


def test_concurrency_is_batch_size_plus_threshold(
    make_app: MakeApp, start_host: StartHost, queue_of: QueueOf, queue_name: str
) -> None:
    """At most batchSize + newBatchThreshold messages run at once, and that many do."""
    queue = queue_of(queue_name)
    queue.create_queue()
    for body in ["quick"] * 2 + ["slow"] * 12:
        queue.send_message(body)
    app = make_app(GATED, batchSize=4, newBatchThreshold=2)
    start_host(app)
    eventually(lambda: max((report["running"] for report in app.reports()), default=0) == 6)
    app.open_gate("open")
    eventually(lambda: is_empty(queue))
    assert len(app.reports()) == 14
    assert max(report["running"] for report in app.reports()) == 6


def test_lease_is_renewed_while_the_function_runs(
    make_app: MakeApp, start_host: StartHost, queue_of: QueueOf, queue_name: str
) -> None:
    """A function that runs for several leases keeps its message: it is called once and deletes it."""
    app = make_app(WORK + "    await asyncio.sleep(3.5)\n")
    start_host(app, LOCAL_HOST_LEASE_SECONDS="1")
    queue_of(queue_name).send_message("long")
    eventually(lambda: is_empty(queue_of(queue_name)))
    assert [report["dequeue_count"] for report in app.reports()] == [1]


def test_losing_the_message_does_not_stop_the_function(
    make_app: MakeApp, start_host: StartHost, queue_of: QueueOf, queue_name: str
) -> None:
    """A function whose message vanished finishes, and the host continues with the next message."""
    app = make_app(
        WORK + "    if body == 'lost':\n        await gate('go')\n        report(body='finished')\n"
    )
    host = start_host(app, LOCAL_HOST_LEASE_SECONDS="1")
    queue_of(queue_name).send_message("lost")
    eventually(app.reports)
    queue_of(queue_name).clear_messages()
    eventually(lambda: "lease lost" in host.stderr)
    app.open_gate("go")
    queue_of(queue_name).send_message("next")
    eventually(lambda: host.counts("work")["ok"] == 2)
    assert {"lost", "finished", "next"} == {report["body"] for report in app.reports()}


def test_function_timeout_fails_the_invocation(
    make_app: MakeApp, start_host: StartHost, queue_of: QueueOf, queue_name: str
) -> None:
    """A function that exceeds functionTimeout is cancelled and counts as failed."""
    app = make_app(WORK + "    await asyncio.sleep(3600)\n", maxDequeueCount=1)
    host = start_host(app, AzureFunctionsJobHost__functionTimeout="00:00:01")
    queue_of(queue_name).send_message("endless")
    eventually(lambda: host.counts("work") == {"ok": 0, "failed": 1, "poison": 1})
    assert "timed out after functionTimeout (1 s)" in host.stderr


def test_cancellation_inside_a_function_is_a_failure(
    make_app: MakeApp, start_host: StartHost, queue_of: QueueOf, queue_name: str
) -> None:
    """A CancelledError that the app raises fails its invocation and does not end the listener."""
    app = make_app(WORK + "    if body == 'odd':\n        raise asyncio.CancelledError\n", maxDequeueCount=1)
    host = start_host(app)
    queue_of(queue_name).send_message("odd")
    eventually(lambda: host.counts("work")["poison"] == 1)
    queue_of(queue_name).send_message("fine")
    eventually(lambda: host.counts("work") == {"ok": 1, "failed": 1, "poison": 1})


def test_disabled_function_is_left_alone_but_can_be_run(
    make_app: MakeApp, start_host: StartHost, queue_of: QueueOf, queue_name: str
) -> None:
    """AzureWebJobs.<name>.Disabled keeps a function from its queue, and the admin endpoint still runs it."""
    queue = queue_of(queue_name)
    queue.create_queue()
    queue.send_message("waits")
    other = WORK.replace("work", "other").replace("%QUEUE%", "%QUEUE%-other")
    app = make_app(WORK + other)
    disabled: dict[str, Any] = {"AzureWebJobs.work.Disabled": "true"}
    host = start_host(app, **disabled)
    assert host.stdout.strip().endswith("functions: other")
    host.run_now("work", "by hand")
    queue_of(f"{queue_name}-other").send_message("runs")
    eventually(lambda: len(app.reports()) == 2)
    assert {report["body"] for report in app.reports()} == {"by hand", "runs"}
    (message,) = queue.receive_messages()
    assert (message.content, message.dequeue_count) == ("waits", 1)


LOGGING = """
@app.queue_trigger(arg_name="msg", queue_name="%QUEUE%", connection="AzureWebJobsStorage")
async def work(msg: func.QueueMessage) -> None:
    logging.getLogger("my.app").warning("said once", extra={"request_id": "r-1"})
    logging.getLogger("my.app").debug("not said")
    logging.getLogger("httpx").info("GET https://api.example/messages/RSSMRA80A01H501U")
"""


def test_log_records_of_the_app_come_out_once_with_their_fields(
    make_app: MakeApp, start_host: StartHost, queue_of: QueueOf, queue_name: str
) -> None:
    """A log record of the app is one line on stderr with its extra fields; stdout has only the ready line."""
    host = start_host(make_app(LOGGING))
    queue_of(queue_name).send_message("secret body")
    eventually(lambda: host.counts("work")["ok"] == 1)
    assert host.stop() == 0
    assert host.stderr.count("WARNING my.app: said once request_id=r-1") == 1
    assert "not said" not in host.stderr
    assert "secret body" not in host.stderr
    assert "RSSMRA80A01H501U" not in host.stderr
    assert len(host.stdout.splitlines()) == 1
