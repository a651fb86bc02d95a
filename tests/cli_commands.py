"""The commands of `postino`, as Typer builds them."""

from collections.abc import Iterator
from typing import Any

import typer

from cli.main import app

ROOT: Any = typer.main.get_command(app)


def commands(group: Any = ROOT, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command and group below one, each with the words that call it."""
    for name, command in group.commands.items():
        yield (*path, name), command
        if hasattr(command, "commands"):
            yield from commands(command, (*path, name))


LEAVES = {path: command for path, command in commands() if not hasattr(command, "commands")}
"""The commands that do something, by the words that call them."""
