"""The progress bar of a command that takes its time, on standard error."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


@contextmanager
def bar(name: str, total: int | None, *, silent: bool, done: int = 0) -> Iterator[Callable[[], None]]:
    """Show a bar, and return what moves it on by one. Without a `total`, only the number is shown."""
    columns = (TextColumn(name), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), disable=silent, transient=True) as progress:
        task = progress.add_task(name, total=total, completed=done)
        yield lambda: progress.advance(task)
