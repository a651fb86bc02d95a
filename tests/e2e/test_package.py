"""The published package contains all that the app needs."""

import shutil
import venv
from pathlib import Path
from zipfile import ZipFile

from aiohttp import ClientSession

from local.package import build
from tests.e2e.installed import install, pins
from tests.e2e.processes import PROJECT, ChildProcess
from tests.e2e.sample import fiscal_code, request
from tests.e2e.world import World

OF_THE_PLATFORM = ("azure-functions-runtime",)


def test_package_holds_the_product_and_nothing_else(tmp_path: Path) -> None:
    """The archive has the app, its host.json, its requirements and its licence, and nothing else."""
    files = {str(file) for file in build(PROJECT, tmp_path / "postino.zip")}
    loose = {file for file in files if "/" not in file}
    names = ("context", "function_app", "http_triggers", "lifetime", "ncrontab", "settings", "triggers")
    code = {f"{name}.py" for name in names}
    assert loose == code | {"host.json", "requirements.txt", "LICENSE"}
    folders = {file.partition("/")[0] for file in files - loose}
    assert folders == {path.parent.name for path in PROJECT.glob("*/__init__.py")} - {
        "local",
        "cli",
        "benchmarks",
    }
    assert all(file.endswith(".py") for file in files - loose)


async def test_published_app_sends_and_serves(world: World, tmp_path: Path) -> None:
    """With requirements.txt alone, the package sends a message and serves remote contents."""
    app, platform = tmp_path / "app", tmp_path / "platform"
    build(PROJECT, tmp_path / "postino.zip")
    with ZipFile(tmp_path / "postino.zip") as package:
        package.extractall(app)
    venv.create(tmp_path / "venv", symlinks=True)
    [packages] = (tmp_path / "venv").glob("lib/python*/site-packages")
    install(pins(app / "requirements.txt"), packages)
    in_tests = pins(PROJECT / "requirements-dev.txt")
    install([pin for pin in in_tests if pin[0] in OF_THE_PLATFORM], platform)
    shutil.copytree(PROJECT / "local", platform / "local")
    environ = {**world.environ, "PYTHONPATH": str(platform), "REMOTE_CONTENT_API_KEY": "k" * 40}
    command = ["local.host", "--port", "0", "--app", str(app)]
    with ChildProcess(
        "published", tmp_path, command, environ, python=tmp_path / "venv/bin/python", cwd=app
    ) as host:
        address = await host.address()
        async with ClientSession() as caller, caller.get(f"{address}/api/messages/nobodys") as answer:
            assert (answer.status, answer.headers["cache-control"]) == (400, "no-store")
        await world.put(request("r-1", fiscal_code(1)))
        await world.until_gone({"r-1": "SENDING ACCEPTED PROCESSED"})
        host.terminate()
        assert await host.end() == 0
