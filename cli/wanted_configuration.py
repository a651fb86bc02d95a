"""What an operator wants a configuration at IO to be: options, completed from this app's own settings."""

import re
import sys
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

import typer
from pydantic import SecretStr

from cli.campaign_file.findings import reason_of
from cli.printing import WRONG, fail
from contract.fiscal_code import FISCAL_CODE_PATTERN, contains_fiscal_code
from io_api.configurations import Authentication, Environment, NewConfiguration, TestEnvironment
from io_api.models import HasPrecondition
from settings import LOOPBACK, Settings, SettingsError

ROUTES: Final = "/api"
BASE_URL_RULE: Final = (
    "dev'essere l'indirizzo dell'app fino a /api, con https e senza altro: "
    "per esempio https://NOME.azurewebsites.net/api"
)
FROM_INPUT: Final = "-"


class Place(StrEnum):
    """The two environments of a configuration, as options name them."""

    PROD = "prod"
    TEST = "test"


Name = Annotated[str | None, typer.Option(help="Nome della configurazione su IO.")]
Description = Annotated[str | None, typer.Option(help="Descrizione della configurazione su IO.")]
Precondition = Annotated[
    HasPrecondition | None,
    typer.Option(help="Per i messaggi che non lo dicono; quelli di Postino lo dicono sempre."),
]
BaseUrl = Annotated[
    str | None, typer.Option(metavar="URL", help="Questa app, per tutti: https://NOME.azurewebsites.net/api")
]
TestBaseUrl = Annotated[
    str | None, typer.Option(metavar="URL", help="L'app che IO chiama per i soli cittadini di prova.")
]
TestUsers = Annotated[
    str | None,
    typer.Option(
        metavar="FILE",
        help="I cittadini di prova: un file con un codice fiscale per riga, o - per scriverli qui.",
    ),
]
KeepKey = Annotated[
    list[Place] | None, typer.Option(help="L'ambiente la cui chiave resta quella che IO ha già.")
]


@dataclass(frozen=True)
class Wanted:
    """The options of a configuration. None: as it is at IO, or the default."""

    name: Name = None
    description: Description = None
    precondition: Precondition = None
    base_url: BaseUrl = None
    test_base_url: TestBaseUrl = None
    test_users: TestUsers = None

    def check(self) -> None:
        """End the command if an option breaks a rule. No message repeats a value."""
        for option, url in (("--base-url", self.base_url), ("--test-base-url", self.test_base_url)):
            if url is not None and not _is_base_url(url):
                fail(WRONG, f"{option} {BASE_URL_RULE}.")
        for option, text in (("--name", self.name), ("--description", self.description)):
            if text is not None and (not text.strip() or contains_fiscal_code(text)):
                fail(WRONG, f"{option} non può essere vuoto, né contenere un codice fiscale.")


def new_configuration(wanted: Wanted, configured: Settings) -> NewConfiguration:
    """Return a new configuration. Raises SettingsError if the key is missing."""
    if not (wanted.name and wanted.description):
        fail(WRONG, "Servono --name e --description: IO li vuole.")
    if not (wanted.base_url or wanted.test_base_url):
        fail(WRONG, "Serve --base-url, o --test-base-url per i soli cittadini di prova.")
    empty = NewConfiguration(name=wanted.name, description=wanted.description, has_precondition="NEVER")
    return updated(empty, wanted, configured, keep_key=())


def updated(
    current: NewConfiguration, wanted: Wanted, configured: Settings, keep_key: tuple[Place, ...]
) -> NewConfiguration:
    """Return what a configuration becomes: the options, our header and key, and all else as it is.

    `keep_key`: the environments that keep their header and key. Raises SettingsError.
    """
    prod, test = current.prod_environment, current.test_environment
    users = test_users(wanted.test_users)
    if wanted.base_url or (prod and Place.PROD not in keep_key):
        prod = Environment(**_environment(wanted.base_url, prod, Place.PROD in keep_key, configured))
    if wanted.test_base_url or test:
        reached = _environment(wanted.test_base_url, test, Place.TEST in keep_key, configured)
        known = test.test_users if test else ()
        test = TestEnvironment(**reached, test_users=known if users is None else users)
    elif users is not None:
        fail(WRONG, "I cittadini di prova vanno con --test-base-url.")
    given = {
        "name": wanted.name,
        "description": wanted.description,
        "has_precondition": wanted.precondition and str(wanted.precondition),
    }
    changes = {name: value for name, value in given.items() if value is not None}
    return current.model_copy(update={**changes, "prod_environment": prod, "test_environment": test})


def test_users(source: str | None) -> tuple[str, ...] | None:
    """Return the fiscal codes of a file, or of standard input for "-"; None without a source."""
    if source is None:
        return None
    if source == FROM_INPUT:
        if sys.stdin.isatty():
            typer.echo("Un codice fiscale per riga; Ctrl-D per finire.", err=True)
        text = sys.stdin.read()
    else:
        text = read_text(source, "--test-users")
    lines = [(number, line.strip().upper()) for number, line in enumerate(text.splitlines(), start=1)]
    users = {number: code for number, code in lines if code}
    wrong = [number for number, code in users.items() if not _is_fiscal_code(code)]
    if wrong:
        fail(WRONG, f"--test-users: la riga {wrong[0]} non è un codice fiscale.")
    return tuple(dict.fromkeys(users.values()))


def read_text(path: str, option: str) -> str:
    """Return the text of a file in UTF-8, or end the command."""
    try:
        return Path(path).read_text(encoding="utf-8-sig")
    except OSError as error:
        fail(WRONG, f"{option}: {path} non si legge: {reason_of(error)}.")
    except UnicodeDecodeError:
        fail(WRONG, f"{option}: {path} non è un testo in UTF-8: salvalo come UTF-8.")


def _environment(
    base_url: str | None, current: Environment | None, keep_key: bool, configured: Settings
) -> dict[str, Any]:
    if keep_key and current is None:
        fail(WRONG, "--keep-key: IO non ha ancora una chiave per un ambiente nuovo.")
    kept = current.details_authentication if current and keep_key else _authentication(configured)
    return {"base_url": base_url or (current and current.base_url), "details_authentication": kept}


def _authentication(configured: Settings) -> Authentication:
    return Authentication(header_key_name=configured.remote_content_api_key_header, key=_own_key(configured))


def _own_key(configured: Settings) -> SecretStr:
    if configured.remote_content_api_key is None:
        raise SettingsError("REMOTE_CONTENT_API_KEY: manca; IO la deve inviare, e l'app la deve conoscere")
    return configured.remote_content_api_key


def _is_base_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        return False
    is_secure = parts.scheme == "https" or (parts.scheme == "http" and host in LOOPBACK)
    is_plain = not (parts.query or parts.fragment or parts.username or parts.password)
    return bool(host) and is_secure and is_plain and parts.path.endswith(ROUTES)


def _is_fiscal_code(text: str) -> bool:
    return re.fullmatch(FISCAL_CODE_PATTERN, text) is not None
