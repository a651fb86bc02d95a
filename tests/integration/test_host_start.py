"""Wrong settings and files that stop the start of the host, and the settings that it reads."""

import json
import re
import socket

import pytest

from local.host.app_settings import lease_seconds
from local.host.errors import ConfigurationError
from local.host.storage import Accounts
from tests.integration.host_process import HostProcess, MakeApp, QueueOf, StartHost, eventually

WORK = """
@app.queue_trigger(arg_name="msg", queue_name="%QUEUE%", connection="AzureWebJobsStorage")
async def work(msg: func.QueueMessage) -> None:
    report(body=msg.get_body().decode(), setting=os.environ["SETTING"])
"""


def one_line(host: HostProcess) -> str:
    """The error, without the warning of azure.functions about an app that has no HTTP function."""
    lines = [line for line in host.stderr.splitlines() if "Auth level is not applied" not in line]
    assert len(lines) == 1, host.stderr
    return lines[0]


def test_app_that_fails_to_load_consumes_nothing(
    make_app: MakeApp, start_host: StartHost, queue_of: QueueOf, queue_name: str
) -> None:
    """An exception at import is printed whole, without a trace; the exit code is 1, and messages wait."""
    queue = queue_of(queue_name)
    queue.create_queue()
    queue.send_message("waits")
    app = make_app(WORK + "\nraise ValueError('IO_API_KEY: missing\\nENCRYPTION_KEYS: missing')\n")
    host = start_host(app, ready=False)
    assert host.wait() == 1
    assert "ValueError: IO_API_KEY: missing\nENCRYPTION_KEYS: missing\n" in host.stderr
    assert "Traceback" not in host.stderr
    assert host.stdout == ""
    (message,) = queue.receive_messages()
    assert message.dequeue_count == 1


def test_debug_level_shows_the_trace_of_a_failed_load(make_app: MakeApp, start_host: StartHost) -> None:
    """With --log-level debug the trace of the app's exception is printed too."""
    host = start_host(make_app("\n1 / 0\n"), "--log-level", "debug", ready=False)
    assert host.wait() == 1
    assert "Traceback" in host.stderr
    assert "ZeroDivisionError" in host.stderr


def test_function_that_the_runtime_rejects_stops_the_start(make_app: MakeApp, start_host: StartHost) -> None:
    """A parameter without a binding is found by the platform's own indexing."""
    host = start_host(
        make_app(WORK.replace("msg: func.QueueMessage", "msg: func.QueueMessage, extra: str")), ready=False
    )
    assert host.wait() == 1
    assert "cannot load the work function" in host.stderr


def test_wrong_host_json_is_one_line_and_exit_code_2(make_app: MakeApp, start_host: StartHost) -> None:
    """A wrong host.json ends the host before the app is loaded."""
    host = start_host(make_app(WORK, batchSize=64), ready=False)
    assert host.wait() == 2
    assert one_line(host) == (
        'host.json: extensions.queues.batchSize must be a whole number from 1 to 32, not "64"'
    )


@pytest.mark.parametrize(
    ("environ", "says"),
    [
        ({"QUEUE": ""}, "function work: %QUEUE% names an app setting that is not set"),
        ({"QUEUE": "No_Queue"}, 'function work: "no_queue" is not a queue name'),
        (
            {"AzureWebJobsStorage": "secret"},
            "app setting AzureWebJobsStorage is not a storage connection string",
        ),
        (
            {"FUNCTIONS_WORKER_RUNTIME": ""},
            "app setting FUNCTIONS_WORKER_RUNTIME is not set: set it to python",
        ),
        ({"FUNCTIONS_WORKER_RUNTIME": "node"}, 'FUNCTIONS_WORKER_RUNTIME is "node": set it to python'),
    ],
)
def test_wrong_app_setting_is_one_line_and_exit_code_2(
    make_app: MakeApp, start_host: StartHost, environ: dict[str, str], says: str
) -> None:
    """A missing or wrong app setting is named in one line that hides its value."""
    host = start_host(make_app(WORK), ready=False, **environ)
    assert host.wait() == 2
    assert says in one_line(host)
    assert "secret" not in host.stderr


def test_missing_setting_of_an_output_stops_the_start(make_app: MakeApp, start_host: StartHost) -> None:
    """The queue of an output binding is resolved at the start, and not at the first output."""
    output = (
        '@app.queue_output(arg_name="out", queue_name="%OUT%", connection="AzureWebJobsStorage")\nasync def'
    )
    source = WORK.replace("async def", output).replace("QueueMessage)", "QueueMessage, out: func.Out[str])")
    host = start_host(make_app(source), ready=False)
    assert host.wait() == 2
    assert "function work: %OUT% names an app setting that is not set" in one_line(host)


def test_wrong_schedule_names_the_function(make_app: MakeApp, start_host: StartHost) -> None:
    """A schedule that is not NCRONTAB stops the start."""
    source = '\n@app.timer_trigger(arg_name="t", schedule="%S%")\ndef tick(t: func.TimerRequest): ...\n'
    host = start_host(make_app(source), ready=False, S="0 0 25 * * *")
    assert host.wait() == 2
    assert one_line(host) == 'function tick: hour: "25" is not within 0-23'


