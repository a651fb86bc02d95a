"""host.json as the local host reads it."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from local.host.errors import ConfigurationError
from local.host.host_json import HostJson, read_host_json

PREFIX = "AzureFunctionsJobHost__"


def read(folder: Path, document: object = None, **environ: str) -> HostJson:
    if document is not None:
        (folder / "host.json").write_text(json.dumps(document))
    return read_host_json(folder, environ)


def queues(**options: Any) -> dict[str, Any]:
    return {"version": "2.0", "extensions": {"queues": options}}


def test_without_a_file_the_platform_defaults_hold(tmp_path: Path) -> None:
    """Without host.json, or with an empty one, the platform's defaults apply."""
    assert read(tmp_path) == HostJson() == read(tmp_path, {"version": "2.0"})


def test_every_field_is_read(tmp_path: Path) -> None:
    """Each supported field reaches the host, with durations in seconds."""
    document = {
        "version": "2.0",
        "functionTimeout": "00:10:00",
        "extensions": {
            "http": {"routePrefix": "/v1/"},
            "queues": {
                "batchSize": 32,
                "newBatchThreshold": 0,
                "maxPollingInterval": "00:00:00.250",
                "visibilityTimeout": "1.00:00:30",
                "maxDequeueCount": 1,
                "messageEncoding": "none",
            },
        },
    }
    assert read(tmp_path, document) == HostJson(
        batch_size=32,
        new_batch_threshold=0,
        max_polling_interval=0.25,
        visibility_timeout=86430,
        max_dequeue_count=1,
        base64_messages=False,
        route_prefix="v1",
        function_timeout=600,
    )


def test_new_batch_threshold_follows_the_batch_size(tmp_path: Path) -> None:
    """By default newBatchThreshold is half the batch size."""
    assert read(tmp_path, queues(batchSize=9)).new_batch_threshold == 4


def test_timeout_can_be_lifted(tmp_path: Path) -> None:
    """functionTimeout -1 means no limit."""
    assert read(tmp_path, {"version": "2.0", "functionTimeout": "-1"}).function_timeout is None


def test_app_setting_overrides_the_file(tmp_path: Path) -> None:
    """An AzureFunctionsJobHost__ app setting overrides the file, whatever the case of its letters."""
    options = read(
        tmp_path,
        queues(visibilityTimeout="00:05:00", batchSize=4),
        **{
            f"{PREFIX}extensions__queues__visibilityTimeout": "00:00:00",
            f"{PREFIX.upper()}EXTENSIONS__QUEUES__BATCHSIZE": "8",
        },
    )
    assert (options.visibility_timeout, options.batch_size) == (0, 8)


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (queues(batchSize=33), 'extensions.queues.batchSize must be a whole number from 1 to 32, not "33"'),
        (queues(batchSize=0), "batchSize must be a whole number from 1 to 32"),
        (queues(batchSize="many"), "batchSize must be a whole number from 1 to 32"),
        (queues(newBatchThreshold=-1), "newBatchThreshold must be a whole number, at least 0"),
        (queues(maxDequeueCount=0), "maxDequeueCount must be a whole number, at least 1"),
        (queues(maxPollingInterval="00:00:00.05"), "maxPollingInterval must be a time"),
        (queues(maxPollingInterval=2000), "maxPollingInterval must be a time"),
        (queues(visibilityTimeout="8.00:00:00"), "visibilityTimeout must be a time"),
        (queues(visibilityTimeout="00:61:00"), "visibilityTimeout must be a time"),
        (queues(messageEncoding="utf-8"), 'messageEncoding must be "base64" or "none"'),
        ({"version": "2.0", "functionTimeout": "00:00:00"}, 'at least 1 s, or "-1" for no limit'),
        ({"version": "3.0"}, 'version must be "2.0"'),
        ({"extensions": {}}, 'with "version": "2.0"'),
        ([], 'must be an object with "version"'),
    ],
)
def test_wrong_value_is_one_line_with_field_and_rule(tmp_path: Path, document: object, message: str) -> None:
    """A value outside the platform's limits is refused in one line with its field and rule."""
    with pytest.raises(ConfigurationError) as error:
        read(tmp_path, document)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_wrong_override_names_the_app_setting(tmp_path: Path) -> None:
    """An error about a wrong value from an app setting names that setting."""
    name = f"{PREFIX}extensions__queues__batchSize"
    with pytest.raises(ConfigurationError, match=f"app setting {name} must be a whole number from 1 to 32"):
        read(tmp_path, **{name: "100"})


