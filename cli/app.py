"""The command line in Italian: Typer's help, errors and shell completion."""

import sys
import traceback
from collections.abc import Callable, Sequence
from typing import Any, Final, NoReturn

import typer
from typer import rich_utils
from typer._completion_shared import _get_shell_name, install
from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption
from typer.exceptions import TyperException

from cli.printing import INTERRUPTED, UNEXPECTED, WRONG, fail, print_note
from cli.usage_it import in_italian

_SHELLS: Final = ("bash", "zsh", "fish", "powershell", "pwsh")
_HELP: Final = {
    "help": "Mostra queste righe ed esce.",
    "install_completion": "Installa il completamento con il tasto Tab nella shell in uso.",
    "show_completion": "Scrive lo script del completamento, per copiarlo o cambiarlo.",
}
_TYPES: Final = {"bool": "", "str": "TESTO", "int": "NUMERO", "float": "NUMERO", "Path": "FILE"}
_USAGE: Final = {"Usage: ": "Uso: ", "[OPTIONS]": "[OPZIONI]", "COMMAND [ARGS]...": "COMANDO [VALORI]..."}


def _speak_italian() -> None:
    """Give the panels of Typer's help their Italian words."""
    rich_utils.ARGUMENTS_PANEL_TITLE = "Valori"
    rich_utils.OPTIONS_PANEL_TITLE = "Opzioni"
    rich_utils.COMMANDS_PANEL_TITLE = "Comandi"
    rich_utils.DEFAULT_STRING = "[se manca: {}]"
    rich_utils.REQUIRED_LONG_STRING = "[obbligatorio]"


_speak_italian()


class _Italian:
    """What commands and groups share: the words of the usage line, of the options and of their types."""

    def get_usage(self, ctx: Any) -> str:
        usage: str = super().get_usage(ctx)  # type: ignore[misc]
        for english, italian in _USAGE.items():
            usage = usage.replace(english, italian)
        return usage

    def get_params(self, ctx: Any) -> list[Any]:
        params: list[Any] = super().get_params(ctx)  # type: ignore[misc]
        for param in params:
            _describe(param)
        return params


def _describe(param: TyperOption | TyperArgument) -> None:
    if param.name in _HELP:
        param.help = _HELP[param.name]
    if param.name == "install_completion":
        param.callback = _install_completion
    kind = param.type_descriptor
    if param.metavar is None and not kind.is_choice and isinstance(param, TyperOption):
        param.metavar = _TYPES.get(getattr(kind.annotation, "__name__", ""))
    if isinstance(param, TyperArgument):  # its name says what it is
        setattr(param, "display_type_rich", lambda ctx: None)  # noqa: B010 - mypy forbids the assignment


def _install_completion(ctx: Any, param: Any, value: bool | None) -> bool | None:
    if not value or ctx.resilient_parsing:
        return value
    shell = _get_shell_name()
    if shell not in _SHELLS:
        fail(WRONG, "Non si riconosce la shell: il completamento c'è per bash, zsh, fish e PowerShell.")
    _, path = install(shell=shell)
    print_note(f"Completamento per {shell} installato in {path}. Vale dal prossimo terminale che apri.")
    raise typer.Exit


class Command(_Italian, TyperCommand):
    """A command whose help is in Italian."""


class Group(_Italian, TyperGroup):
    """A group of commands whose help and errors are in Italian."""

    def main(self, args: Sequence[str] | None = None, *_: Any, **extra: Any) -> Any:
        """Run the command. A wrong use ends it with a sentence in Italian and what to do next."""
        if not extra.pop("standalone_mode", True):
            return super().main(args, standalone_mode=False, **extra)
        try:
            sys.exit(super().main(args, standalone_mode=False, **extra) or 0)
        except TyperException as error:
            _refuse(error)
        except typer.Abort:
            print_note("Interrotto.")
            sys.exit(INTERRUPTED)


def _refuse(error: TyperException) -> NoReturn:
    message = error.format_message()
    ctx = getattr(error, "ctx", None)
    # Without a command Typer has printed the help already.
    lines = [f"Errore: {in_italian(message)}"] if message else []
    if ctx is not None and lines:
        lines += [ctx.get_usage(), f"Aiuto ed esempi: {ctx.command_path} --help"]
    for line in lines:
        print_note(line)
    sys.exit(error.exit_code)


class App(typer.Typer):
    """A Typer app of such commands."""

    def __init__(self, **given: Any) -> None:
        super().__init__(cls=Group, no_args_is_help=True, rich_markup_mode="markdown", **given)

    def command[**P, R](  # type: ignore[override]
        self, name: str | None = None, **given: Any
    ) -> Callable[[Callable[P, R]], Callable[P, R]]:
        """Register a command."""
        return super().command(name, cls=Command, **given)

    def __call__(self, *args: Any, **given: Any) -> Any:
        """Run the app. A defect of Postino is told as such, with what whoever mends it needs."""
        try:
            return typer.main.get_command(self)(*args, **given)
        except Exception:  # noqa: BLE001 - nothing may end in a mere traceback
            print_note(
                "Errore imprevisto: è un difetto di Postino. Nulla è andato perso: i comandi si possono "
                "ripetere. Manda queste righe a chi lo mantiene, dopo aver tolto i dati personali."
            )
            traceback.print_exc()
            sys.exit(UNEXPECTED)
