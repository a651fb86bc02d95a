"""The frame of every page: style, security policy, search form. No script, no connection."""

import base64
import hashlib
from collections.abc import Mapping
from html import escape
from typing import Final

from report import html

PATH: Final = "/api/status"
BACK: Final = f'<p><a href="{PATH}">Torna allo stato dei messaggi</a></p>'
STYLE: Final = (
    html.STYLE
    + """
dl { margin: 0; }
dt { color: var(--soft); }
dd { margin: 0; font-weight: 600; }
.brief, .facts { display: grid; gap: 1rem;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 20rem), 1fr)); }
.brief dd { font-size: 1.25rem; line-height: 1.3; }
.facts { grid-template-columns: repeat(auto-fit, minmax(min(100%, 15rem), 1fr)); }
form { display: flex; flex-wrap: wrap; gap: .75rem; align-items: end; }
form + form { margin-top: 1.25rem; }
form > div { flex: 1 1 14rem; min-width: 0; }
label { display: block; margin-bottom: .25rem; }
input, select, button { font: inherit; width: 100%; min-height: 2.75rem; padding: .4rem .75rem;
  border: 1px solid var(--soft); border-radius: .35rem; background: var(--ground); color: var(--text); }
button { width: auto; background: var(--ink); color: var(--ground); border-color: var(--ink);
  cursor: pointer; }
input:focus-visible, select:focus-visible, button:focus-visible { outline: 3px solid var(--focus);
  outline-offset: 2px; }
.steps { margin: 0; padding-left: 1.5rem; }
.steps li { margin-bottom: .75rem; }
.hint { flex-basis: 100%; margin: 0; }
"""
)
_HASH: Final = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
POLICY: Final = (
    f"default-src 'none'; style-src 'sha256-{_HASH}'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
"""The Content-Security-Policy of every page: only this style, and forms that come back here."""

# The browser itself refuses a fiscal code, so none gets into an address, a history or a log.
_FISCAL_CODE: Final = "[A-Za-z]{6}[0-9]{2}[A-Za-z][0-9]{2}[A-Za-z][0-9]{3}[A-Za-z]"
_ID_PATTERN: Final = f"(?!.*{_FISCAL_CODE})[A-Za-z0-9._:\\-]{{1,128}}"


def page(title: str, header: str, main: str, footer: str = "") -> str:
    """Return a page with this title, and these parts in HTML."""
    return html.page(
        f"{title} - Postino",
        style=STYLE,
        header=f"<h1>{escape(title)}</h1>\n{header}",
        main=main,
        footer=footer,
    )


def described(told: Mapping[str, str], kind: str) -> str:
    """Return a list of names with their values. `kind`: its class, `brief` or `facts`."""
    pairs = (f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in told.items())
    return f'<dl class="{kind}">{"".join(pairs)}</dl>'


def search() -> str:
    """Return the form that looks up a request."""
    return (
        '<form role="search"><div><label for="request_id">request_id</label>'
        f'<input id="request_id" name="request_id" required maxlength="128" pattern="{escape(_ID_PATTERN)}" '
        'title="Da 1 a 128 caratteri tra A-Z a-z 0-9 . _ : - e nessun codice fiscale" autocomplete="off" '
        'autocapitalize="none" spellcheck="false" aria-describedby="request_id-hint"></div>'
        '<button>Cerca</button><p class="hint soft" id="request_id-hint">'
        "La chiave scelta da chi invia, mai un codice fiscale.</p></form>"
    )
