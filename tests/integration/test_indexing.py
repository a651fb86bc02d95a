"""The app under the platform's own runtime: its functions, and the settings that stop its start."""

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from azure.storage.queue import QueueClient

from local.azurite import Azurite
from storage.queues import (
    MESSAGE_OUTCOMES,
    MESSAGE_REQUESTS,
    MESSAGE_REQUESTS_BULK,
    MESSAGE_SENDS,
    MESSAGE_SENDS_BULK,
    MESSAGE_SETTLED,
    QUEUES,
    poison,
)
from tests.integration.host_process import PROJECT, QueueOf, SampleApp, StartHost, eventually
from tests.samples import KEYS, a_body

SECRET = "s3cr3t-of-the-test"
SCHEDULE = "30 */7 * * * *"

INDEX = """
import asyncio, json, sys
from pathlib import Path
from local.host.worker import Worker
worker = Worker(Path(sys.argv[1]))
functions = asyncio.run(worker.load())
found = {f.name: {"trigger": f.trigger, "outputs": f.outputs} for f in functions}
print(json.dumps(found | {"streaming": bool({"fastapi", "azure.storage.blob", "report"} & set(sys.modules))}))
worker.stop()
"""


class TheApp(SampleApp):
    """The product's own function_app.py and host.json, without any local.settings.json."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("function_app.py", "host.json"):
            shutil.copy(PROJECT / name, folder)


@pytest.fixture
def app(tmp_path: Path) -> TheApp:
    return TheApp(tmp_path)


@pytest.fixture
def nobody() -> str:
    """The address of an IO that does not answer."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}/api/v1"


@pytest.fixture
def good(nobody: str) -> dict[str, str]:
    """All settings except the storage account's, which is the emulator."""
    return {
        "IO_API_KEY": SECRET,
        "IO_API_BASE_URL": nobody,
        "IO_SERVICES": "",
        "ENCRYPTION_KEYS": KEYS[0].get_secret_value(),
        "CHECK_STATUS_SCHEDULE": SCHEDULE,
    }


@pytest.fixture
def queues(queue_of: QueueOf) -> Mapping[str, QueueClient]:
    """The app's queues."""
    clients = {name: queue_of(name) for name in QUEUES}
    for client in clients.values():
        client.create_queue()
    return clients


def _events(queues: Mapping[str, QueueClient]) -> list[dict[str, Any]]:
    return [json.loads(message.content) for message in queues[MESSAGE_OUTCOMES].peek_messages(32)]


