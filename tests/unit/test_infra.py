"""The infrastructure: checks of the bicep files without a compiler, and of names shared with the code."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from storage import documents, queues
from tests.bicep import BicepFile, string_in, strings_in, walk

PROJECT = Path(__file__).parents[2]
INFRA = PROJECT / "infra"
FILES = [BicepFile(path) for path in sorted(INFRA.glob("*.bicep"))]
BY_NAME = {file.path.name: file for file in FILES}
NAMES = [file.path.name for file in FILES]

# Learn, "Azure built-in roles".
BUILT_IN_ROLES = {
    "Key Vault Secrets User": "4633458b-17de-408a-b874-0445c86b69e6",
    "Monitoring Metrics Publisher": "3913510d-42f4-4e42-8a64-420c390055eb",
    "Storage Blob Data Contributor": "ba92f5b4-2d11-453d-a403-e96b0029c9fe",
    "Storage Blob Data Owner": "b7e6dc6d-f1e8-4753-8033-0f276bb0955b",
    "Storage Blob Data Reader": "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1",
    "Storage Queue Data Contributor": "974c5e8b-45b9-4653-ba55-5f855dd0fb88",
    "Storage Queue Data Message Processor": "8a0f0c08-91a1-4084-bc3d-661d67233fed",
    "Storage Queue Data Message Sender": "c6a89b2d-59bc-44d0-9896-0f6e12d7b80a",
    "Storage Table Data Contributor": "0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3",
}
# This version has been in preview for years, and everybody uses it.
ONLY_IN_PREVIEW = {"Microsoft.Insights/diagnosticSettings@2021-05-01-preview"}


def value(file: str, variable: str) -> list[str]:
    return strings_in(BY_NAME[file].of_kind("var")[variable].node)


@pytest.mark.parametrize("name", NAMES)
def test_file_is_bicep(name: str) -> None:
    """Every file has the syntax of bicep."""
    assert BY_NAME[name].mistakes() == []


@pytest.mark.parametrize("name", NAMES)
def test_names_are_declared_and_used(name: str) -> None:
    """Each used name is declared once in the file, and each parameter and variable is used."""
    file = BY_NAME[name]
    symbols = [one.name for one in file.declarations if one.kind != "output"]
    assert len(symbols) == len(set(symbols))
    assert file.referred() - set(symbols) - file.local_names() == set()
    assert set(file.of_kind("param")) | set(file.of_kind("var")) <= file.referred()


@pytest.mark.parametrize("name", NAMES)
def test_api_versions_are_pinned(name: str) -> None:
    """A resource has a dated, stable version, the same wherever its type is used."""
    types = [one.of for one in BY_NAME[name].of_kind("resource").values()]
    stable = [one for one in types if one not in ONLY_IN_PREVIEW]
    assert [one for one in stable if not re.fullmatch(r"Microsoft\.[\w/.]+@\d{4}-\d\d-\d\d", one)] == []
    everywhere = {one.of for file in FILES for one in file.of_kind("resource").values()}
    assert len({one.partition("@")[0] for one in everywhere}) == len(everywhere)


def modules() -> Iterator[tuple[str, str]]:
    for file in FILES:
        yield from ((file.path.name, name) for name in file.of_kind("module"))


@pytest.mark.parametrize(("name", "module"), list(modules()))
def test_module_gets_its_parameters(name: str, module: str) -> None:
    """A module is a file beside its caller, and gets each parameter without a default and no unknown one."""
    declared = BY_NAME[name].of_kind("module")[module]
    params = BY_NAME[declared.of].of_kind("param")
    given = set(declared.properties("params"))
    assert {one for one, param in params.items() if not param.has_default} <= given <= set(params)


@pytest.mark.parametrize(("name", "module"), list(modules()))
def test_outputs_that_are_used_exist(name: str, module: str) -> None:
    """Each output that a file reads of a module exists."""
    file = BY_NAME[name]
    read = set(re.findall(rf"\b{module}!?\.outputs\.(\w+)", file.path.read_text()))
    assert read <= set(BY_NAME[file.of_kind("module")[module].of].of_kind("output"))


def test_every_file_is_deployed() -> None:
    """main.bicep reaches every file of the folder."""
    assert {one.of for one in BY_NAME["main.bicep"].of_kind("module").values()} == set(NAMES) - {"main.bicep"}


def test_values_from_outside_are_parameters() -> None:
    """main.bicepparam sets only parameters that main.bicep has."""
    text = (INFRA / "main.bicepparam").read_text()
    assert "using './main.bicep'" in text
    set_there = set(re.findall(r"^param (\w+) =", text, re.MULTILINE))
    assert set_there <= set(BY_NAME["main.bicep"].of_kind("param"))


def test_nothing_secret_leaves_a_deployment() -> None:
    """No output holds a key, and no file asks for one: the storage account's own keys are not used."""
    text = "".join(file.path.read_text() for file in FILES)
    assert not re.search(r"listKeys|listAccountSas|listServiceSas|AccountKey|\.key\b", text)
    outputs = [one for file in FILES for one in file.of_kind("output").values()]
    names = [one.name for one in outputs if re.search("secret|password|key", one.text, re.IGNORECASE)]
    assert names == []


def test_roles_are_what_they_are_called() -> None:
    """Each role has the id of the built-in role of that name, and every grant names one of them."""
    file = BY_NAME["access.bicep"]
    roles = {name: string_in(node) for name, node in file.of_kind("var")["roles"].properties().items()}
    assert roles == BUILT_IN_ROLES
    names = [*value("access.bicep", "appStorageRoles"), *value("access.bicep", "operatorStorageRoles")]
    names += re.findall(r"role: '([^']+)'|roles\['([^']+)'\]", file.path.read_text())[0]
    assert {name for name in names if name} <= set(roles)