def test_unreachable_storage_stops_the_start(make_app: MakeApp, start_host: StartHost) -> None:
    """Without storage the host exits with 1 and names the command that starts the emulator."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{closed.getsockname()[1]}/account"
        connection = f"AccountName=account;AccountKey=a2V5;QueueEndpoint={address};BlobEndpoint={address}"
        host = start_host(make_app(WORK), ready=False, AzureWebJobsStorage=connection)
        assert host.wait() == 1
    assert "python -m local.azurite" in one_line(host)


def test_taken_port_stops_the_start(make_app: MakeApp, start_host: StartHost) -> None:
    """A port in use is named, and the exit code is 1."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        host = start_host(make_app(WORK), "--port", port, ready=False)
        assert host.wait() == 1
    assert f"cannot listen on port {port}" in one_line(host)


def test_local_settings_fill_the_environment(
    make_app: MakeApp, start_host: StartHost, queue_of: QueueOf, queue_name: str
) -> None:
    """Values of local.settings.json are app settings, unless the environment has them."""
    app = make_app(WORK)
    values = {"SETTING": "from the file", "QUEUE": "from-the-file", "NUMBER": 1}
    (app.folder / "local.settings.json").write_text(json.dumps({"IsEncrypted": False, "Values": values}))
    host = start_host(app)
    queue_of(queue_name).send_message("x")
    eventually(app.reports)
    assert app.reports()[0]["setting"] == "from the file"
    assert re.fullmatch(r"ready http://127\.0\.0\.1:\d+ functions: work\n", host.stdout)


@pytest.mark.parametrize("seconds", ["0", "601", "2.5", "long"])
def test_lease_seconds_are_checked(seconds: str) -> None:
    """A lease that storage or the platform would not grant is refused."""
    with pytest.raises(ConfigurationError, match="1 to 600"):
        lease_seconds({"LOCAL_HOST_LEASE_SECONDS": seconds})


async def test_storage_by_identity() -> None:
    """The identity form of a connection gives clients for its service addresses."""
    accounts = Accounts(
        {
            "AzureWebJobsStorage__queueServiceUri": "https://account.queue.core.windows.net",
            "AzureWebJobsStorage__blobServiceUri": "https://account.blob.core.windows.net",
            "AzureWebJobsStorage__clientId": "00000000-0000-0000-0000-000000000000",
        }
    )
    assert accounts.queues("").get_queue_client("work").url == "https://account.queue.core.windows.net/work"
    assert accounts.blobs().url == "https://account.blob.core.windows.net/"
    with pytest.raises(ConfigurationError, match="set Other, Other__accountName or Other__queueServiceUri"):
        accounts.queues("Other")
    await accounts.close()


STRING = "AccountName=string;AccountKey=a2V5;EndpointSuffix=core.windows.net"


@pytest.mark.parametrize(
    ("environ", "account"),
    [
        ({"Work": STRING, "Work__accountName": "name"}, "string"),
        (
            {"Work__accountName": "name", "Work__queueServiceUri": "https://uri.queue.core.windows.net"},
            "name",
        ),
        ({"Work__queueServiceUri": "https://uri.queue.core.windows.net"}, "uri"),
        ({"AzureWebJobsWork__accountName": "prefixed", "Work": STRING}, "prefixed"),
        ({"ConnectionStrings__Work": STRING, "Work__accountName": "name"}, "string"),
        ({"ConnectionStrings__AzureWebJobsWork": STRING, "AzureWebJobsWork__accountName": "name"}, "string"),
        ({"AzureWebJobsWork": "", "Work__accountName": "name"}, "name"),
    ],
)
async def test_forms_of_a_connection_have_an_order(environ: dict[str, str], account: str) -> None:
    """If two forms name two accounts, the same one counts as on the platform."""
    accounts = Accounts(environ)
    assert accounts.queues("Work").url == f"https://{account}.queue.core.windows.net/"
    await accounts.close()


async def test_development_storage_is_the_default_emulator() -> None:
    """UseDevelopmentStorage=true means the emulator's usual ports."""
    accounts = Accounts({"AzureWebJobsStorage": "UseDevelopmentStorage=true"})
    assert accounts.queues("").url == "http://127.0.0.1:10001/devstoreaccount1/"
    await accounts.close()


def test_queue_trigger_without_the_bundle_stops_the_start(make_app: MakeApp, start_host: StartHost) -> None:
    """A queue trigger without an extension bundle stops the start, as on the platform."""
    app = make_app(WORK)
    (app.folder / "host.json").write_text('{"version": "2.0"}')
    host = start_host(app, ready=False)
    assert host.wait() == 2
    assert one_line(host) == (
        "the binding type(s) 'queueTrigger' are not registered: host.json must name the extensionBundle"
    )


def test_http_and_timers_need_no_bundle(make_app: MakeApp, start_host: StartHost) -> None:
    """HTTP and timer triggers need no extension bundle."""
    app = make_app("""
@app.route("hello")
def hello(req: func.HttpRequest) -> str:
    return "hello"

@app.timer_trigger("timer", "0 0 * * * *")
def tick(timer: func.TimerRequest) -> None:
    report()
""")
    (app.folder / "host.json").write_text('{"version": "2.0"}')
    start_host(app, ready=True)
