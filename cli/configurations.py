"""`postino remote-content list | show | create | update`: the configurations of remote contents at IO."""

from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from datetime import timedelta
from typing import Annotated, Any, Final, NoReturn

import typer

from cli.connection import Operator, ask
from cli.printing import (
    NOT_FOUND,
    WRONG,
    AsJson,
    checked,
    fail,
    print_facts,
    print_json,
    print_note,
    print_table,
)
from cli.selection import Execute, grouped
from cli.wanted_configuration import KeepKey, Wanted, new_configuration, updated
from contract.fiscal_code import mask_hidden_fiscal_codes
from io_api.client import IoClient
from io_api.configurations import Configuration, Configurations, Environment, NewConfiguration
from io_api.errors import InDoubt, IoError, NotSent, RateLimited
from report.italian import duration
from report.meanings import named
from settings import ConfigurationId, Settings, SettingsError

COLUMNS: Final = {
    "configuration_id": "configuration_id",
    "name": "nome",
    "services": "servizi",
    "prod_environment.base_url": "indirizzo",
    "prod_environment.key": "chiave",
    "test_environment.base_url": "indirizzo di prova",
    "test_environment.key": "chiave di prova",
}
LABELS: Final = {
    "name": "nome",
    "description": "descrizione",
    "has_precondition": "precondizione",
    "is_lollipop_enabled": "LolliPoP",
    "disable_lollipop_for": "cittadini senza LolliPoP",
    "prod_environment.base_url": "indirizzo",
    "prod_environment.header_key_name": "intestazione",
    "prod_environment.key": "chiave",
    "test_environment.base_url": "indirizzo di prova",
    "test_environment.header_key_name": "intestazione di prova",
    "test_environment.key": "chiave di prova",
    "test_environment.test_users": "cittadini di prova",
}
PRECONDITIONS: Final = {
    "ALWAYS": "a ogni apertura",
    "ONCE": "alla prima apertura",
    "NEVER": "nessuna",
}
UNKNOWN_KEY: Final = "other"
ADVICE: Final[Mapping[str, str]] = {
    "invalid_key": "IO non riconosce IO_MANAGE_API_KEY: dev'essere la chiave di gestione (MANAGE), che si "
    "prende nel back office di IO, e la sua sottoscrizione dev'essere attiva.",
    "configurations_not_allowed": "IO_MANAGE_API_KEY non può gestire questa configurazione: dev'essere una "
    "chiave di gestione (MANAGE), non quella di un servizio; l'account dev'essere nel gruppo "
    "ApiRemoteContentConfigurationWrite (si chiede all'assistenza di IO); la configurazione dev'essere sua.",
    "configuration_not_found": "IO non ha questa configurazione: cercala con `postino remote-content list`.",
    "invalid_configuration": "IO non accetta la configurazione così com'è.",
    "wrong_base_url": "A questo indirizzo non c'è l'API di IO: correggi IO_API_BASE_URL, che di solito è "
    "https://api.io.pagopa.it/api/v1.",
}
IN_DOUBT: Final = (
    "Non si sa se IO l'ha creata, perché la risposta non è arrivata o non si legge. Prima di ripetere guarda "
    "`postino remote-content list`: due configurazioni uguali non si tolgono."
)


RULE: Final = "è l'id di IO: 26 lettere e cifre"
ConfigurationIdArgument = Annotated[
    str,
    typer.Argument(
        metavar="CONFIGURATION_ID", callback=checked(ConfigurationId, RULE), help="L'id che IO le ha dato."
    ),
]


def list_(as_json: AsJson = False) -> None:
    """Elenca le configurazioni che l'ente ha su IO, e quali servizi le usano.

    Per esempio: postino remote-content list
    """

    async def work(stores: Operator) -> tuple[list[dict[str, Any]], list[str]]:
        async with _at_io(stores.configured) as configurations:
            found = await configurations.all()
        listed = {one.configuration_id for one in found}
        strangers = [
            f"Il servizio {service} usa {configuration_id}, che IO non elenca."
            for service, configuration_id in stores.configured.configuration_ids.items()
            if configuration_id not in listed
        ]
        return [facts(one, stores.configured) for one in found], strangers

    found, strangers = ask(work)
    if as_json:
        print_json(found)
    elif found:
        print_table(COLUMNS.values(), ([_flat(one)[name] for name in COLUMNS] for one in found))
    else:
        typer.echo("Nessuna configurazione: `postino remote-content create` ne fa una.")
    for line in strangers:
        print_note(line)


