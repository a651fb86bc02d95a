"""The files that a public administration expects in a repository."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml
from reuse.project import Project
from reuse.report import ProjectReport

PROJECT = Path(__file__).parents[2]
# The tool without the grammar of IRIs, which takes seconds (tests/conftest.py).
CYCLONEDX = """
import runpy, sys
sys.modules["rfc3987_syntax"] = None
runpy.run_module("cyclonedx_py", run_name="__main__")
"""


def load(name: str) -> Any:
    return yaml.safe_load((PROJECT / name).read_text())


def test_every_file_has_a_licence() -> None:
    """REUSE finds a licence and a copyright for every file, and the text of every licence."""
    report = ProjectReport.generate(Project.from_directory(PROJECT))
    assert report.is_compliant, report.to_dict_lint()["non_compliant"]
    assert set(report.used_licenses) == {"EUPL-1.2"}


def test_licence_is_the_eupl() -> None:
    """LICENSE is the European Union Public Licence 1.2, as in LICENSES."""
    text = (PROJECT / "LICENSE").read_text()
    assert "EUROPEAN UNION PUBLIC LICENCE v. 1.2" in text
    assert text == (PROJECT / "LICENSES/EUPL-1.2.txt").read_text()


def test_publiccode() -> None:
    """publiccode.yml has the fields of version 0 of the standard, and the licence of LICENSE."""
    document = load("publiccode.yml")
    required = {"publiccodeYmlVersion", "name", "url", "platforms", "developmentStatus", "softwareType"}
    assert document.keys() >= required | {"description", "legal", "maintenance", "localisation"}
    assert document["developmentStatus"] in {"concept", "development", "beta", "stable", "obsolete"}
    assert document["softwareType"] == "standalone/backend"
    assert document["legal"]["license"] == "EUPL-1.2"
    for language in document["localisation"]["availableLanguages"]:
        described = document["description"][language]
        assert 0 < len(described["shortDescription"]) <= 150
        assert 150 <= len(described["longDescription"]) <= 10_000
        assert described["features"]
    assert document["maintenance"]["type"] in {"internal", "contract", "community", "none"}
    assert document["maintenance"]["type"] != "community" or document["maintenance"]["contacts"]


def test_workflow_may_do_nothing_but_read() -> None:
    """No workflow has permissions by default, and each action is pinned to a commit."""
    for path in (PROJECT / ".github/workflows").iterdir():
        document = yaml.safe_load(path.read_text())
        assert document["permissions"] == {}
        assert all(job["permissions"] == {"contents": "read"} for job in document["jobs"].values())
        actions = [
            step["uses"] for job in document["jobs"].values() for step in job["steps"] if "uses" in step
        ]
        assert actions
        assert all(re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", action) for action in actions)


def test_tools_have_what_they_read() -> None:
    """The files for editors and containers parse, and run commands that the Makefile has."""
    targets = set(re.findall(r"^([a-z0-9-]+):.*## ", (PROJECT / "Makefile").read_text(), re.M))
    tasks = json.loads((PROJECT / ".vscode/tasks.json").read_text())["tasks"]
    container = json.loads((PROJECT / ".devcontainer/devcontainer.json").read_text())
    commands = [task["command"] for task in tasks] + [container["postCreateCommand"]]
    assert {command.removeprefix("make ") for command in commands} <= targets
    version = (PROJECT / ".python-version").read_text().strip()
    assert container["image"].endswith(f":{version}")
    assert load("compose.yaml")["services"].keys() == {"azurite"}


def test_bill_of_materials_names_what_is_deployed(tmp_path: Path) -> None:
    """`make sbom` lists each pinned requirement with its version."""
    file = tmp_path / "sbom.json"
    command = [
        sys.executable,
        "-c",
        CYCLONEDX,
        "requirements",
        "--output-file",
        str(file),
        "requirements.txt",
    ]
    subprocess.run(command, cwd=PROJECT, check=True, capture_output=True)
    listed = {f"{one['name']}=={one['version']}" for one in json.loads(file.read_text())["components"]}
    pins = re.findall(r"^[\w.-]+==[\w.]+", (PROJECT / "requirements.txt").read_text(), re.M)
    assert listed == set(pins)
