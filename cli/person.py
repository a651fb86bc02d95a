"""A person's fiscal code, from a file or typed where nobody sees it. Never on a command line."""

from pathlib import Path
from typing import Annotated

import typer

from cli.campaign_file.findings import reason_of
from cli.printing import INTERRUPTED, WRONG, fail, print_note
from contract.fiscal_code import mask_fiscal_codes, normalized
from report.italian import counted
from storage.person import Person

CodeFile = Annotated[
    Path | None, typer.Option(help="Il file che contiene il codice fiscale, da solo; senza, lo chiede.")
]
Omocodia = Annotated[
    bool,
    typer.Option("--omocodia", help="Anche sotto le altre forme omocodiche, se sono della stessa persona."),
]


def person_of(file: Path | None, *, with_all_forms: bool) -> Person:
    """Return the person whose code is in the file, or is typed. No code ends the command."""
    code = normalized(_read(file) if file else _asked())
    if code is None:
        fail(WRONG, "Non è un codice fiscale: sono 16 lettere e cifre, e nient'altro.")
    return Person.of(code, with_all_forms=with_all_forms)


def print_doubts(other_forms: int, unreadable: int) -> None:
    """Print how much may be the person's too: messages under other forms, bodies that no key opens."""
    if other_forms:
        forms = counted(other_forms, "messaggio", "messaggi")
        print_note(
            f"Sotto altre forme omocodiche di questo codice: {forms}. Di norma sono di un'altra persona; se "
            "sono della stessa, ripeti con --omocodia."
        )
    if unreadable:
        bodies = counted(unreadable, "messaggio parcheggiato", "messaggi parcheggiati")
        print_note(
            f"Nessuna chiave apre {bodies}: non si sa di chi siano. Si tolgono con `postino parked drop`."
        )


def _asked() -> str:
    try:
        answer: str = typer.prompt("Codice fiscale", hide_input=True, err=True)
    except typer.Abort:  # Ctrl-C, or nobody at a terminal
        fail(INTERRUPTED, "Interrotto: non è stato fatto niente. Il codice può stare in un file: --file.")
    return answer


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = reason_of(error) if isinstance(error, OSError) else "non è testo"
        fail(WRONG, f"{mask_fiscal_codes(str(file))} non si può leggere: {reason}.")
