"""Which messages a command is about: the same options everywhere."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated

import typer

from cli.printing import WRONG, give_up

MOMENTS = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S%z"]

Reason = Annotated[str | None, typer.Option(help="Solo con questo motivo, per esempio invalid.")]
Queue = Annotated[str | None, typer.Option(help="Solo da questa coda.")]
Service = Annotated[str | None, typer.Option(help="Solo di questo servizio.")]
Campaign = Annotated[str | None, typer.Option(help="Solo di questa campagna.")]
Since = Annotated[
    datetime | None,
    typer.Option(formats=MOMENTS, metavar="DATA", help="Con l'ultima novità da qui in poi."),
]
Until = Annotated[
    datetime | None,
    typer.Option(formats=MOMENTS, metavar="DATA", help="Con l'ultima novità prima di qui."),
]


def equal(**wanted: str | None) -> dict[str, str]:
    """The columns that a value was given for."""
    return {column: value for column, value in wanted.items() if value is not None}


def need_selection(
    names: list[str] | None,
    wanted: Mapping[str, str],
    since: datetime | None,
    until: datetime | None,
    advice: str,
) -> None:
    """A change for all there is must be asked for, by a filter that means all."""
    if not names and not wanted and since is None and until is None:
        give_up(WRONG, advice)


def between(at: datetime, since: datetime | None, until: datetime | None) -> bool:
    """Whether an instant is in the span; without a zone the options are in the time of this machine."""
    return (since is None or at >= since.astimezone()) and (until is None or at < until.astimezone())
