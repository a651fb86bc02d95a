"""`postino keys`: gives up a key of ENCRYPTION_KEYS that is lost for good."""

from typing import Annotated, Final

import typer

from cli.app import App
from cli.bulk_action import run_bulk_action
from cli.connection import Operator
from cli.printing import AsJson
from cli.selection import Change, Execute

FORGOTTEN: Final = "dimenticata"

app = App(help="Le chiavi di cifratura.")
Name = Annotated[
    str, typer.Argument(metavar="NOME", help="Il nome della chiave che manca, come lo dice `postino doctor`.")
]


@app.command()
def forget(name: Name, execute: Execute = False, as_json: AsJson = False) -> None:
    """Rinuncia a una chiave persa: l'app riparte, e ciò che solo quella chiave apre non si leggerà mai più.

    Se la chiave esiste ancora va rimessa in fondo a ENCRYPTION_KEYS, e questo comando non serve.

    Per esempio: postino keys forget 4f1c8a02 --execute
    """

    async def find(stores: Operator) -> dict[str, str]:
        return {missing: missing for missing in await stores.key_checks.missing() if missing == name}

    async def act(stores: Operator, missing: str) -> str:
        await stores.key_checks.forget(missing)
        return FORGOTTEN

    run_bulk_action("forget_key", find, act, Change(execute=execute, as_json=as_json))
