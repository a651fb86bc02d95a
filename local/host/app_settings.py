"""App settings: the environment, completed from local.settings.json, and %NAME% references to settings."""

import json
import re
from collections.abc import Mapping, MutableMapping
from pathlib import Path

from local.host.errors import ConfigurationError

_REFERENCE = re.compile(r"%([^%]+)%")


def load_local_settings(app_dir: Path, environ: MutableMapping[str, str]) -> None:
    """Add the "Values" of local.settings.json to `environ`. A setting that is already there wins.

    Format: learn.microsoft.com/azure/azure-functions/functions-develop-local, "Local settings file".
    Raises ConfigurationError if the file is not JSON, is encrypted or has no object of values.
    """
    file = app_dir / "local.settings.json"
    if not file.exists():
        return
    try:
        document = json.loads(file.read_text())
    except ValueError as error:
        raise ConfigurationError(f"local.settings.json is not JSON: {error}") from None
    values = document.get("Values", {}) if isinstance(document, dict) else None
    if not isinstance(values, dict):
        raise ConfigurationError('local.settings.json: "Values" must be an object of names and values')
    if document.get("IsEncrypted"):
        raise ConfigurationError("local.settings.json is encrypted: run `func settings decrypt`")
    for name, value in values.items():
        environ.setdefault(name, value if isinstance(value, str) else json.dumps(value))


def check_worker_runtime(environ: Mapping[str, str]) -> None:
    """Require FUNCTIONS_WORKER_RUNTIME to be python. Raises ConfigurationError.

    Without it, or with another value, the platform starts no worker (Learn, functions-app-settings and
    AZFD0013).
    """
    runtime = environ.get("FUNCTIONS_WORKER_RUNTIME", "")
    if runtime.lower() != "python":
        found = f'is "{runtime}"' if runtime else "is not set"
        raise ConfigurationError(f"app setting FUNCTIONS_WORKER_RUNTIME {found}: set it to python")


def resolve(text: str, environ: Mapping[str, str], *, where: str) -> str:
    """Return `text` with its %NAME% app settings filled in. Raises ConfigurationError if one is missing."""

    def value(reference: re.Match[str]) -> str:
        name = reference[1]
        if not environ.get(name):
            raise ConfigurationError(f"{where}: %{name}% names an app setting that is not set: set {name}")
        return environ[name]

    return _REFERENCE.sub(value, text)


def is_disabled(function: str, environ: Mapping[str, str]) -> bool:
    """Return whether AzureWebJobs.<function>.Disabled is true or 1, as on the platform."""
    return environ.get(f"AzureWebJobs.{function}.Disabled", "").strip().lower() in ("true", "1")


def lease_seconds(environ: Mapping[str, str]) -> int:
    """Return the seconds for which a dequeued message stays invisible without renewal.

    The platform's fixed value is 600. LOCAL_HOST_LEASE_SECONDS shortens it, so that a crash test need not
    wait ten minutes.
    """
    text = environ.get("LOCAL_HOST_LEASE_SECONDS", "600")
    if not text.isdecimal() or not 1 <= int(text) <= 600:
        raise ConfigurationError("LOCAL_HOST_LEASE_SECONDS must be a whole number of seconds, 1 to 600")
    return int(text)