def show(configuration_id: ConfigurationIdArgument, as_json: AsJson = False) -> None:
    """Mostra una configurazione, mai la chiave né i codici fiscali.

    Per esempio: postino remote-content show 01J5Q8ZC4V7R2M9T6W1X3Y5B7D
    """

    async def work(stores: Operator) -> dict[str, Any]:
        async with _at_io(stores.configured) as configurations:
            return facts(await configurations.get(configuration_id), stores.configured)

    found = ask(work)
    if as_json:
        print_json(found)
        return
    typer.echo(f"{configuration_id}  {', '.join(found['services'])}".rstrip() + "\n")
    print_facts(LABELS, _flat(found))


@grouped
def create(wanted: Wanted, execute: Execute = False, as_json: AsJson = False) -> None:
    """Crea su IO la configurazione con cui IO chiama questa app, con la chiave REMOTE_CONTENT_API_KEY.

    Per esempio: postino remote-content create --name Atti --description 'Gli atti del Comune' --base-url
    https://postino-comune.azurewebsites.net/api --execute
    """
    wanted.check()

    async def work(stores: Operator) -> dict[str, Any]:
        new = new_configuration(wanted, stores.configured)
        created = None
        if execute:
            await stores.audit.record("create_configuration", _masked(new.name))
            async with _at_io(stores.configured) as configurations:
                created = await configurations.create(new)
        return {
            "action": "create",
            "executed": execute,
            "configuration_id": created and created.configuration_id,
            "before": None,
            "after": facts(created or new, stores.configured),
        }

    document = ask(work)
    _print_change(document, as_json=as_json)
    if execute:
        print_note(
            f"Creata. Ora nelle impostazioni: REMOTE_CONTENT_CONFIGURATION_ID={document['configuration_id']} "
            "per il servizio di IO_API_KEY, oppure configuration_id del servizio in IO_SERVICES."
        )


@grouped
def update(
    configuration_id: ConfigurationIdArgument,
    wanted: Wanted,
    keep_key: KeepKey = None,
    execute: Execute = False,
    as_json: AsJson = False,
) -> None:
    """Cambia una configurazione: ciò che non si dice resta com'è, la chiave diventa REMOTE_CONTENT_API_KEY.

    È anche la rotazione della chiave. IO tiene le configurazioni in memoria per 8 ore, ma questo comando
    le rinnova subito. Ripeterlo non fa danno.

    Per esempio: postino remote-content update 01J5Q8ZC4V7R2M9T6W1X3Y5B7D --execute
    """
    wanted.check()

    async def work(stores: Operator) -> dict[str, Any]:
        async with _at_io(stores.configured) as configurations:
            before = await configurations.get(configuration_id)
            new = updated(before, wanted, stores.configured, tuple(keep_key or ()))
            if execute:
                await stores.audit.record("update_configuration", configuration_id)
                await configurations.update(configuration_id, new)
        return {
            "action": "update",
            "executed": execute,
            "configuration_id": configuration_id,
            "before": facts(before, stores.configured),
            "after": facts(new, stores.configured),
        }

    document = ask(work)
    _print_change(document, as_json=as_json)
    if execute:
        print_note("Fatto: IO usa già la configurazione nuova.")


def facts(configuration: NewConfiguration, configured: Settings) -> dict[str, Any]:
    """Return a configuration for people and scripts: names of keys, numbers of citizens."""
    configuration_id = configuration.configuration_id if isinstance(configuration, Configuration) else None
    test = configuration.test_environment
    users = {"test_users": len(test.test_users)} if test else {}
    return {
        "configuration_id": configuration_id,
        "services": [
            service for service, used in configured.configuration_ids.items() if used == configuration_id
        ],
        "name": _masked(configuration.name),
        "description": _masked(configuration.description),
        "has_precondition": configuration.has_precondition,
        "is_lollipop_enabled": configuration.is_lollipop_enabled,
        "disable_lollipop_for": len(configuration.disable_lollipop_for),
        "prod_environment": _environment(configuration.prod_environment, configured),
        "test_environment": test and {**(_environment(test, configured) or {}), **users},
    }


