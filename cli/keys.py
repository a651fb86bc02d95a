"""`postino keys`: changes the key that encrypts, and gives up a key that is lost for good."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Annotated, Any, Final

import typer

from cli.app import App
from cli.bulk_action import run_bulk_action
from cli.connection import Operator, ask, clock
from cli.printing import NOT_FOUND, WRONG, AsJson, fail, print_json, print_note, print_table
from cli.selection import Change, Execute
from report.italian import counted, joined, moment, number
from storage.key_rotation import Rotation
from storage.sealed_rows import NO_KEY, SEALED

FORGOTTEN: Final = "dimenticata"
PAGE: Final = 1000
APP_RUNS: Final = timedelta(minutes=15)
"""The age of the last run of a timer until which the app certainly runs: three times the usual interval."""
# docs/cost.md: a transaction of Table storage.
EUROS_PER_MILLION: Final = 0.033
PLACES: Final = ("prima", "seconda", "terza", "quarta", "quinta")
FIRST, NEEDED, FREE, LOST = "first", "needed", "free", "missing"
MEANINGS: Final = {
    FIRST: "cifra le righe nuove",
    NEEDED: "serve ancora",
    FREE: "non serve: si può togliere",
    LOST: "manca in ENCRYPTION_KEYS: va rimessa in fondo",
}

app = App(help="Le chiavi di cifratura.")
Name = Annotated[
    str, typer.Argument(metavar="NOME", help="Il nome della chiave che manca, come lo dice `postino doctor`.")
]


@app.command()
def rotate(execute: Execute = False, as_json: AsJson = False) -> None:
    """Fa ricifrare ogni riga con la prima chiave di ENCRYPTION_KEYS: poi le altre si possono togliere.

    Prima la chiave nuova va messa in testa a ENCRYPTION_KEYS, senza togliere le altre, e l'app riavviata.
    Lavora l'app, in sottofondo, mentre i messaggi partono; `postino keys status` dice a che punto è.
    Ripetere il comando non fa danni.

    Per esempio: postino keys rotate --execute
    """

    async def work(stores: Operator) -> dict[str, Any]:
        target, noted = stores.sealed_rows.names[0], await stores.key_checks.noted()
        _check(target, noted, await stores.key_checks.missing())
        # A host that stopped too late may have written with an old key after the end of a rotation.
        if [*noted] == [target] and not _is_any_needed((await _state(stores))["keys"]):
            fail(NOT_FOUND, f"Niente da fare: solo la chiave {target} ha cifrato qualcosa.")
        if execute:
            await stores.audit.record("rotate_keys", target)
            await stores.key_rotation.begin(target)
        return {"action": "rotate_keys", "executed": execute, **await _state(stores)}

    document = ask(work)
    if as_json:
        print_json(document)
        return
    _print_for_people(document)
    if not execute:
        print_note("Prova, nessuna modifica. Ripeti con --execute per farlo davvero.")


@app.command()
def status(as_json: AsJson = False) -> None:
    """Dice quante righe apre una chiave, a che punto è la rotazione, quanto costa, che cosa si può togliere.

    Legge tutte le righe cifrate: una transazione ogni mille. Le chiavi hanno un nome, che non le rivela.

    Per esempio: postino keys status
    """
    document = ask(_state)
    if as_json:
        print_json(document)
    else:
        _print_for_people(document)


@app.command()
def forget(name: Name, execute: Execute = False, as_json: AsJson = False) -> None:
    """Rinuncia a una chiave persa: l'app riparte, e ciò che solo quella chiave apre non si leggerà mai più.

    Se la chiave esiste ancora va rimessa in fondo a ENCRYPTION_KEYS, e questo comando non serve.

    Per esempio: postino keys forget 4f1c8a02 --execute
    """

    async def find(stores: Operator) -> dict[str, bool]:
        missing = await stores.key_checks.missing()
        if name not in missing:
            return {}
        index_key_is_lost = missing == [name] and not stores.index_key.is_read
        await _refuse_while_the_app_runs(stores)
        await _tell_what_is_lost(stores, index_key_is_lost=index_key_is_lost)
        return {name: index_key_is_lost}

    async def act(stores: Operator, index_key_is_lost: bool) -> str:
        if index_key_is_lost:  # only this key opens it, so that the app must make another
            # By another key nobody would be found in the register, and everybody count as not subscribed.
            await stores.subscriptions.begin_again()
            await stores.index_key.forget()
        await stores.key_checks.forget(name)
        return FORGOTTEN

    run_bulk_action("forget_key", find, act, Change(execute=execute, as_json=as_json))


async def _refuse_while_the_app_runs(stores: Operator) -> None:
    """End the command if a timer has run of late: a host that lacks a key runs none."""
    ended = await stores.due_index.last_lease_end()
    if ended and clock() - ended < APP_RUNS:
        fail(
            WRONG,
            f"L'app gira (ultimo giro: {moment(ended)}), quindi ha questa chiave: manca solo qui. "
            "Prendi le chiavi dell'app. Se l'app è stata appena fermata, ripeti tra un quarto d'ora.",
        )


async def _tell_what_is_lost(stores: Operator, *, index_key_is_lost: bool) -> None:
    print_note(
        f"Righe che nessuna chiave di ENCRYPTION_KEYS apre: {number(_unreadable(await _counts(stores)))}. "
        "Se rinunci, nessuno le leggerà più."
    )
    if index_key_is_lost:
        print_note(
            "Si perde anche la chiave degli indici: le persone e gli avvisi di prima non si trovano più, "
            "nemmeno con `postino erase`."
        )


def keys_missing(names: Sequence[str]) -> str:
    """Return the sentence for keys that the app has used and this ring lacks."""
    lack, back = ("manca la chiave", "rimettila") if len(names) == 1 else ("mancano le chiavi", "rimettile")
    return f"In ENCRYPTION_KEYS {lack} {joined(names)}, con cui l'app ha cifrato: {back} in fondo."


def _check(target: str, noted: Sequence[str], missing: Sequence[str]) -> None:
    if missing:
        fail(WRONG, keys_missing(missing))
    if target not in noted:
        fail(
            WRONG,
            f"L'app non ha ancora cifrato con la chiave {target}: mettila in testa a ENCRYPTION_KEYS "
            "dell'app, riavviala, aspetta un minuto e ripeti.",
        )


async def _counts(stores: Operator) -> dict[str, Counter[str]]:
    """Return how many rows of each table each key opens."""
    return {table.name: await stores.sealed_rows.count(table) for table in SEALED}


def _unreadable(counts: Mapping[str, Counter[str]]) -> int:
    return sum(count[NO_KEY] for count in counts.values())


async def _state(stores: Operator) -> dict[str, Any]:
    counts = await _counts(stores)
    noted, names = await stores.key_checks.noted(), stores.sealed_rows.names
    rotation = await stores.key_rotation.current()
    known = [*names, *(name for name in noted if name not in names)]
    keys = [_key(name, names, noted, counts) for name in known]
    return {
        "keys": keys,
        "unreadable": _unreadable(counts),
        "rotation": _facts(rotation) if rotation else None,
        "to_come": _to_come(keys, counts, rotation),
    }


def _key(
    name: str, names: Sequence[str], noted: Sequence[str], counts: Mapping[str, Counter[str]]
) -> dict[str, Any]:
    rows = {table: count[name] for table, count in counts.items() if count[name]}
    state = LOST if name not in names else FIRST if name == names[0] else NEEDED
    if state == NEEDED and not rows and name not in noted:
        state = FREE
    place = names.index(name) + 1 if name in names else None
    return {"name": name, "place": place, "state": state, "total": sum(rows.values()), "rows": rows}


def _facts(rotation: Rotation) -> dict[str, Any]:
    names = ("target", "began_at", "passes", "table", "partition", "not_before", "resealed", "transactions")
    facts = {name: getattr(rotation, name) for name in (*names, "ended_at")}
    return facts | {"euros": _euros(rotation.transactions)}


def _to_come(
    keys: Sequence[Mapping[str, Any]], counts: Mapping[str, Counter[str]], rotation: Rotation | None
) -> dict[str, Any]:
    """Estimate what is to be done: a write for each row of another key, and two passes over all rows."""
    rows = sum(key["total"] for key in keys if key["state"] == NEEDED)
    if not _is_any_needed(keys):
        return {"rows": 0, "transactions": 0, "euros": 0.0}
    left = 1 if rotation and rotation.is_clean else 2
    pages = sum(-(-count.total() // PAGE) + 2 for count in counts.values())
    transactions = rows + left * pages
    return {"rows": rows, "transactions": transactions, "euros": _euros(transactions)}


def _is_any_needed(keys: Sequence[Mapping[str, Any]]) -> bool:
    return any(key["state"] == NEEDED for key in keys)


def _euros(transactions: int) -> float:
    return round(transactions * EUROS_PER_MILLION / 1_000_000, 4)


def _print_for_people(document: Mapping[str, Any]) -> None:
    rows = [
        (key["name"], _place(key["place"]), number(key["total"]), _where(key["rows"]), MEANINGS[key["state"]])
        for key in document["keys"]
    ]
    print_table(("chiave", "posto", "righe", "dove", "a che serve"), rows)
    if document["unreadable"]:
        print_note(f"Righe che nessuna chiave apre: {number(document['unreadable'])}.")
    if rotation := document["rotation"]:
        print_note(_told(rotation))
    to_come = document["to_come"]
    if to_come["transactions"]:
        rows_left = counted(to_come["rows"], "riga", "righe")
        print_note(f"Da ricifrare: {rows_left}, {_cost(to_come)}.")


def _told(rotation: Mapping[str, Any]) -> str:
    done = f"ricifrate {counted(rotation['resealed'], 'riga', 'righe')}, {_cost(rotation)}"
    towards = f"Rotazione verso {rotation['target']}, cominciata il {moment(rotation['began_at'])}"
    if rotation["ended_at"]:
        return f"{towards}, finita il {moment(rotation['ended_at'])}: {done}."
    where = f", tabella {rotation['table']}" if rotation["table"] else ""
    return (
        f"{towards}: passaggio {rotation['passes']}{where}, {done}. Questo passaggio non comincia prima del "
        f"{moment(rotation['not_before'])}."
    )


def _cost(facts: Mapping[str, Any]) -> str:
    transactions = counted(facts["transactions"], "transazione", "transazioni")
    return f"circa {transactions} ({number(float(facts['euros']))} €)"


def _place(place: int | None) -> str:
    return "" if place is None else PLACES[place - 1] if place <= len(PLACES) else f"{place}ª"


def _where(rows: Mapping[str, int]) -> str:
    return ", ".join(f"{table} {number(count)}" for table, count in rows.items())