def test_the_app_and_the_back_office_have_these_roles_alone() -> None:
    """The app's roles cover its storage, the vault's secrets and the metrics; each outsider's, one queue.

    The back office also writes the container of documents, and the operators read it.
    """
    assert value("access.bicep", "appStorageRoles") == [
        "Storage Blob Data Owner",
        "Storage Queue Data Contributor",
        "Storage Table Data Contributor",
    ]
    assert value("access.bicep", "outsiders") == [
        queues.MESSAGE_REQUESTS, "Storage Queue Data Message Sender",
        queues.MESSAGE_REQUESTS_BULK, "Storage Queue Data Message Sender",
        queues.MESSAGE_OUTCOMES, "Storage Queue Data Message Processor",
        queues.MESSAGE_SETTLED, "Storage Queue Data Message Sender",
    ]  # fmt: skip
    assert value("access.bicep", "documentRoles") == [
        "ServicePrincipal", "Storage Blob Data Contributor",
        "Group", "Storage Blob Data Reader",
    ]  # fmt: skip
    granting = [name for name, file in BY_NAME.items() if "Microsoft.Authorization" in file.path.read_text()]
    assert granting == ["access.bicep"]


def test_queues_are_those_of_the_code() -> None:
    """Every queue of the code is created, and each queue with a trigger has a poison queue."""
    triggers = (PROJECT / path for path in ("send_message", "check_status", "reminders"))
    source = "".join((folder / "functions.py").read_text() for folder in triggers)
    names = re.findall(r'on_queue\(functions, intake, "\w+", (\w+)', source)
    triggered = {getattr(queues, name) for name in names}
    every = {queue for name, queue in vars(queues).items() if name.startswith("MESSAGE_")}
    assert set(value("storage.bicep", "triggerQueues")) == triggered
    assert value("storage.bicep", "queueNames") == sorted(every - triggered)
    assert value("storage.bicep", "poisonQueues") == [queues.poison("${queue}")]


def test_tables_are_those_of_the_code() -> None:
    """Every table of the code is created."""
    sources = [*PROJECT.glob("storage/*.py"), *PROJECT.glob("io_api/*.py")]
    found = [re.findall(r'^(?:\w+_)?TABLE: Final = "(\w+)"', file.read_text(), re.M) for file in sources]
    assert value("storage.bicep", "tableNames") == sorted(name for names in found for name in names)


def test_documents_are_where_the_code_reads_them() -> None:
    """The container of documents has the name of the code, and the roles on documents are on it."""
    assert value("storage.bicep", "documentContainer") == [documents.CONTAINER]
    granted = BY_NAME["access.bicep"].of_kind("resource")["onDocuments"]
    assert "scope: documents\n" in granted.text


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("storage.bicep", "allowSharedKeyAccess: false"),
        ("storage.bicep", "allowBlobPublicAccess: false"),
        ("storage.bicep", "minimumTlsVersion: 'TLS1_2'"),
        ("storage.bicep", "publicNetworkAccess: privateNetwork ? 'Disabled' : 'Enabled'"),
        ("vault.bicep", "enableRbacAuthorization: true"),
        ("vault.bicep", "enablePurgeProtection: true"),
        ("monitoring.bicep", "DisableLocalAuth: true"),
        ("app.bicep", "keyVaultReferenceIdentity: identityId"),
        ("app.bicep", "httpsOnly: true"),
        ("app.bicep", "unauthenticatedClientAction: 'AllowAnonymous'"),
        ("app.bicep", "STATUS_PAGE_ROLE: empty(signInClientId) ? '' : statusPageRole"),
        ("app.bicep", "version: '3.13'"),
        ("app.bicep", "name: 'FC1'"),
        ("main.bicep", "param location string = 'italynorth'"),
    ],
)
def test_promise_is_kept(file: str, line: str) -> None:
    """Each promise of docs/deployment.md about a resource is in the file that creates it."""
    assert line in [text.strip() for text in (INFRA / file).read_text().splitlines()]


def test_python_is_the_version_of_the_project() -> None:
    """The app runs on the Python that the project is tested with."""
    version = (PROJECT / ".python-version").read_text().strip()
    assert string_in(BY_NAME["app.bicep"].of_kind("resource")["app"].properties(
        "properties", "functionAppConfig", "runtime"
    )["version"]) == version  # fmt: skip


def test_azd_finds_infrastructure_and_app() -> None:
    """azure.yaml has the shape of azd's schema v1.0, and names files that exist."""
    document = yaml.safe_load((PROJECT / "azure.yaml").read_text())
    assert set(document) == {"name", "infra", "services"}
    assert re.fullmatch(r"[a-z0-9][a-z0-9-]*[a-z0-9]", document["name"])
    infra = document["infra"]
    assert infra["provider"] == "bicep"
    assert (PROJECT / infra["path"] / f"{infra['module']}.bicep").is_file()
    assert document["services"] == {"postino": {"project": ".", "language": "python", "host": "function"}}
    assert "'azd-service-name': 'postino'" in (INFRA / "app.bicep").read_text()


def test_a_mistake_is_found(tmp_path: Path) -> None:
    """The parser finds broken syntax, an unknown name and an unused parameter."""
    path = tmp_path / "wrong.bicep"
    path.write_text(
        "param idle string\nvar used = [for one in missing: one.name]\noutput o string = used[0\n"
    )
    file = BicepFile(path)
    assert file.mistakes() == ["wrong.bicep:3"]
    assert "missing" in file.referred() - {one.name for one in file.declarations} - file.local_names()
    assert "idle" not in file.referred()
    assert any(node.type == "identifier" for node in walk(file.root))