def test_broken_json_says_where(tmp_path: Path) -> None:
    """A file that is not JSON is refused with the place of the error."""
    (tmp_path / "host.json").write_text('{"version": "2.0",}')
    with pytest.raises(ConfigurationError, match=r"host\.json is not JSON: .*line 1"):
        read(tmp_path)


BUNDLE = "Microsoft.Azure.Functions.ExtensionBundle"


@pytest.mark.parametrize("version", ["[4.*, 5.0.0)", "[4.0.0, 5.0.0)", "[4.26.1]", "(4.*, 5.*]"])
def test_bundle_is_named(tmp_path: Path, version: str) -> None:
    """has_bundle is True for a bundle with a range of versions, and False without a bundle."""
    assert read(
        tmp_path, {"version": "2.0", "extensionBundle": {"id": BUNDLE, "version": version}}
    ).has_bundle
    assert not read(tmp_path, {"version": "2.0"}).has_bundle


@pytest.mark.parametrize(
    ("bundle", "message"),
    [
        ({"id": BUNDLE}, "extensionBundle must have an id and a version"),
        ({"version": "[4.*, 5.0.0)"}, "extensionBundle must have an id and a version"),
        ({"id": "Somebody.Elses", "version": "[4.*, 5.0.0)"}, f'extensionBundle.id must be "{BUNDLE}"'),
        ({"id": BUNDLE, "version": "4.*"}, "extensionBundle.version must be a range of versions"),
        ({"id": BUNDLE, "version": "latest"}, "extensionBundle.version must be a range of versions"),
    ],
)
def test_bundle_that_the_host_cannot_find_is_refused(
    tmp_path: Path, bundle: dict[str, str], message: str
) -> None:
    """An incomplete bundle, an unknown one, or a version that is no range stops the start."""
    with pytest.raises(ConfigurationError, match=re.escape(message)):
        read(tmp_path, {"version": "2.0", "extensionBundle": bundle})


@pytest.mark.parametrize(
    ("document", "says"),
    [
        (
            {"extensionBundles": {}, "functionsTimeout": "00:05:00"},
            "host.json: functionsTimeout is not known",
        ),
        (
            {"extensions": {"queues": {"batchsizes": 3}}},
            "host.json: extensions.queues.batchsizes is not known",
        ),
        ({"extensions": {"queues": 3}}, "host.json: extensions.queues is not known"),
        (
            {"telemetryMode": "Telemetry"},
            'telemetryMode must be ApplicationInsights or OpenTelemetry, not "Telemetry"',
        ),
        (
            {"logging": {"logLevel": {"default": "Info"}}},
            'logging.logLevel.default must be Trace, .* not "Info"',
        ),
    ],
)
def test_unknown_names_and_values_are_refused(tmp_path: Path, document: dict[str, Any], says: str) -> None:
    """A name that the platform would ignore, or a value that it would refuse, stops the start."""
    with pytest.raises(ConfigurationError, match=says):
        read(tmp_path, {"version": "2.0", **document})


def test_names_may_be_written_in_any_case(tmp_path: Path) -> None:
    """The case of names and of listed values does not matter, as on the platform."""
    document = {"TelemetryMode": "opentelemetry", "Logging": {"LogLevel": {"Default": "information"}}}
    assert read(tmp_path, {"version": "2.0", **document}) == HostJson()


def test_unknown_name_among_the_app_settings_is_refused(tmp_path: Path) -> None:
    """An override with an unknown name is refused."""
    with pytest.raises(ConfigurationError, match="app setting AzureFunctionsJobHost__x is not known"):
        read(tmp_path, **{f"{PREFIX}x": "1"})
