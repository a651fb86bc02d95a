"""The pages that say why there is nothing to see."""

from datetime import datetime
from typing import Final
from urllib.parse import urlencode

from report import html
from report.italian import moment
from show_status.frame import BACK, PATH, page, search

_SIGN_IN: Final = f"/.auth/login/aad?{urlencode({'post_login_redirect_uri': PATH})}"
_REFUSED: Final = {
    401: (
        "Bisogna entrare",
        f'<p>Questa pagina è per gli operatori. <a href="{_SIGN_IN}">Entra</a></p>',
    ),
    403: (
        "Manca il ruolo",
        "<p>Hai fatto l'accesso, ma senza il ruolo che serve per questa pagina: lo assegna chi amministra "
        "Entra ID, fra gli utenti dell'applicazione.</p>",
    ),
    503: (
        "L'accesso non è configurato",
        "<p>La pagina è accesa e l'autenticazione di App Service no, quindi non si mostra niente a nessuno. "
        "Chi amministra l'app rifaccia il deployment con <code>signInClientId</code>, o tolga "
        "<code>STATUS_PAGE_ROLE</code>.</p>",
    ),
}
_FIELDS: Final = {
    "campaign": "Il nome della campagna",
    "service": "Il nome del servizio",
    "request_id": "Il request_id",
}


def refused(status: int) -> str:
    """Return the page for a call that may see nothing, by the status of the refusal."""
    return page(*_REFUSED[status], "")


def no_such_request() -> str:
    """Return the page for a request_id that nothing knows."""
    text = "<p>Nessuna richiesta ha questo request_id: controlla maiuscole e minuscole, o se è in coda.</p>"
    return page("Richiesta non trovata", text + BACK, _search())


def erased(at: datetime) -> str:
    """Return the page for a request whose data were erased then."""
    text = (
        f"<p>I dati sono stati cancellati il {moment(at)}. Resta solo il request_id, che non parte più.</p>"
    )
    return page("Richiesta cancellata", text + BACK, _search())


def not_understood(field: str) -> str:
    """Return the page for a field that breaks its rule. The value is not repeated: it may be personal."""
    text = (
        f"<p>{_FIELDS[field]} non è scritto come dev'essere: al più 128 caratteri tra A-Z a-z 0-9 . _ : - "
        "e nessun codice fiscale.</p>"
    )
    return page("Non si capisce che cosa cercare", text + BACK, _search())


def no_storage(http_status: int | None) -> str:
    """Return the page for a storage account that refuses (with this HTTP status) or does not answer."""
    why = (
        "Lo storage account non risponde: i messaggi aspettano sulle code."
        if http_status is None
        else f"Lo storage account rifiuta l'accesso (HTTP {http_status}): controlla i ruoli dell'app."
    )
    return page("I numeri non si leggono", f"<p>{why} <code>postino doctor</code> dice di più.</p>{BACK}", "")


def _search() -> str:
    return html.section("cerca", "Cerca una richiesta", search(), wide=True)
