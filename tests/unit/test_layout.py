"""The layout: which module may import which, checked in the source itself.

Packages of the product are verbs or nouns. `local/` is this machine's host and `cli/` the operator's command:
neither is deployed, and each has exceptions of its own.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
NOT_THE_PRODUCT = {"tests", "benchmarks", "node_modules", "build", "infra", "docs"}

VERBS = {
    *("send_message", "check_status", "reminders", "remote_content"),
    *("expire", "follow_subscriptions", "measure_backlog", "poison", "rotate_keys", "show_status"),
}
WIRING = {"context", "http_triggers", "lifetime", "triggers"}
NOUNS = WIRING | {"contract", "io_api", "ncrontab", "storage", "report", "settings", "telemetry"}
DEPLOYED = VERBS | NOUNS | {"function_app"}
NOT_DEPLOYED = {"local", "cli", "tests", "benchmarks"}

TRIGGERS = ("azure.functions", "azurefunctions", "fastapi", "starlette", "uvicorn")
STORAGE_CLIENTS = ("azure.storage", "azure.data", "azure.identity", "azure.core")
HTTP_CLIENTS = ("httpx", "aiohttp", "httpx_aiohttp", "requests", "urllib.request", "http.client")
ENVIRONMENT = ("os.environ", "os.getenv", "os.environb", "pydantic_settings", "dotenv")

TRIGGER_FILES = ("functions.py", "function_app.py", "triggers.py", "http_triggers.py")
RESERVED = [
    (
        TRIGGERS,
        TRIGGER_FILES,
        "only functions.py, the triggers and function_app.py import azure.functions",
    ),
    (
        STORAGE_CLIENTS,
        ("storage", "local"),
        "only storage/ imports Azure clients (and local/)",
    ),
    (
        HTTP_CLIENTS,
        ("io_api", "table_service.py", "local"),
        "only io_api/ and storage/table_service.py speak HTTP (and local/)",
    ),
    (ENVIRONMENT, ("settings", "local"), "only settings.py reads the environment (and local/)"),
]


def violations(file: Path, source: str) -> list[str]:
    """The imports and names that a product file may not use; `file` is relative to the project."""
    return [
        f"{file}:{line} {name}: {rule}"
        for line, name in _names(ast.parse(source))
        if (rule := _wrong_way(name, _place(file)) or _reserved(name, file))
    ]


def _place(file: Path) -> str:
    return file.parts[0].removesuffix(".py")


def _names(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Every imported module or member, and every use of a module's member, as dotted names."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            yield from ((node.lineno, f"{module}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            yield node.lineno, f"{node.value.id}.{node.attr}"


def _wrong_way(name: str, place: str) -> str | None:
    package = name.partition(".")[0]
    if not package:
        return "imports are absolute"
    if place in DEPLOYED and package in NOT_DEPLOYED:
        return "what is deployed does not import what is not"
    if place in VERBS and package in VERBS - {place}:
        return "a verb imports no other verb"
    if place in NOUNS and package in VERBS | {"function_app"}:
        return "a noun imports no verb"
    return None


def _reserved(name: str, file: Path) -> str | None:
    for modules, places, rule in RESERVED:
        if _is_in(name, *modules) and not {_place(file), file.name} & {*places}:
            return rule
    return None


def _is_in(name: str, *modules: str) -> bool:
    return any(name == module or name.startswith(f"{module}.") for module in modules)


def _product_files() -> Iterator[Path]:
    for top in PROJECT.iterdir():
        if top.name not in NOT_THE_PRODUCT and not top.name.startswith("."):
            files = top.rglob("*.py") if top.is_dir() else top.parent.glob(top.name)
            yield from (file.relative_to(PROJECT) for file in files if file.suffix == ".py")


def test_every_file_keeps_to_its_place() -> None:
    """No product file imports or reads anything that its place forbids."""
    files = list(_product_files())
    assert {_place(file) for file in files} >= {"storage", "io_api", "settings", "function_app"}
    broken = [line for file in files for line in violations(file, (PROJECT / file).read_text())]
    assert broken == []


def test_every_package_is_a_verb_a_noun_or_not_deployed() -> None:
    """Every folder and module is listed here as a verb, a noun or not deployed."""
    places = {_place(file) for file in _product_files()}
    assert places - DEPLOYED - NOT_DEPLOYED == set()


def test_folder_with_triggers_is_a_verb() -> None:
    """Only verbs have triggers."""
    assert {file.parent.name for file in PROJECT.glob("*/functions.py")} <= VERBS


def test_what_is_not_deployed_is_left_out_of_the_package() -> None:
    """The folders that deployed code may not import are the ones that `func` does not publish."""
    ignored = set((PROJECT / ".funcignore").read_text().split())
    assert ignored >= NOT_DEPLOYED
    assert not ignored & DEPLOYED


@pytest.mark.parametrize(
    ("file", "source", "line"),
    [
        ("send_message/delivery.py", "import azure.functions as func", 1),
        ("storage/ledger.py", "from azure import functions", 1),
        ("send_message/delivery.py", "\n\nfrom azure.data.tables import TableClient", 3),
        ("function_app.py", "from azure.identity.aio import DefaultAzureCredential", 1),
        ("poison/park.py", "from azure.core.exceptions import AzureError", 1),
        ("cli/main.py", "from azure.storage.queue import QueueClient", 1),
        ("check_status/follow.py", "import httpx", 1),
        ("storage/queues.py", "import aiohttp.web", 1),
        ("function_app.py", "from urllib.request import urlopen", 1),
        ("storage/account.py", "import os\nkey = os.environ['KEY']", 2),
        ("io_api/client.py", "from os import environ", 1),
        ("cli/main.py", "import os\ndef f() -> str | None:\n    return os.getenv('KEY')", 3),
        ("telemetry/spans.py", "from pydantic_settings import BaseSettings", 1),
        ("send_message/delivery.py", "from poison.park import park", 1),
        ("send_message/delivery.py", "def late() -> None:\n    import check_status.follow", 2),
        ("storage/dispatcher.py", "from send_message import delivery", 1),
        ("contract/request.py", "import poison", 1),
        ("settings.py", "from check_status.schedule import HORIZON", 1),
        ("storage/ledger.py", "from function_app import clock", 1),
        ("storage/ledger.py", "from local.azurite import Azurite", 1),
        ("send_message/functions.py", "from cli.main import app", 1),
        ("storage/ledger.py", "from . import table", 1),
        ("storage/ledger.py", "from .table import Table", 1),
    ],
)
def test_violation_is_found(file: str, source: str, line: int) -> None:
    """Each rule finds a file that breaks it, with its line."""
    (found,) = violations(Path(file), source)
    assert found.startswith(f"{file}:{line} ")


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("send_message/functions.py", "import azure.functions as func"),
        ("function_app.py", "import azure.functions as func\nimport send_message.functions"),
        ("storage/table.py", "from azure.core.exceptions import AzureError"),
        ("local/host/storage.py", "from azure.storage.queue import QueueClient\nimport os\nos.environ"),
        ("io_api/client.py", "import httpx"),
        ("settings.py", "from pydantic_settings import BaseSettings"),
        ("poison/park.py", "from storage.ledger import Ledger\nfrom poison.redrive import redrive"),
        (
            "cli/main.py",
            "from poison.redrive import redrive\nfrom storage.ledger import Ledger\nimport settings",
        ),
        ("storage/ledger.py", "import os\nos.path\nimport azure_functions_runtime\nimport httpx_like"),
    ],
)
def test_what_is_allowed_is_not_found(file: str, source: str) -> None:
    """The rules accept everything that the design allows."""
    assert violations(Path(file), source) == []
