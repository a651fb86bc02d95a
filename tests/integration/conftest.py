"""Fixtures of the tests that need Azurite or a host process."""

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from azure.storage.queue import QueueServiceClient

from local.azurite import Azurite
from tests.integration.cli_account import CliAccount
from tests.integration.host_process import HostProcess, MakeApp, QueueOf, SampleApp, StartHost

BUNDLE = {"id": "Microsoft.Azure.Functions.ExtensionBundle", "version": "[4.*, 5.0.0)"}


@pytest.fixture
def queue_name() -> str:
    """A queue name that no other test uses."""
    return f"q-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def queue_of(azurite: Azurite) -> Iterator[QueueOf]:
    """Return the client of a queue by its name; bodies are sent and read unchanged."""
    with QueueServiceClient.from_connection_string(azurite.connection_string) as service:
        yield service.get_queue_client


@pytest.fixture
def make_app(tmp_path: Path) -> MakeApp:
    """Return a function that makes a sample app with these `queues` options, fast polling
    and plain bodies.
    """

    def make(source: str, **queues_options: Any) -> SampleApp:
        folder = tmp_path / f"app-{uuid.uuid4().hex[:6]}"
        folder.mkdir()
        options = {"messageEncoding": "none", "maxPollingInterval": "00:00:00.2", **queues_options}
        extensions = {"extensionBundle": BUNDLE, "extensions": {"queues": options}}
        return SampleApp(folder, source, {"version": "2.0", **extensions})

    return make


@pytest.fixture
def start_host(azurite: Azurite, queue_name: str) -> Iterator[StartHost]:
    """Return a function that starts hosts on Azurite with QUEUE=queue_name, and waits until they are up."""
    started: list[HostProcess] = []

    def start(app: SampleApp, *arguments: str, ready: bool = True, **environ: str) -> HostProcess:
        defaults = {"AzureWebJobsStorage": azurite.connection_string, "QUEUE": queue_name}
        host = HostProcess(app, {**defaults, **environ}, arguments)
        started.append(host)
        if ready:
            host.wait_until_ready()
        return host

    yield start
    for host in started:
        host.kill()


@pytest.fixture
def account(azurite: Azurite, monkeypatch: pytest.MonkeyPatch) -> CliAccount:
    """A storage account on which `postino` runs."""
    return CliAccount(azurite.connection_string, monkeypatch).started()
