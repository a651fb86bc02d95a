"""`postino audit`: what operators did, and whether the rows that say so are as they were written."""

from typing import Annotated, Any, Final

import typer

from cli.app import App
from cli.connection import Operator, ask
from cli.printing import ATTENTION, AsJson, fail, print_json, print_table
from cli.selection import Period, grouped
from report.italian import counted, number
from report.meanings import ACTIONS, CHAIN, named
from storage.audit import Link, Verified

app = App(help="Che cosa hanno fatto gli operatori: chi, quando, su che cosa.")

COLUMNS: Final = {
    "number": "riga",
    "at": "quando",
    "actor": "chi",
    "action": "che cosa",
    "target": "su che cosa",
    "details": "altro",
}
INSIDE: Final = ("digest", "mark")


def _link(text: str) -> Link:
    number, _, digest = text.partition(":")
    if not number.isdecimal() or len(digest) != 64:
        raise typer.BadParameter("si scrive come `audit verify` la dice: numero, due punti, impronta.")
    return Link(int(number), digest)


Noted = Annotated[
    Link | None,
    typer.Option(
        parser=_link, metavar="RIGA:IMPRONTA", help="Una riga annotata altrove, come questo comando la dice."
    ),
]


@app.command("list")
@grouped
def list_(period: Period, as_json: AsJson = False) -> None:
    """Elenca le azioni degli operatori, dalla meno recente. Ognuna è scritta prima di essere fatta.

    DATA è GG/MM/AAAA o "GG/MM/AAAA hh:mm", nell'ora italiana, oppure un istante come 2026-11-24T09:00:00Z.

    Per esempio: postino audit list --since 24/11/2026
    """

    async def find(stores: Operator) -> list[dict[str, Any]]:
        return [row async for row in stores.audit.rows() if period.admit(row["at"])]

    rows = ask(find)
    if as_json:
        print_json(rows)
    elif rows:
        print_table(COLUMNS.values(), map(_shown, rows))
    else:
        typer.echo("Nessuna azione.")


@app.command()
def verify(noted: Noted = None, as_json: AsJson = False) -> None:
    """Controlla che nessuna azione sia stata cambiata, tolta o aggiunta dopo.

    Chi può scrivere nella tabella potrebbe rifare tutta la catena: annota fuori da qui, ogni tanto, l'ultima
    impronta, e controllala con --noted.

    Per esempio: postino audit verify
    """
    found = ask(lambda stores: stores.audit.verify(noted))
    if as_json:
        print_json(_facts(found))
    if found.reason:
        fail(ATTENTION, _broken(found))
    if not as_json:
        rows = counted(found.rows, "azione", "azioni")
        typer.echo(f"Il registro delle azioni è integro: {rows}, dalla riga {number(found.first)}.")
        typer.echo(f"Ultima riga da annotare altrove: {found.last.number}:{found.last.digest}")


def _shown(row: dict[str, Any]) -> list[object]:
    others = {name: value for name, value in row.items() if name not in (*COLUMNS, *INSIDE)}
    details = " ".join(f"{name}={value}" for name, value in others.items())
    words = {"action": named(ACTIONS, row["action"]), "details": details}
    return [(row | words)[name] for name in COLUMNS]


def _broken(found: Verified) -> str:
    meaning = CHAIN[str(found.reason)]
    where = "" if found.broken is None else f"La riga {number(found.broken)} "
    return f"Il registro delle azioni non è integro. {where}{meaning} ({found.reason})."


def _facts(found: Verified) -> dict[str, Any]:
    return {
        "intact": found.reason is None,
        "rows": found.rows,
        "first": found.first,
        "last": {"number": found.last.number, "digest": found.last.digest},
        "reason": found.reason,
        "broken": found.broken,
    }
