"""host.json: the fields that this host supports, with the platform's defaults, limits and overrides."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local.host.errors import ConfigurationError

_OVERRIDE = "azurefunctionsjobhost__"
_TIMESPAN = re.compile(r"(?:(\d+)\.)?([01]?\d|2[0-3]):([0-5]?\d)(?::([0-5]?\d(?:\.\d{1,7})?))?")
_BUNDLE = "Microsoft.Azure.Functions.ExtensionBundle"
_VERSION = r"\d+(\.(\d+|\*)){0,2}"
_VERSION_RANGE = re.compile(rf"\[{_VERSION}\]|[\[(]\s*({_VERSION})?\s*,\s*({_VERSION})?\s*[\])]")
_WEEK = 7 * 24 * 3600
# From Azure/azure-functions-host, src/WebJobs.Script/Config/HostJsonFileConfigurationSource.cs. The real host
# ignores any other name without a message, so that a typing error goes unnoticed.
_TOP_LEVEL = {
    "version", "functiontimeout", "retry", "functions", "http", "watchdirectories", "watchfiles", "queues",
    "servicebus", "eventhub", "singleton", "logging", "aggregator", "healthmonitor", "extensionbundle",
    "manageddependencies", "customhandler", "httpworker", "extensions", "concurrency", "telemetrymode",
    "sendcanceledinvocationstoworker", "metadataprovidertimeout",
}  # fmt: skip
_QUEUES = {
    "batchsize", "newbatchthreshold", "maxpollinginterval", "visibilitytimeout", "maxdequeuecount",
    "messageencoding",
}  # fmt: skip
_TELEMETRY_MODES = ("ApplicationInsights", "OpenTelemetry")
_LOG_LEVELS = ("Trace", "Debug", "Information", "Warning", "Error", "Critical", "None")


@dataclass(frozen=True)
class HostJson:
    """The supported fields; durations are in seconds.

    Defaults: learn.microsoft.com/azure/azure-functions/functions-host-json, functions-bindings-storage-queue.
    `max_polling_interval` is that of a development host (deployed: one minute). `new_batch_threshold` is that
    of one vCPU.
    """

    batch_size: int = 16
    new_batch_threshold: int = 8
    max_polling_interval: float = 2.0
    visibility_timeout: int = 0
    max_dequeue_count: int = 5
    base64_messages: bool = True
    route_prefix: str = "api"
    function_timeout: float | None = 1800.0
    has_bundle: bool = False


def read_host_json(app_dir: Path, environ: Mapping[str, str]) -> HostJson:
    """Read the app's host.json, or all defaults without one. AzureFunctionsJobHost__* app settings win.

    Raises ConfigurationError with one line that names the field and its rule.
    """
    fields = _Fields(_document(app_dir / "host.json"), environ)
    fields.check_names()
    fields.take("version", _version, "2.0")
    fields.take("telemetryMode", _one_of(_TELEMETRY_MODES), "")
    for category in fields.below("logging.logLevel"):
        fields.take(category, _one_of(_LOG_LEVELS), "")
    batch_size = fields.take("extensions.queues.batchSize", _whole(1, 32), HostJson.batch_size)
    return HostJson(
        batch_size=batch_size,
        new_batch_threshold=fields.take("extensions.queues.newBatchThreshold", _whole(0), batch_size // 2),
        max_polling_interval=fields.take(
            "extensions.queues.maxPollingInterval", _timespan(0.1), HostJson.max_polling_interval
        ),
        visibility_timeout=int(fields.take("extensions.queues.visibilityTimeout", _timespan(0, _WEEK), 0.0)),
        max_dequeue_count=fields.take(
            "extensions.queues.maxDequeueCount", _whole(1), HostJson.max_dequeue_count
        ),
        base64_messages=fields.take("extensions.queues.messageEncoding", _is_base64, True),
        route_prefix=fields.take("extensions.http.routePrefix", str, HostJson.route_prefix).strip("/"),
        function_timeout=fields.take("functionTimeout", _function_timeout, HostJson.function_timeout),
        has_bundle=_has_bundle(fields),
    )


def _has_bundle(fields: "_Fields") -> bool:
    """Return whether both fields of the bundle are set (functions-host-json, extensionBundle)."""
    bundle = fields.take("extensionBundle.id", _bundle, "")
    versions = fields.take("extensionBundle.version", _version_range, "")
    if bool(bundle) is not bool(versions):
        raise ConfigurationError("host.json: extensionBundle must have an id and a version")
    return bool(bundle)


def _document(file: Path) -> dict[str, Any]:
    if not file.exists():
        return {"version": "2.0"}
    try:
        document = json.loads(file.read_text())
    except ValueError as error:
        raise ConfigurationError(f"host.json is not JSON: {error}") from None
    if not isinstance(document, dict) or "version" not in document:
        raise ConfigurationError('host.json must be an object with "version": "2.0"')
    return document


class _Fields:
    """Values by dotted path. As on the platform, case does not matter and every value is read as text."""

    def __init__(self, document: dict[str, Any], environ: Mapping[str, str]) -> None:
        self._found = {path.lower(): (f"host.json: {path}", text) for path, text in _flatten(document)}
        for name, text in environ.items():
            if name.lower().startswith(_OVERRIDE):
                path = name[len(_OVERRIDE) :].replace("__", ".").lower()
                self._found[path] = (f"app setting {name}", text)

    def take[T](self, path: str, parse: Callable[[str], T], default: T) -> T:
        if path.lower() not in self._found:
            return default
        source, text = self._found[path.lower()]
        try:
            return parse(text)
        except ValueError as rule:
            raise ConfigurationError(f'{source} must be {rule}, not "{text}"') from None

    def check_names(self) -> None:
        """Refuse a name that the real host ignores: at the top level, and among those of the queues."""
        for path, (source, _) in self._found.items():
            first, *rest = path.split(".")
            of_queues = first == "extensions" and rest[:1] == ["queues"]
            if first not in _TOP_LEVEL or (of_queues and ".".join(rest[1:]) not in _QUEUES):
                raise ConfigurationError(f"{source} is not known to the platform")

    def below(self, path: str) -> list[str]:
        """Return the paths of the values within an object."""
        return [one for one in self._found if one.startswith(f"{path.lower()}.")]


def _flatten(document: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in document.items():
        if isinstance(value, dict):
            yield from _flatten(value, f"{prefix}{name}.")
        elif value is not None:
            yield f"{prefix}{name}", str(value)


def _version(text: str) -> str:
    if text != "2.0":
        raise ValueError('"2.0"')
    return text


def _bundle(text: str) -> str:
    if text.lower() != _BUNDLE.lower():
        raise ValueError(f'"{_BUNDLE}"')
    return text


def _version_range(text: str) -> str:
    if not _VERSION_RANGE.fullmatch(text):
        raise ValueError("a range of versions such as [4.*, 5.0.0)")
    return text


def _one_of(values: tuple[str, ...]) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text.lower() not in [value.lower() for value in values]:
            raise ValueError(" or ".join((", ".join(values[:-1]), values[-1])))
        return text

    return parse


def _whole(least: int, most: int | None = None) -> Callable[[str], int]:
    rule = f"a whole number from {least} to {most}" if most else f"a whole number, at least {least}"

    def parse(text: str) -> int:
        number = int(text) if text.isdecimal() else -1
        if number < least or (most is not None and number > most):
            raise ValueError(rule)
        return number

    return parse


def _timespan(least: float, most: float | None = None) -> Callable[[str], float]:
    rule = f"a time [days.]hours:minutes:seconds of at least {least:g} s"
    if most is not None:
        rule += f" and at most {most:g} s"

    def parse(text: str) -> float:
        match = _TIMESPAN.fullmatch(text)
        # The platform reads a bare number as days. That is surely a mistake, so this host refuses it.
        if match is None:
            raise ValueError(rule)
        days, hours, minutes, seconds = (float(part or 0) for part in match.groups())
        length = ((days * 24 + hours) * 60 + minutes) * 60 + seconds
        if length < least or (most is not None and length > most):
            raise ValueError(rule)
        return length

    return parse


def _is_base64(text: str) -> bool:
    if text.lower() not in ("base64", "none"):
        raise ValueError('"base64" or "none"')
    return text.lower() == "base64"


def _function_timeout(text: str) -> float | None:
    if text == "-1":
        return None
    try:
        return _timespan(1)(text)
    except ValueError as rule:
        raise ValueError(f'{rule}, or "-1" for no limit') from None
