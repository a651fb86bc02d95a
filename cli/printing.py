"""Prints the output of every command: tables and JSON on standard output, refusals on standard error."""

import json
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Final, NoReturn

import typer
from pydantic import TypeAdapter, ValidationError
from rich.console import Console
from rich.table import Table

from report.italian import shown

NOT_FOUND: Final = 1
ATTENTION: Final = 1
WRONG: Final = 2
UNEXPECTED: Final = 3
INTERRUPTED: Final = 130

# Wide enough for every row: an id that is cut or folded can be neither searched nor copied.
LINE_WIDTH = 100_000


def checked(kind: Any, rule: str) -> Callable[[str], str]:
    """Return a callback that refuses an argument not of this kind (a type of the contract)."""
    adapter: TypeAdapter[str] = TypeAdapter(kind)

    def check(value: str) -> str:
        try:
            return adapter.validate_python(value)
        except ValidationError:
            raise typer.BadParameter(rule) from None

    return check


AsJson = Annotated[bool, typer.Option("--json", help="Scrive JSON, per i programmi.")]


def print_json(document: object) -> None:
    """Print a document. Instants have milliseconds and an offset, as in the ledger's history."""
    typer.echo(json.dumps(document, default=_wire_text, ensure_ascii=False, indent=2))


def print_table(columns: Iterable[str], rows: Iterable[Iterable[object]]) -> None:
    """Print a table with headings, without the columns that no row fills.

    A row is one line of any length; the terminal may wrap the line.
    """
    lines = [[shown(value) for value in row] for row in rows]
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    headings = [*columns]
    filled = [at for at in range(len(headings)) if any(line[at] for line in lines)]
    for at in filled:
        table.add_column(headings[at])
    for line in lines:
        table.add_row(*(line[at] for at in filled))
    if filled:
        _console().print(table)


def print_facts(labels: dict[str, str], document: dict[str, Any]) -> None:
    """Print the values that the document has, one a line, each after its label."""
    table = Table.grid(padding=(0, 2, 0, 0))
    for name, label in labels.items():
        if document[name] is not None:
            table.add_row(label, shown(document[name]))
    _console().print(table)


def print_note(line: str) -> None:
    """Print a line on standard error."""
    typer.echo(line, err=True)


def fail(code: int, *lines: str) -> NoReturn:
    """Print the reason on standard error, and end the command with this exit code."""
    for line in lines:
        print_note(line)
    raise typer.Exit(code)


def keep_inputs(option: str, written: Path | None, *read: Path | None) -> None:
    """End the command if the file that an option names for writing is one that the command reads."""
    if written and written.resolve() in {path.resolve() for path in read if path}:
        fail(
            WRONG,
            f"{option}: {written} è un file da leggere. Scegli un altro nome: non è stato scritto niente.",
        )


def _console() -> Console:
    # Names contain colons and brackets, which must not become emoji or markup.
    return Console(width=LINE_WIDTH, markup=False, emoji=False, highlight=False)


def _wire_text(value: object) -> str:
    assert isinstance(value, datetime)
    return value.isoformat(timespec="milliseconds")
