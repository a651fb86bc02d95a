"""Every app setting is known in three places: settings.py, infra/app.bicep and docs/settings.md."""

import json
import re
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from contract.reminders import ReminderPolicy
from settings import IoService, RateLimit, Settings, Thresholds
from tests.bicep import BicepFile, string_in, strings_in

PROJECT = Path(__file__).parents[2]
APP = BicepFile(PROJECT / "infra/app.bicep")
MAIN = BicepFile(PROJECT / "infra/main.bicep")
FIELDS = {str(field.validation_alias): field for field in Settings.model_fields.values()}

# Azure reaches the account by its name and an identity; a developer's machine uses the emulator's key.
OTHER_FORMS_OF_STORAGE = {
    f"AzureWebJobsStorage__{name}"
    for name in (
        "queueServiceUri",
        "tableServiceUri",
        "blobServiceUri",
        "managedIdentityResourceId",
        "tenantId",
        "clientSecret",
    )
}
OTLP = {name for name in FIELDS if name.startswith("OTEL_EXPORTER_")}
# App Service itself tells the app whether its sign-in is on.
NOT_IN_AZURE = OTHER_FORMS_OF_STORAGE | OTLP | {"AzureWebJobsStorage", "WEBSITE_AUTH_ENABLED"}
# Set when an institution has them (main.bicep, secretSettings).
OPTIONAL_SECRETS = {
    "IO_API_SECONDARY_KEY",
    "IO_MANAGE_API_KEY",
    "IO_SERVICES",
    "REMOTE_CONTENT_API_KEY",
    "REMOTE_CONTENT_API_SECONDARY_KEY",
    "TEST_RECIPIENTS",
}


def in_bicep(*variables: str) -> dict[str, str]:
    """The settings in these variables of app.bicep, with their text."""
    found: dict[str, str] = {}
    for variable in variables:
        for name, node in APP.of_kind("var")[variable].properties().items():
            found[name] = string_in(node) if node.type == "string" else ""
    return found


def secrets_in_bicep() -> set[str]:
    return set(strings_in(MAIN.of_kind("param")["secretSettings"].node))


def in_table(heading: str) -> list[list[str]]:
    """The rows of the table below a heading of docs/settings.md, without the header."""
    section = (PROJECT / "docs/settings.md").read_text().partition(f"\n## {heading}\n")
    text = section[2].partition("\n## ")[0] if heading else section[0].partition("\n## ")[0]
    rows = [line for line in text.splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]


DOCUMENTED = {row[0].strip("`"): row for row in in_table("")}
OF_THE_PLATFORM = {row[0].strip("`"): row[1] for row in in_table("The platform's own")}


def as_text(default: Any) -> str:
    """A default as the environment would hold it."""
    if isinstance(default, RateLimit):
        return f"{default.calls}/{default.seconds:g}"
    return "" if default in (None, {}, (), ReminderPolicy(), Thresholds()) else str(default)


def defaults() -> dict[str, str]:
    return {name: as_text(field.default) for name, field in FIELDS.items() if not field.is_required()}


def is_secret(annotation: Any) -> bool:
    return "SecretStr" in str(annotation) or IoService.__name__ in str(annotation)


def test_bicep_has_every_setting() -> None:
    """The deployed app gets each setting that settings.py reads, and no unknown one."""
    ours = {*in_bicep("defaultSettings", "storageSettings", "telemetrySettings"), *secrets_in_bicep()}
    of_the_platform = {name for name, where in OF_THE_PLATFORM.items() if "Azure" in where}
    assert ours - of_the_platform == set(FIELDS) - NOT_IN_AZURE - OPTIONAL_SECRETS


def test_bicep_repeats_the_defaults() -> None:
    """A default in bicep is the default of settings.py."""
    for name, text in in_bicep("defaultSettings").items():
        assert text == defaults()[name], name