def _environment(environment: Environment | None, configured: Settings) -> dict[str, Any] | None:
    if environment is None:
        return None
    authentication = environment.details_authentication
    keys = {
        "REMOTE_CONTENT_API_KEY": configured.remote_content_api_key,
        "REMOTE_CONTENT_API_SECONDARY_KEY": configured.remote_content_api_secondary_key,
    }
    named = [name for name, key in keys.items() if key == authentication.key]
    return {
        "base_url": _masked(environment.base_url),
        "header_key_name": _masked(authentication.header_key_name),
        "key": named[0] if named else UNKNOWN_KEY,
    }


def _masked(text: str) -> str:
    return mask_hidden_fiscal_codes(text)


def _flat(found: dict[str, Any]) -> dict[str, Any]:
    """Return the facts with dotted names, as people read them."""
    flat: dict[str, Any] = dict.fromkeys([*COLUMNS, *LABELS])
    for name, value in found.items():
        flat |= {f"{name}.{part}": one for part, one in value.items()} if isinstance(value, dict) else {}
        flat |= {name: value}
    flat["services"] = ", ".join(found["services"])
    flat["has_precondition"] = named(PRECONDITIONS, found["has_precondition"])
    for count in ("disable_lollipop_for", "test_environment.test_users"):
        flat[count] = flat[count] or None
    for name in ("prod_environment.key", "test_environment.key"):
        flat[name] = "un'altra, che questa app non accetta" if flat[name] == UNKNOWN_KEY else flat[name]
    return flat


def _print_change(document: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(document)
        return
    after = _flat(document["after"])
    if document["before"] is None:
        print_facts(LABELS, after)
    else:
        before = _flat(document["before"])
        rows = [
            (label, before[name], after[name], "cambia" if before[name] != after[name] else "")
            for name, label in LABELS.items()
            if (before[name], after[name]) != (None, None)
        ]
        print_table(("", "su IO", "diventa", ""), rows)
    if not document["executed"]:
        print_note("Prova, nessuna modifica. Ripeti con --execute per farlo davvero.")


@asynccontextmanager
async def _at_io(configured: Settings) -> AsyncIterator[Configurations]:
    """Return the configurations at IO. An error of IO ends the command, with the remedy."""
    if configured.io_manage_api_key is None:
        raise SettingsError(
            "IO_MANAGE_API_KEY: manca; è la chiave di gestione (MANAGE) dell'ente, nel back office di IO"
        )
    async with aclosing(IoClient(str(configured.io_api_base_url))) as client:
        try:
            yield Configurations(client, configured.io_manage_api_key)
        except IoError as error:
            _fail(error)


def _fail(error: IoError) -> NoReturn:
    said = f"({error.reason}, HTTP {error.status})" if error.status else f"({error.reason})"
    if error.reason in ADVICE:
        found = error.reason != "configuration_not_found"
        fail(
            WRONG if found else NOT_FOUND,
            f"{ADVICE[error.reason]} {said}",
            *([f"IO dice: «{error.title}»."] if error.title else []),
        )
    if isinstance(error, InDoubt):
        fail(WRONG, f"{IN_DOUBT} {said}")
    if isinstance(error, RateLimited):
        fail(
            WRONG,
            f"IO chiede di aspettare: riprova fra {duration(timedelta(seconds=error.retry_after))}. "
            f"Nulla è cambiato. {said}",
        )
    if isinstance(error, NotSent):
        fail(WRONG, f"IO non è raggiungibile: controlla la rete e IO_API_BASE_URL. Nulla è cambiato. {said}")
    fail(WRONG, f"IO non ha dato una risposta utilizzabile: ripeti il comando, che non fa danno. {said}")
