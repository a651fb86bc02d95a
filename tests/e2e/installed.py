"""Installs pinned packages without pip, out of those that `make setup` installed."""

import re
from collections.abc import Iterable, Iterator
from importlib.metadata import distribution
from pathlib import Path

_PIN = re.compile(r"^([\w.-]+)(?:\[[\w,]+\])?==([\w.]+)", re.MULTILINE)


def pins(requirements: Path) -> Iterator[tuple[str, str]]:
    """Name and version of each package that a compiled file of requirements names."""
    yield from _PIN.findall(requirements.read_text())


def install(packages: Iterable[tuple[str, str]], folder: Path) -> None:
    """Link the files of these packages, and of no others, into the folder.

    pip would take twenty seconds of CPU for the same files. Raises AssertionError if `make setup` installed
    another version.
    """
    for name, version in packages:
        installed = distribution(name)
        assert installed.version == version, f"{name} {installed.version} is not {version}"
        for file in installed.files or ():
            if ".." not in file.parts:  # not a command
                link = folder / file
                link.parent.mkdir(parents=True, exist_ok=True)
                link.symlink_to(file.locate())
