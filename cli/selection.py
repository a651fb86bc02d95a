"""The options that several commands share, in groups: which messages, and how to make a change."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass
from datetime import datetime
from typing import Annotated, Any, get_type_hints

import typer

from cli.completion import queues, reasons, services
from cli.printing import WRONG, AsJson, fail
from report.italian import ROME

MOMENTS = [
    *("%d/%m/%Y", "%d/%m/%Y %H:%M", "%d/%m/%YT%H:%M"),
    *("%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S%z"),
]

Reason = Annotated[
    str | None,
    typer.Option(
        metavar="MOTIVO", autocompletion=reasons, help="Solo con questo motivo, per esempio «invalid»."
    ),
]
Queue = Annotated[
    str | None, typer.Option(metavar="CODA", autocompletion=queues, help="Solo da questa coda.")
]
Service = Annotated[
    str | None, typer.Option(metavar="NOME", autocompletion=services, help="Solo di questo servizio.")
]
Campaign = Annotated[str | None, typer.Option(metavar="NOME", help="Solo di questa campagna.")]
Since = Annotated[
    datetime | None,
    typer.Option(formats=MOMENTS, metavar="DATA", help="Con l'ultima novità da qui in poi."),
]
Until = Annotated[
    datetime | None,
    typer.Option(formats=MOMENTS, metavar="DATA", help="Con l'ultima novità prima di qui."),
]
Execute = Annotated[
    bool, typer.Option("--execute", help="Lo fa davvero; senza, mostra soltanto che cosa farebbe.")
]
Rate = Annotated[float, typer.Option(min=0.1, max=1000, help="Al più così tanti al secondo.")]
AtMost = Annotated[int | None, typer.Option("--max", min=1, help="Al più così tanti, i meno recenti.")]


@dataclass(frozen=True)
class Period:
    """The span of time in which a command looks."""

    since: Since = None
    until: Until = None

    def admit(self, at: datetime) -> bool:
        """Return whether an instant is in the span. Options without a zone are in Italian time."""
        is_late_enough = self.since is None or at >= _in_italy(self.since)
        return is_late_enough and (self.until is None or at < _in_italy(self.until))


@dataclass(frozen=True)
class Filters(Period):
    """The filters by which a command selects messages."""

    service: Service = None
    campaign: Campaign = None

    @property
    def columns(self) -> dict[str, str]:
        """Return the columns that must equal a value, with the value."""
        named = ((field.name, getattr(self, field.name)) for field in fields(self))
        return {name: value for name, value in named if isinstance(value, str)}

    def need(self, names: list[str] | None, advice: str) -> None:
        """End the command if it selects everything by omission. Selecting all needs an explicit filter."""
        if not names and self == type(self)():
            fail(WRONG, advice)


@dataclass(frozen=True)
class ParkedFilters(Filters):
    """The filters by which a command selects parked messages."""

    reason: Reason = None
    queue: Queue = None


@dataclass(frozen=True)
class Change:
    """The options for how a bulk action is done and printed."""

    execute: Execute = False
    rate: Rate = 10
    at_most: AtMost = None
    as_json: AsJson = False


def _in_italy(at: datetime) -> datetime:
    return at if at.tzinfo else at.replace(tzinfo=ROME)


def grouped(command: Callable[..., None]) -> Callable[..., None]:
    """Replace each parameter whose type is a group, a dataclass, by one option a field, for Typer to read."""
    parameters: list[inspect.Parameter] = []
    groups: dict[str, type] = {}
    for name, parameter in inspect.signature(command).parameters.items():
        hint = get_type_hints(command, include_extras=True)[name]
        if is_dataclass(hint) and isinstance(hint, type):
            groups[name] = hint
            parameters += _options(hint)
        else:
            parameters.append(parameter.replace(annotation=hint, kind=inspect.Parameter.KEYWORD_ONLY))

    def run(**given: Any) -> None:
        for name, group in groups.items():
            given[name] = group(**{field.name: given.pop(field.name) for field in fields(group)})
        command(**given)

    run.__doc__ = command.__doc__
    run.__name__ = command.__name__
    run.__annotations__ = {one.name: one.annotation for one in parameters}
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return run


def _options(group: type) -> list[inspect.Parameter]:
    hints = get_type_hints(group, include_extras=True)
    keyword = inspect.Parameter.KEYWORD_ONLY
    return [
        inspect.Parameter(field.name, keyword, default=field.default, annotation=hints[field.name])
        for field in fields(group)
    ]
