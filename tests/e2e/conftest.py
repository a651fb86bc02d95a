"""The worlds of the end-to-end tests."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from local.azurite import Azurite
from settings import Settings
from tests.e2e.world import World, running_world
from tests.shared_azurite import SharedAzurite


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the developer's own settings for storage and IO away from the tests."""
    for setting in Settings.model_fields.values():
        monkeypatch.delenv(str(setting.validation_alias), raising=False)


@pytest.fixture
async def world(tmp_path: Path, azurite: SharedAzurite) -> AsyncIterator[World]:
    """A world whose storage is in memory."""
    async with running_world(tmp_path, azurite) as world:
        yield world


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """The folder of `world_on_disk`'s data."""
    folder = tmp_path / "storage"
    folder.mkdir()
    return folder


@pytest.fixture
async def world_on_disk(tmp_path: Path, data: Path) -> AsyncIterator[World]:
    """A world whose storage is in files, so it can be stopped and started again."""
    async with running_world(tmp_path, Azurite(data=data)) as world:
        yield world