def test_template_sets_what_differs_from_the_default() -> None:
    """The template for a machine has what must be set and what differs there, and nothing else."""
    values = json.loads((PROJECT / "local.settings.template.json").read_text())["Values"]
    of_the_platform = {name for name, where in OF_THE_PLATFORM.items() if "machine" in where}
    ours = set(values) - of_the_platform
    assert of_the_platform <= set(values)
    assert {name for name, field in FIELDS.items() if field.is_required()} <= ours <= set(FIELDS)
    assert [name for name in ours if values[name] == defaults().get(name)] == []


def test_template_is_accepted() -> None:
    """The template is valid once it has a keyring."""
    values = json.loads((PROJECT / "local.settings.template.json").read_text())["Values"]
    filled = {name: value for name, value in values.items() if value and name in FIELDS}
    key = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
    assert Settings(**filled | {"ENCRYPTION_KEYS": key}).services["default"].key == SecretStr("simulator-key")


def test_docs_have_every_setting() -> None:
    """docs/settings.md has exactly one row for each setting, with its default and whether it is required."""
    assert set(DOCUMENTED) == set(FIELDS)
    for name, (_, _, default, required, _, _) in DOCUMENTED.items():
        assert default.strip("`") == defaults().get(name, ""), name
        assert (required == "yes") == FIELDS[name].is_required(), name


def test_secrets_are_the_vaults() -> None:
    """A setting is documented as a secret if its type hides it, and in Azure only the vault holds it."""
    documented = {name for name, row in DOCUMENTED.items() if row[4] == "secret"}
    assert documented == {name for name, field in FIELDS.items() if is_secret(field.annotation)}
    assert secrets_in_bicep() | OPTIONAL_SECRETS == documented - NOT_IN_AZURE - {
        *in_bicep("telemetrySettings")
    }


def test_platform_settings_are_documented() -> None:
    """Each platform setting that bicep makes has a row in docs/settings.md too."""
    in_azure = {name for name, where in OF_THE_PLATFORM.items() if "Azure" in where}
    assert set(in_bicep("telemetrySettings")) - set(FIELDS) == in_azure


def test_parameters_are_documented() -> None:
    """docs/deployment.md names only parameters of main.bicep and variables of main.bicepparam."""
    text = (PROJECT / "docs/deployment.md").read_text()
    rows = [line.split("|") for line in text.splitlines() if line.startswith("| `")]
    assert {name for row in rows for name in re.findall(r"`(\w+)`", row[1])} <= set(MAIN.of_kind("param"))
    read = re.findall(r"'((?:POSTINO|AZURE)_\w+)'", (PROJECT / "infra/main.bicepparam").read_text())
    assert {name for row in rows for name in re.findall(r"`(\w+)`", row[2])} <= set(read)


def test_secrets_are_masked() -> None:
    """Every setting whose type hides it is in Settings.secrets, which telemetry masks, but for one address.

    The connection string of Application Insights authenticates nothing here: the app's identity does.
    """
    key = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
    secrets: dict[str, Any] = {
        "AzureWebJobsStorage": "AccountName=a;AccountKey=" + "s" * 40,
        "ENCRYPTION_KEYS": key,
        "IO_SERVICES": '{"anagrafe": {"key": "first-of-anagrafe", "secondary_key": "second-of-anagrafe"}}',
        "TEST_RECIPIENTS": "RSSMRA80A01H501U",
    }
    single = {name for name, field in FIELDS.items() if is_secret(field.annotation)} - {*secrets}
    single -= {"APPLICATIONINSIGHTS_CONNECTION_STRING"}
    configured = Settings(**secrets | {name: f"value-of-{name}-{'x' * 32}" for name in single})
    visible = {key, "s" * 40, "first-of-anagrafe", "second-of-anagrafe", "RSSMRA80A01H501U"}
    assert configured.secrets == visible | {f"value-of-{name}-{'x' * 32}" for name in single}