def _indexed(app: TheApp, azurite: Azurite, settings: Mapping[str, str]) -> dict[str, Any]:
    """What the platform's runtime finds, by function, and whether it loaded the parts for `streaming`."""
    environ = {**os.environ, **settings, "AzureWebJobsStorage": azurite.connection_string}
    command = [sys.executable, "-c", INDEX, str(app.folder)]
    run = subprocess.run(command, cwd=PROJECT, env=environ, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    functions: dict[str, Any] = json.loads(run.stdout)
    return functions


def test_http_functions_are_registered_only_with_their_settings(
    app: TheApp, azurite: Azurite, good: dict[str, str]
) -> None:
    """With REMOTE_CONTENT_API_KEY and STATUS_PAGE_ROLE there are four more functions; without, none."""
    without = _indexed(app, azurite, good)
    more = {"REMOTE_CONTENT_API_KEY": "k" * 40, "STATUS_PAGE_ROLE": "Postino.Read"}
    functions = _indexed(app, azurite, good | more)
    assert (without.pop("streaming"), functions.pop("streaming")) == (False, True)
    over_http = {name: functions.pop(name)["trigger"] for name in set(functions) - set(without)}
    assert functions == without
    assert {name: trigger["route"] for name, trigger in over_http.items()} == {
        "remote_content_details": "messages/{id}",
        "remote_content_precondition": "messages/{id}/precondition",
        "remote_content_attachment": "messages/{id}/{attachment_url}",
        "show_status": "status",
    }
    for trigger in over_http.values():
        assert (trigger["type"], trigger["methods"]) == ("httpTrigger", ["GET"])
        assert trigger["authLevel"].lower() == "anonymous"


def test_app_registers_its_functions_with_their_bindings(
    app: TheApp, azurite: Azurite, good: dict[str, str]
) -> None:
    """The platform's runtime finds exactly these functions, with these queues and schedules."""
    functions = _indexed(app, azurite, good)
    del functions["streaming"]
    assert [function["outputs"] for function in functions.values()] == [[]] * len(functions)
    triggers = {name: function["trigger"] for name, function in functions.items()}
    by_queue = {
        name: (trigger["queueName"], trigger["connection"])
        for name, trigger in triggers.items()
        if trigger["type"] == "queueTrigger"
    }
    assert by_queue == {
        "check_recipient": ("message-requests", "AzureWebJobsStorage"),
        "send_message": ("message-sends", "AzureWebJobsStorage"),
        "check_recipient_bulk": ("message-requests-bulk", "AzureWebJobsStorage"),
        "send_message_bulk": ("message-sends-bulk", "AzureWebJobsStorage"),
        "park_request_bulk": ("message-requests-bulk-poison", "AzureWebJobsStorage"),
        "park_send_bulk": ("message-sends-bulk-poison", "AzureWebJobsStorage"),
        "park_request": ("message-requests-poison", "AzureWebJobsStorage"),
        "park_send": ("message-sends-poison", "AzureWebJobsStorage"),
        "settle_payment": ("message-settled", "AzureWebJobsStorage"),
        "park_settlement": ("message-settled-poison", "AzureWebJobsStorage"),
    }
    assert triggers["check_status"]["type"] == "timerTrigger"
    assert triggers["check_status"]["schedule"] == SCHEDULE
    assert triggers["remind"]["type"] == "timerTrigger"
    assert triggers["remind"]["schedule"] == "0 */15 * * * *"
    assert triggers["measure_backlog"]["type"] == "timerTrigger"
    assert triggers["measure_backlog"]["schedule"] == "0 * * * * *"
    timers = {
        *("check_status", "remind", "measure_backlog", "expire"),
        *("follow_subscriptions", "rotate_keys"),
    }
    assert set(triggers) == {*by_queue, *timers}


def test_host_runs_the_app_to_the_first_call_of_io(
    app: TheApp, start_host: StartHost, queues: Mapping[str, QueueClient], good: dict[str, str]
) -> None:
    """Each trigger calls its function: a bad body is parked, a good one waits for IO, the timers run."""
    host = start_host(app, ready=True, **good)
    queues[MESSAGE_REQUESTS].send_message("not json")
    queues[MESSAGE_SENDS].send_message('{"reference": 1, "request_id": "nobody"}')
    queues[MESSAGE_SETTLED].send_message('{"request_id": "nobody"}')
    queues[MESSAGE_REQUESTS_BULK].send_message("not json")
    queues[MESSAGE_SENDS_BULK].send_message('{"reference": 1, "request_id": "nobody"}')
    queues[MESSAGE_REQUESTS].send_message(a_body())
    host.run_now("check_status")
    host.run_now("measure_backlog")
    least = {"check_recipient": 2, "send_message": 1, "settle_payment": 1, "check_status": 1}
    least |= {"measure_backlog": 1}
    least |= {"check_recipient_bulk": 1, "send_message_bulk": 1}
    least |= {"park_request": 1, "park_send": 1, "park_settlement": 1}
    least |= {"park_request_bulk": 1, "park_send_bulk": 1}
    eventually(lambda: all(host.counts(name)["ok"] >= count for name, count in least.items()))
    assert [host.counts(name)["failed"] for name in least] == [0] * len(least)
    reasons = sorted(event["data"]["reason"] for event in _events(queues))
    assert reasons == ["invalid"] * 2 + ["unknown_request"] * 3
    assert queues[MESSAGE_REQUESTS].get_queue_properties().approximate_message_count
    assert "RSSMRA" not in host.stdout + host.stderr
    assert SECRET not in host.stdout + host.stderr


@pytest.mark.parametrize("key", ["", "k" * 40], ids=["without remote contents", "with remote contents"])
def test_host_that_ends_leaves_no_connection_open(
    app: TheApp, start_host: StartHost, queues: Mapping[str, QueueClient], good: dict[str, str], key: str
) -> None:
    """A host that is stopped closes its connections to storage and IO, and logs no error."""
    host = start_host(app, ready=True, **good, REMOTE_CONTENT_API_KEY=key)
    queues[MESSAGE_REQUESTS].send_message(a_body())
    eventually(lambda: host.counts("check_recipient")["ok"])
    assert host.stop() == 0
    assert "Unclosed" not in host.stderr
    assert " ERROR " not in host.stderr


@pytest.mark.parametrize("field", ["DequeueCount", "InsertionTime", "Id"])
def test_body_with_the_platforms_own_words_is_parked(
    app: TheApp,
    start_host: StartHost,
    queues: Mapping[str, QueueClient],
    good: dict[str, str],
    field: str,
) -> None:
    """A body with a field named like the platform's metadata is parked as invalid."""
    host = start_host(app, ready=True, **good)
    queues[poison(MESSAGE_REQUESTS)].send_message(a_body(**{field: "many"}))
    eventually(lambda: host.counts("park_request")["ok"] + host.counts("park_request")["failed"])
    assert host.counts("park_request") == {"ok": 1, "failed": 0, "poison": 0}
    assert [event["data"]["violations"][0]["field"] for event in _events(queues)] == [field]


@pytest.mark.parametrize(
    ("wrong", "lines"),
    [
        (
            {"IO_API_KEY": "", "ENCRYPTION_KEYS": ""},
            ["IO_API_KEY: missing; set the key", "ENCRYPTION_KEYS: missing; make one with"],
        ),
        ({"ENCRYPTION_KEYS": SECRET}, ["ENCRYPTION_KEYS: key 1 is not url-safe base64 of 32 bytes"]),
        ({"IO_SERVICES": f'{{"a": {{"key": "{SECRET}", "kye": 1}}}}'}, ["IO_SERVICES.a.kye: is not known"]),
        ({"IO_API_BASE_URL": SECRET}, ["IO_API_BASE_URL: is no URL"]),
        ({"SSL_CERT_FILE": "/nowhere/ca.pem"}, ["SSL_CERT_FILE: Certificates of authorities cannot be read"]),
        ({"CHECK_STATUS_SCHEDULE": "daily"}, ["CHECK_STATUS_SCHEDULE: must have the six fields"]),
    ],
)
def test_wrong_setting_stops_the_start_and_consumes_nothing(
    app: TheApp,
    start_host: StartHost,
    queues: Mapping[str, QueueClient],
    good: dict[str, str],
    wrong: dict[str, str],
    lines: list[str],
) -> None:
    """The host exits with one line for each wrong setting and no secret, and the queue stays untouched."""
    queues[MESSAGE_REQUESTS].send_message(a_body())
    host = start_host(app, ready=False, **(good | wrong))
    assert host.wait() != 0
    assert "ready" not in host.stdout
    for line in lines:
        assert sum(line in written for written in host.stderr.splitlines()) == 1, host.stderr
    assert "Traceback" not in host.stderr
    assert SECRET not in host.stdout + host.stderr
    (message,) = queues[MESSAGE_REQUESTS].peek_messages(5)
    assert message.dequeue_count == 0


def test_schedule_that_is_no_schedule_stops_the_start(
    app: TheApp, start_host: StartHost, queues: Mapping[str, QueueClient], good: dict[str, str]
) -> None:
    """A schedule of six wrong fields stops the start before a message is consumed."""
    queues[MESSAGE_REQUESTS].send_message(a_body())
    host = start_host(app, ready=False, **(good | {"CHECK_STATUS_SCHEDULE": "a b c d e f"}))
    assert host.wait() != 0
    (message,) = queues[MESSAGE_REQUESTS].peek_messages(5)
    assert message.dequeue_count == 0
